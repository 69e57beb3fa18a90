# SPDX-License-Identifier: Apache-2.0
"""What a pilot's community comes to by its homes' own journals, beside what the ledger says."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from commonwatt_audit.audit import Audit
from commonwatt_audit.forward.replay import ForwardReplay
from commonwatt_audit.source import shown_blocks_of_network
from commonwatt_chaincode.market.forward.bids import OFFER, REQUEST, WITHDRAWAL, Bid, Connection
from commonwatt_chaincode.market.forward.bills import Settled
from commonwatt_chaincode.market.forward.day_bills import billable
from commonwatt_chaincode.market.forward.gaps import Spread, spread
from commonwatt_chaincode.market.forward.gates import gate_s
from commonwatt_chaincode.market.forward.period_settlement import FrozenPeriod, settle_homes
from commonwatt_chaincode.market.forward.periods import Period
from commonwatt_chaincode.market.forward.readings import HOME, Reading
from commonwatt_chaincode.market.forward.settlement import Terms
from commonwatt_chaincode.messages.message import A_READING, BID, Message, read
from commonwatt_community.market.forward import ForwardMarket
from commonwatt_community.market.results import Configuration, Home, HomeLine
from commonwatt_loadgen.forward.inprocess import InProcessForwardMarket
from commonwatt_loadgen.forward.market import Cleared
from commonwatt_loadgen.forward.rules import ForwardRules

from .forward_network import CHANNEL


@dataclass(frozen=True)
class Spoken:
    """A message of a journal, and the SHA-256 of all its bytes, which is what the ledger shows everybody."""

    message: Message
    whole: str


def journal(path: Path) -> list[Spoken]:
    """All that a home signed."""
    found = []
    for line in path.read_text().splitlines():
        if (compact := json.loads(line).get("message")) is not None:
            found.append(Spoken(read(compact.encode()), hashlib.sha256(compact.encode()).hexdigest()))
    return found


async def replayed(path: Path) -> ForwardReplay:
    """The whole ledger, audited; FirstDifference where it is not what the rules say."""
    audit = Audit()
    async for block, shown in shown_blocks_of_network(path, CHANNEL, "newtown", "operator"):
        audit.check(block, shown=shown)
    assert audit.forward is not None
    return audit.forward


def on_ledger(replay: ForwardReplay) -> Counter[str]:
    """How often each message stands on the ledger."""
    return Counter(digest for _, digest in replay.ledger.under("m/"))


@dataclass(frozen=True)
class Recomputed:
    """Settled lines by period and home, from journals alone; `assumed` are lines without a reading in the journal."""

    lines: Mapping[int, Mapping[str, Settled]]
    assumed: Sequence[tuple[int, str]]


async def recompute(
    said: Mapping[str, Sequence[Spoken]],
    stands: Mapping[str, int],
    configuration: Configuration,
    homes: Sequence[Home],
    periods: Sequence[int],
) -> Recomputed:
    """Clear and settle periods by the homes' words, as far as they stand on the ledger.

    A home without a reading is estimated, as the rules say of one without a history, until its meter's running totals
    tell what was between two readings.
    """
    rules_then = configuration.rules[0]
    rules = ForwardRules(
        first_day=0,
        period_min=1,
        offsets=tuple(tuple(one) for one in configuration.offsets),  # type: ignore[misc]
        tariffs=tuple(configuration.tariffs),
        times=rules_then.times,
        pricing=rules_then.pricing,
        sharing=rules_then.sharing,
        estimate_w=rules_then.estimate_w,
    )
    bids: dict[int, list[Bid]] = {}
    readings: dict[tuple[int, str], Reading] = {}
    for home, messages in said.items():
        for one in messages:
            if not stands.get(one.whole):
                continue
            if one.message.kind == BID:
                bids.setdefault(one.message.period, []).append(_bid(home, one.message))
            elif one.message.kind == A_READING:
                readings[one.message.period, home] = _reading(home, one.message)
    gaps = {(one.period.id, home): one for home in said for one in _gaps(home, readings, periods)}
    lines: dict[int, Mapping[str, Settled]] = {}
    assumed = []
    for period_id in periods:
        members = {
            one.home: one.versions[0].connection
            for one in homes
            if one.versions and one.versions[0].from_period <= period_id
        }
        period = Period(period_id, 1)
        market = InProcessForwardMarket(rules, members)
        cleared = await market.period(period, [one for one in bids.get(period_id, []) if one.home in members])
        assumed += [(period_id, home) for home in members if (period_id, home) not in readings]
        lines[period_id] = _settled(rules, period, members, cleared, readings, gaps)
    return Recomputed(lines, assumed)


def _settled(
    rules: ForwardRules,
    period: Period,
    members: Mapping[str, Connection],
    cleared: Cleared,
    readings: Mapping[tuple[int, str], Reading],
    gaps: Mapping[tuple[int, str], Spread],
) -> Mapping[str, Settled]:
    band, prices, _ = rules.tariff(period)
    frozen = FrozenPeriod(
        period,
        version=1,
        final_version=None,
        terms=Terms(prices, cleared.price_uaud_per_kwh, rules.sharing, band.sharing_price),
        gate_s=gate_s(period, rules.times),
        offsets=rules.offsets,
        estimate_w=rules.estimate_w,
        connections=members,
        awarded_wh={home: (one.bought_wh, one.sold_wh) for home, one in cleared.awards.items()},
        readings={home: (readings[period.id, home],) for home in members if (period.id, home) in readings},
    )
    assumed_wh = {home: period.energy_wh(rules.estimate_w) for home in members if home not in frozen.readings}
    spread_wh = {home: gaps[period.id, home] for home in members if (period.id, home) in gaps}
    lines = settle_homes(frozen, tuple(members), {}, spread_wh, assumed_wh)
    return {one.home: billable(period, band.name, prices, one, final=False) for one in lines}


def _gaps(home: str, readings: Mapping[tuple[int, str], Reading], periods: Sequence[int]) -> Iterator[Spread]:
    """What the running totals say of a home's periods without a reading."""
    before: Reading | None = None
    between: list[Reading] = []
    missing: list[Period] = []
    for period_id in periods:
        reading = readings.get((period_id, home))
        if reading is None:
            missing.append(Period(period_id, 1))
        elif reading.import_total_wh is None:
            between.append(reading)
        else:
            if before is not None and missing:
                with suppress(ValueError):  # the totals ran backwards: the estimates stand
                    yield from spread(missing, before, reading, between)
            before, between, missing = reading, [], []


