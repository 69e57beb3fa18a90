# SPDX-License-Identifier: Apache-2.0
"""Random communities on a ledger: whatever readings come, late or never, every Wh and nAUD is settled once."""

import asyncio
import random
from typing import Any

import pytest
from commonwatt_chaincode.market.forward import day_bills, period_settlement
from commonwatt_chaincode.market.forward.balances import Metered
from commonwatt_chaincode.market.forward.prices import Prices
from commonwatt_chaincode.market.forward.settlement import Terms, settle
from commonwatt_chaincode.market.forward.sharing import MODES
from hypothesis import given, settings
from hypothesis import strategies as st

from .neighbourhood import COMMUNITY, DAY_S, MIDNIGHT_S, Neighbourhood, flat_tariff

P = MIDNIGHT_S // 60
SPAN = 4
"""Consecutive periods of a story, of half an hour each."""

SEEDS = st.integers(0, 2**32 - 1)
FEW = settings(max_examples=12, deadline=None, database=None)
MANY = settings(max_examples=200, deadline=None, database=None)


class Story:
    """A community of up to five homes, its bids, and versions of readings by homes, meters and the operator."""

    def __init__(self, seed: int) -> None:
        self.draw = random.Random(seed)
        draw = self.draw
        self.homes = [f"h{number}" for number in range(draw.randint(1, 5))]
        feed_in, fee = draw.choice([-30_000, 0, 50_000]), draw.choice([0, 20_000])
        self.prices = Prices(feed_in + fee + draw.randint(0, 300_000), feed_in, fee)
        self.sharing = draw.choice(MODES)
        self.sharing_price = draw.choice([None, draw.randint(self.prices.feed_in, self.prices.ceiling)])
        self.street = Neighbourhood()
        self.late: set[tuple[int, str]] = set()
        self.totals = dict.fromkeys(self.homes, 10_000)

    async def found(self, **rules: Any) -> None:
        tariff = flat_tariff(*self.prices, sharing_price=self.sharing_price, supply_naud_per_day=1_000)
        await self.street.found(tariff, sharing=self.sharing, **rules)
        await self.street.set_key("operator", COMMUNITY)
        for home in self.homes:
            pv_w = self.draw.choice([0, 3_000])
            await self.street.add(home, pv_w=pv_w, battery_w=1_000)
            await self.street.set_key("meter", home)
        if self.sharing == "static":
            keys_ppm = {home: self.draw.randint(0, 200_000) for home in self.homes}
            await self.street.do("operator", "set_sharing_keys", {"from_period": P, "keys": keys_ppm})
        for home in self.draw.sample([*self.homes, None], self.draw.randint(0, 2)):
            bounds = {"from_period": P, "to_period": P + 60, "export_w": self.draw.randint(0, 1_500)}
            await self.street.do("grid", "set_envelope", bounds | ({"home": home} if home else {}))

    async def trade(self, period: int) -> None:
        bids = []
        for home in self.homes:
            if self.draw.random() < 0.4:
                bids.append(self.street.request(home, period, self.draw.randint(1, 900), self.prices.ceiling))
            elif self.draw.random() < 0.6:
                bids.append(self.street.offer(home, period, self.draw.randint(1, 500), self.prices.feed_in))
        if self.draw.random() < 0.8:
            await self.street.trade(period, bids)

    def reading(self, home: str, period: int, seq: int) -> bytes:
        author = self.draw.choice(["home", "meter", "operator"])
        totals = None
        import_wh, export_wh = self.draw.randint(0, 800), self.draw.randint(0, 500)
        if author == "meter" and self.draw.random() < 0.7:
            total = self.totals[home] + 40_000 * (period - P) // 30
            totals = (total + import_wh, 50_000 * (1 + (period - P) // 30))
        return self.street.reading(home, period, import_wh, export_wh, author=author, seq=seq, totals=totals)

    async def version(self, period: int, seq: int) -> bool:
        """Readings of some homes, then a version settled in parts, in any order; False where there is none."""
        said = [self.reading(home, period, seq) for home in self.homes if self.draw.random() < 0.4]
        final = self.street.now_s >= (period + 30) * 60 + 2 * DAY_S
        if final:
            self.late |= {(period, home) for home in self.homes}
        results = await self.street.say("reading", period, said) if said else []
        assert set(results) <= {"written", "impossible_reading"}
        if seq > 1 and "written" not in results:
            return False
        self.street.now_s += 60
        await self.street.do(self.draw.choice(self.homes), "freeze_period", {"period": period})
        parts = list(range(-(-len(self.homes) // period_settlement.PART_HOMES)))
        self.draw.shuffle(parts)
        for part in parts:
            answer = await self.street.do("grid", "settle_period", {"period": period, "part": part})
        assert answer["settled"]
        return True

    async def gaps(self) -> None:
        """Try to settle every gap that there could be."""
        for home in self.homes:
            for before in range(P, P + 30 * SPAN, 30):
                for after in range(before + 60, P + 30 * SPAN, 30):
                    gap = {"home": home, "before": before, "after": after}
                    await self.street.submit("grid", "settle_gap", gap)

    async def check(self, period: int, gaps: bool) -> dict[str, Any]:
        """The lines of a period add up; without gaps they are those of one settlement of all homes."""
        lines = await self.street.lines(period)
        assert sorted(lines) == self.homes
        total = {
            name: sum(line[name] for line in lines.values())
            for name in lines[self.homes[0]]
            if name.endswith(("_wh", "_naud")) and name != "export_cap_wh"
        }
        assert total["contract_naud"] == total["shared_naud"] == 0
        assert total["shared_in_wh"] == total["shared_out_wh"]
        assert total["bought_wh"] == total["sold_wh"]
        assert total["amount_naud"] == total["grid_naud"] + total["fee_naud"]
        grid_wh = total["grid_in_wh"] - total["grid_out_wh"] - total["breach_wh"]
        assert grid_wh == total["import_wh"] - total["export_wh"]
        told = await self.street.ask("grid", "get_period", {"period": period})
        if not gaps:
            sums = told["sums"]
            assert sums["grid_naud"] == total["amount_naud"]
            assert sums["import_wh"] == total["import_wh"]
            assert sums["estimated"] + sums["substituted"] + sums["measured"] == len(self.homes)
            if not any((period, home) in self.late for home in self.homes):
                self._as_a_whole(lines, told)
        return lines

    def _as_a_whole(self, lines: dict[str, Any], told: Any) -> None:
        homes = [
            Metered(
                home,
                line["bought_wh"],
                line["sold_wh"],
                line["import_wh"],
                line["export_wh"],
                line["export_cap_wh"],
                line["key_ppm"],
                line["quality"] == "estimated",
            )
            for home, line in lines.items()
        ]
        price = told["cleared"]["price_uaud_per_kwh"] if told["cleared"] else None
        whole = settle(homes, Terms(self.prices, price, self.sharing, self.sharing_price))
        for home, line in whole.lines.items():
            assert {name: lines[home][name] for name in line._fields} == line._asdict()


async def lived(seed: int, part_homes: int) -> None:
    story = Story(seed)
    await story.found(times={"final_after_d": 2})
    periods = [P + 30 * step for step in range(SPAN)]
    for period in periods:
        await story.trade(period)
        story.street.now_s = (period + 30) * 60
        await story.version(period, 1)
        await story.check(period, gaps=False)
    for seq in (2, 3):
        for period in periods:
            if story.draw.random() < 0.5:
                before = await story.check(period, gaps=seq == 3)
                if await story.version(period, seq):
                    after = await story.check(period, gaps=False)
                    _never_downwards(before, after)
        if seq == 2:
            await story.gaps()
            for period in periods:
                await story.check(period, gaps=True)
            if story.draw.random() < 0.5:
                story.street.now_s += 3 * DAY_S


def _never_downwards(before: dict[str, Any], after: dict[str, Any]) -> None:
    qualities = ["estimated", "substituted", "measured"]
    for home, line in after.items():
        assert qualities.index(line["quality"]) >= qualities.index(before[home]["quality"])
        if {**line, "version": 0, "final": False} == {**before[home], "version": 0, "final": False}:
            assert line["version"] == before[home]["version"]


async def billed(seed: int, part_homes: int) -> None:
    """Two days of hours; the first is billed, then readings come late; both bills are what both days' lines say."""
    story = Story(seed)
    await story.found(period_min=60)
    day = (MIDNIGHT_S + 36_000) // DAY_S
    street, draw = story.street, story.draw
    for number in range(2):
        hours = [P + 1_440 * number + 60 * hour for hour in range(24)]
        for period in hours:
            street.now_s = (period + 60) * 60
            await story.version(period, 1)
        for part in range(-(-len(story.homes) // day_bills.BILL_HOMES)):
            await street.do("operator", "settle_day", {"day": day + number, "part": part})
        for seq in (2, 3):
            for period in draw.sample(hours, 3):
                street.now_s += 60
                await story.version(period, seq)
        if draw.random() < 0.5:
            for home in story.homes:
                gap = {"home": home, "before": hours[0], "after": hours[draw.randint(1, 23)]}
                await street.submit("grid", "settle_gap", gap)
    hours = [P + 2_880 + 60 * hour for hour in range(24)]
    for period in hours:
        street.now_s = max(street.now_s, (period + 60) * 60)
        await story.version(period, 1)
    for part in range(-(-len(story.homes) // day_bills.BILL_HOMES)):
        await street.do("operator", "settle_day", {"day": day + 2, "part": part})
    assert not street.ledger.keys("pending/", "pending0")
    for home in story.homes:
        bills = [
            await street.ask("grid", "get_bill", {"home": home, "day": day + number}) for number in range(3)
        ]
        span = {"from_period": P, "to_period": P + 3 * 1_440, "home": home}
        lines = (await street.ask("grid", "list_lines", span))["lines"]
        assert len(lines) == 72
        owed_naud = 3 * 1_000 + sum(line["amount_naud"] for line in lines)
        assert sum(one["amount_naud"] for one in bills) == owed_naud
        taxable_naud = 3 * 1_000 + sum(
            line["grid_in_wh"] * story.prices.tou + line["fee_naud"] for line in lines
        )
        assert sum(one["taxable_naud"] for one in bills) == taxable_naud


def run(story: Any, seed: int, part_homes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(period_settlement, "PART_HOMES", part_homes)
        patched.setattr(day_bills, "BILL_HOMES", part_homes)
        asyncio.run(story(seed, part_homes))


@FEW
@given(SEEDS, st.integers(1, 5))
@pytest.mark.long
def test_money_and_energy_of_any_period_sum_exactly(seed: int, part_homes: int) -> None:
    run(lived, seed, part_homes, pytest.MonkeyPatch())


@settings(FEW, max_examples=3)
@given(SEEDS, st.integers(1, 5))
@pytest.mark.long
def test_the_bills_of_any_days_are_what_their_lines_say(seed: int, part_homes: int) -> None:
    run(billed, seed, part_homes, pytest.MonkeyPatch())


@pytest.mark.long
@pytest.mark.timeout(1_800)
@MANY
@given(SEEDS, st.integers(1, 5))
def test_money_and_energy_of_many_periods_sum_exactly(seed: int, part_homes: int) -> None:
    run(lived, seed, part_homes, pytest.MonkeyPatch())


@pytest.mark.long
@pytest.mark.timeout(1_800)
@settings(MANY, max_examples=30)
@given(SEEDS, st.integers(1, 5))
def test_the_bills_of_many_days_are_what_their_lines_say(seed: int, part_homes: int) -> None:
    run(billed, seed, part_homes, pytest.MonkeyPatch())
