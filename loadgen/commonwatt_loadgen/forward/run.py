# SPDX-License-Identifier: Apache-2.0
"""A whole simulation of the forward market: its communities, then the summary."""

from collections.abc import Callable
from typing import Any

from commonwatt_client.exit_codes import UsageError

from commonwatt_loadgen.forward.community import community_in_process
from commonwatt_loadgen.forward.definitions import DEFINITIONS, SCHEMA
from commonwatt_loadgen.forward.options import ForwardOptions
from commonwatt_loadgen.forward.region import region_in_process
from commonwatt_loadgen.simulate.inprocess import communities_by
from commonwatt_loadgen.simulate.options import devices_of
from commonwatt_loadgen.traces import Problem, TraceSet
from commonwatt_loadgen.traces.checks import counted

Json = dict[str, Any]
Progress = Callable[[str, int, int], None]  # community, days done, and in all


def simulate_forward_in_process(options: ForwardOptions, communities: int, progress: Progress) -> Json:
    """Days of the forward market by the chaincode's rules in this process, without a network.

    Raises:
        UsageError: the options or the traces cannot be used.
    """
    options.check()
    if not 1 <= communities <= 1000:
        raise UsageError(f"--communities {communities}: must be within 1..1000")
    if options.link_fee is not None and communities < 2:
        raise UsageError("--link-fee: one community has nobody to trade with; set --communities to 2 or more")
    traces, problems = options.run.trace_set()
    done = communities_by(
        community_in_process, options, traces, communities, options.run.days, options.run.out, progress
    )
    summary = opening(options, traces, problems, done, "", "in-process")
    if options.link_fee is not None:
        summary["exchange"] = region_in_process(options, traces, done)
    return summary


def opening(
    options: ForwardOptions,
    traces: TraceSet,
    problems: list[Problem],
    communities: list[Json],
    network: str,
    backend: str,
) -> Json:
    """The summary: what was run, and the communities' figures."""
    run = options.run
    return {
        "schema": SCHEMA,
        "definitions": DEFINITIONS,
        "run": {
            "market": "forward",
            "seed": run.seed,
            "days": run.days,
            "share_percent": run.share_percent,
            "forecast": run.forecast,
            "battery": run.battery,
            "pricing": options.pricing,
            "sharing": options.sharing,
            "period_min": options.period,
            "feed_in_c_per_kwh": list(options.feed_in),
            "local_fee_c_per_kwh": options.local_fee,
            "sharing_keys": str(options.sharing_keys) if options.sharing_keys else None,
            "envelopes": str(options.envelopes) if options.envelopes else None,
            "export_limit_w": options.export_limit_w,
            "curtail": options.curtail,
            "community_battery_wh": options.community_battery,
            **devices_of(run),
            "clock_zone": options.clock_zone,
            "pv": run.pv,
            "noise_percent": run.noise_percent,
            "network": network,
            "backend": backend,
            "source": traces.source,
            "trace_problems": counted(problems),
            "first_day": communities[0]["first_day"],
        },
        "communities": communities,
        "performance": {},
    }