def _bid(home: str, message: Message) -> Bid:
    said = message.payload
    if message.typ.endswith("request"):
        return Bid(home, message.seq, REQUEST, said["energy_wh"], said["limit_uaud_per_kwh"])
    if message.typ.endswith("offer"):
        return Bid(home, message.seq, OFFER, said["energy_wh"], said["price_uaud_per_kwh"])
    return Bid(home, message.seq, WITHDRAWAL)


def _reading(home: str, message: Message) -> Reading:
    said = message.payload
    totals = said.get("import_total_wh"), said.get("export_total_wh")
    return Reading(home, HOME, "measured", message.seq, 1, said["import_wh"], said["export_wh"], *totals)


def waiting_adjustments(replay: ForwardReplay, home: str, periods: Sequence[int]) -> int:
    """What corrections book that wait for a home's next bill, in nAUD, of some periods."""
    first, last = min(periods), max(periods)
    total_naud = 0
    for key, _ in replay.ledger.under(f"pending/{home}/"):
        _, _, period, version = key.split("/")
        if first <= int(period) <= last:
            value: dict[str, Any] = replay.ledger.private_record(f"adjustment/{home}/{period}/{version}")
            total_naud += value["adjustment"]["change"]["amount_naud"]
    return total_naud


async def lines_of(operator: ForwardMarket, periods: Sequence[int]) -> dict[tuple[int, str], HomeLine]:
    """The ledger's lines, by period and home."""
    found = {}
    for begin in range(min(periods), max(periods) + 1, 15):
        end = min(begin + 15, max(periods) + 1)
        for line in await operator.list_lines(begin, end):
            found[line.period, line.home] = line
        await asyncio.sleep(0)
    return found
