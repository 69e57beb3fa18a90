# SPDX-License-Identifier: Apache-2.0
"""Communities of many parts: cleared, settled part by part and billed, to the Wh and nAUD as the rules say of all."""

import json

import pytest
from commonwatt_chaincode.forward import keys
from commonwatt_chaincode.forward.lines import decode_lines
from commonwatt_chaincode.market.forward import day_bills, period_settlement
from commonwatt_chaincode.market.forward.balances import Metered
from commonwatt_chaincode.market.forward.prices import Prices
from commonwatt_chaincode.market.forward.settlement import Line, Settlement, Terms, settle

from ...support.large_channel import DAY, FEED_IN, TOU, LargeChannel


async def traded(channel: LargeChannel, period: int) -> None:
    await channel.bid(period)
    cleared = await channel.do("clear_period", {"period": period}, period * 60 - 100)
    assert cleared["requests"] + cleared["offers"] == channel.size
    assert cleared["traded_wh"] > 0


async def settled(channel: LargeChannel, period: int, first: int = 0) -> None:
    """Settle part by part, the parts in a circle from one on; the last one alone ends the version."""
    await channel.do("freeze_period", {"period": period})
    parts = channel.size // period_settlement.PART_HOMES
    for step in range(parts):
        part = (first + step) % parts
        answer = await channel.do("settle_period", {"period": period, "part": part})
        assert (answer["homes"], answer["parts"]) == (channel.size // parts, parts)
        assert answer["settled"] == (step == parts - 1)


def by_the_rules(channel: LargeChannel, period: int) -> Settlement:
    """All homes at once, by the pure rules."""
    value = channel.ledger.get(keys.awards_key(period), "community")
    traded_wh, price = {}, None
    if value is not None:
        record = json.loads(value)
        price = record["price_uaud_per_kwh"]
        traded_wh = {one["home"]: (one["bought_wh"], one["sold_wh"]) for one in record["awards"]}
    homes = [
        Metered(home, *traded_wh.get(home, (0, 0)), *read_wh)
        for home, read_wh in channel.read_wh[period].items()
    ]
    return settle(homes, Terms(Prices(TOU, FEED_IN, 0), price))


def lines_of(channel: LargeChannel, period: int) -> dict[str, Line]:
    found = {}
    for part in range(channel.size // period_settlement.PART_HOMES):
        value = channel.ledger.get(keys.lines_key(period, 1, part), "community")
        found |= {one.home: one.line for one in decode_lines(value or b"").lines}
    return found


async def check(channel: LargeChannel, period: int) -> None:
    whole, lines = by_the_rules(channel, period), lines_of(channel, period)
    assert lines == whole.lines
    sums = json.loads(channel.ledger.get(keys.period_key(period, 1)) or b"")
    assert (sums["homes"], sums["shared_wh"]) == (channel.size, whole.shared_wh)
    assert sums["grid_naud"] == whole.grid_naud == sum(line.amount_naud for line in lines.values())
    assert sums["import_wh"] == sum(read_wh[0] for read_wh in channel.read_wh[period].values())


async def test_parts_settle_a_community_as_the_rules_settle_all_at_once() -> None:
    """One that was cleared and one that was not; the plan comes with whichever part is settled first."""
    channel = LargeChannel(600, 2)
    await channel.founded()
    await traded(channel, channel.periods[0])
    for first, period in enumerate(channel.periods):
        await settled(channel, period, 2 - first)
        await check(channel, period)


async def billed(channel: LargeChannel) -> None:
    """Bill the day in parts: its bills sum to its periods' amounts."""
    parts = channel.size // period_settlement.PART_HOMES
    amount_naud = 0
    for part in range(parts):
        answer = await channel.do("settle_day", {"day": DAY, "part": part})
        assert (answer["homes"], answer["parts"]) == (channel.size // parts, parts)
        amount_naud += answer["amount_naud"]
    sums = [json.loads(channel.ledger.get(keys.period_key(one, 1)) or b"") for one in channel.periods]
    assert amount_naud == sum(one["grid_naud"] for one in sums)


async def test_a_day_of_many_parts_is_billed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(period_settlement, "PART_HOMES", 10)
    monkeypatch.setattr(day_bills, "BILL_HOMES", 10)
    channel = LargeChannel(30, 48)
    await channel.founded()
    for period in channel.periods:
        await settled(channel, period)
    await billed(channel)


@pytest.mark.long
@pytest.mark.timeout(3_600)
async def test_two_thousand_homes_trade_and_are_settled_and_billed_for_a_day() -> None:
    channel = LargeChannel(2_000, 48)
    await channel.founded()
    for number, period in enumerate(channel.periods):
        await traded(channel, period)
        await settled(channel, period, number)
        await check(channel, period)
    await billed(channel)
