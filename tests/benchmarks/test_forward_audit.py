# SPDX-License-Identifier: Apache-2.0
"""How fast the audit replays a forward market: transactions and messages a second of one core's processor time."""

from __future__ import annotations

import statistics
import time
from collections import defaultdict

from commonwatt_audit.forward.replay import ForwardReplay

from ..unit.audit.forward.recording import Recording
from ..unit.forward.neighbourhood import MIDNIGHT

HOMES, PERIODS, ROUNDS = 200, 6, 3


async def _traded() -> Recording:
    """A community in which every home bids and is metered in every period."""
    town = Recording()
    await town.found(trust_homes=True, period_min=30)
    buyers = [f"h{number:03d}" for number in range(HOMES // 2)]
    sellers = [f"p{number:03d}" for number in range(HOMES // 2)]
    await town.add(*buyers)
    await town.add(*sellers, pv_w=6_000)
    for step in range(PERIODS):
        period = MIDNIGHT + 30 * step
        town.in_window(period)
        bids = [town.request(home, period, 300 + place, 250_000) for place, home in enumerate(buyers)]
        bids += [town.offer(home, period, 200 + place, 70_000) for place, home in enumerate(sellers)]
        await town.bids(period, *bids)
        await town.close(period)
        await town.do("operator", "clear_period", {"period": period})
        town.at(period + 30)
        readings = [town.reading(home, period, 350) for home in buyers]
        readings += [town.reading(home, period, 0, 250) for home in sellers]
        await town.readings(period, *readings)
        await town.do("operator", "freeze_period", {"period": period})
        await town.do("operator", "settle_period", {"period": period})
    return town


async def test_figures() -> None:
    town = await _traded()
    rounds, spent = [], defaultdict[str, list[float]](list)
    for _ in range(ROUNDS):
        replay = ForwardReplay()
        begun = time.process_time()
        for recorded in town.recorded:
            before = time.process_time()
            replay.check(recorded)
            spent[recorded.function].append(time.process_time() - before)
        rounds.append(time.process_time() - begun)
    messages, whole_s = 2 * HOMES * PERIODS, statistics.median(rounds)
    batches_s = statistics.median(spent["forward:submit_messages"]) * 2 * PERIODS
    print(f"\n{HOMES} homes, {PERIODS} periods, {len(town.recorded)} transactions, {messages} messages")
    print(
        f"all of it: {len(town.recorded) / whole_s:,.0f} transactions/s, {messages / whole_s:,.0f} messages/s"
    )
    print(f"messages alone, each verified: {messages / batches_s:,.0f} messages/s")
    for name in ("close_gate", "clear_period", "freeze_period", "settle_period"):
        print(f"{name} of {HOMES} homes: {1_000 * statistics.median(spent[f'forward:{name}']):.1f} ms")
