# SPDX-License-Identifier: Apache-2.0
"""The knee of the network that is up, and of batches of messages by their size."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from commonwatt_client.exit_codes import UsageError

from commonwatt_loadgen.throughput.knee import FIRST_RATE, find_knee
from commonwatt_loadgen.throughput.options import LoadOptions
from commonwatt_loadgen.throughput.run import make_ready, run, schedule

Json = dict[str, Any]

MESSAGES_PER_S = 500.0  # with which a search begins, whatever a batch holds
_FOR_A_SEARCH = 300_000  # transactions that a search for the knee may send in all


def search(options: LoadOptions, budget_s: float, tell: Callable[[str], None]) -> Json:
    """See `find_knee`; `options` say everything but the rate.

    Raises:
        UsageError: the options or the network file cannot be used, or the homes cannot send as much as is needed.
        IncompleteRun: a generator was lost, or totals don't add up.
        Refused, ClientError: the network could not be prepared.
    """
    schedule(options)
    ready = make_ready(options, _FOR_A_SEARCH, or_fewer=True)
    sent = 0

    def step(rate: float) -> Json:
        nonlocal sent
        now = replace(options, rate=f"constant:{rate:g}")
        times = schedule(now)
        first, sent = sent, sent + len(times)
        if sent > ready.transactions:
            raise UsageError(
                f"the network's homes can send {ready.transactions:,} transactions, and the search needs more; start "
                "the network with more homes, or lower the duration of a step"
            )
        return run(now, ready, times, first=first)

    carried = max(workload.request(0).messages for workload in ready.workloads)
    first_rate = min(FIRST_RATE, MESSAGES_PER_S / carried) if carried else FIRST_RATE
    return find_knee(step, tell, budget_s, first_rate)


def by_batch(
    options: LoadOptions, sizes: Sequence[int], budget_s: float, tell: Callable[[str], None]
) -> dict[int, Json]:
    """A search for each size of a batch, which share `budget_s`; raises as `search` does."""
    found = {}
    for size in sizes:
        tell(f"batches of {size:,}")
        found[size] = search(replace(options, batch=size), budget_s / len(sizes), tell)
    return found


def best_step(found: Json) -> Json | None:
    """The step with the highest rate that passed; None where none did."""
    return max(
        (step for step in found["steps"] if step["passed"]), key=lambda step: step["rate"], default=None
    )


def best_size(found: dict[int, Json]) -> int | None:
    """The size that carries the most messages a second with all thresholds kept; None where none keeps them."""
    carried = {
        size: best["summary"]["messages_per_s"]
        for size, one in found.items()
        if (best := best_step(one)) is not None
    }
    return max(carried, key=lambda size: carried[size], default=None)
