# SPDX-License-Identifier: Apache-2.0
"""Days on a ledger where all act at once: late readings, gaps, lost messages, freezes, bills, homes that come and go.

Whatever the order, each home's bills are in the end what its lines say, and all homes' lines what the grid gets.
"""

import asyncio
import random
from collections.abc import Coroutine
from typing import Any, TypeVar

import pytest
from commonwatt_chaincode.forward import gap_settling
from commonwatt_chaincode.market.forward import day_bills, period_settlement
from commonwatt_chaincode.market.forward.sharing import MODES
from commonwatt_chaincode.shim.testing import Invocation
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from .neighbourhood import COMMUNITY, DAY_S, MIDNIGHT_S, Neighbourhood, flat_tariff

P = MIDNIGHT_S // 60
DAY = (MIDNIGHT_S + 36_000) // DAY_S
HOURS = 24
DAY_MIN = 1_440
SUPPLY_NAUD = 1_000
MOST_DAYS, MOST_HOMES = 3, 6
HOT = 4
"""Hours of a day to which most of what happens at once is about."""

SUMMED = (
    *("import_wh", "export_wh", "bought_wh", "sold_wh", "shared_in_wh", "shared_out_wh"),
    *("grid_in_wh", "grid_out_wh", "breach_wh"),
    *("contract_naud", "shared_naud", "grid_naud", "fee_naud", "amount_naud"),
)
TURNS = 3
"""How often what waits is brought to its end: a version that cannot end for a lost message takes another one."""

Answer = TypeVar("Answer")

NUMBERS = st.integers(0, 2**16)
ACTIONS = st.tuples(
    st.sampled_from(["reading", "freeze", "settle", "gap", "bill", "lost"]), NUMBERS, NUMBERS, NUMBERS
)


class Days(RuleBasedStateMachine):
    """Time passes by days; what is done at once is endorsed on one state, and ordered one after the other."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.patched = pytest.MonkeyPatch()
        self.homes: list[str] = []
        self.days = 0
        self.seqs: dict[tuple[int, str, str], int] = {}

    def run(self, story: Coroutine[Any, Any, Answer]) -> Answer:
        return self.loop.run_until_complete(story)

    @initialize(seed=NUMBERS, part_homes=st.integers(1, 3), sharing=st.sampled_from(MODES))
    def found(self, seed: int, part_homes: int, sharing: str) -> None:
        self.draw = random.Random(seed)
        self.patched.setattr(period_settlement, "PART_HOMES", part_homes)
        self.patched.setattr(day_bills, "BILL_HOMES", part_homes)
        self.patched.setattr(gap_settling, "MOST_PERIODS", 5)
        self.street = Neighbourhood()
        feed_in = self.draw.choice([-30_000, 0, 50_000])
        tariff = flat_tariff(feed_in + 250_000, feed_in, 20_000, supply_naud_per_day=SUPPLY_NAUD)
        self.tou = feed_in + 250_000

        async def told() -> None:
            times = {"final_after_d": 1, "resettle_every_s": 60}
            await self.street.found(tariff, period_min=60, sharing=sharing, heal_s=60, times=times)
            await self.street.set_key("operator", COMMUNITY)

        self.run(told())
        for _ in range(self.draw.randint(1, 4)):
            self.join()
        if sharing == "static":
            ppm = {"from_period": P, "keys": dict.fromkeys(self.homes, 150_000)}
            self.run(self.street.do("operator", "set_sharing_keys", ppm))
        if seed % 2:
            bounds = {"from_period": P, "to_period": P + MOST_DAYS * DAY_MIN, "export_w": 250}
            self.run(self.street.do("grid", "set_envelope", bounds))

    @precondition(lambda self: len(self.homes) < MOST_HOMES)
    @rule()
    def join(self) -> None:
        """A home joins, in the middle of a day; its id may stand before those of others."""
        home = f"h{self.draw.randint(0, 999):03}-{len(self.homes)}"

        async def told() -> None:
            await self.street.add(home, confirm=False, pv_w=self.draw.choice([0, 1_000]), battery_w=500)
            await self.street.set_key("meter", home)
            await self.street.do("grid", "confirm_home", {"home": home})

        self.run(told())
        self.homes.append(home)

    @rule(number=NUMBERS)
    def end(self, number: int) -> None:
        """A home moves out, in the middle of a day."""
        home = self.homes[number % len(self.homes)]
        if (
            len(self.homes) > 1
            and self.run(self.street.submit("operator", "end_home", {"home": home})).status == 200
        ):
            self.run(self.street.do("grid", "confirm_home", {"home": home}))

    @precondition(lambda self: self.days < MOST_DAYS)
    @rule(seed=NUMBERS)
    def day(self, seed: int) -> None:
        """A day of bids and readings passes; mostly all of it is settled, and billed."""
        self.draw.seed(seed)
        self.days += 1
        hours = self.periods()[-HOURS:]
        for period in hours:
            self.run(self.hour(period))
        if seed % 4:
            self.run(self.billed(self.days - 1))

    async def hour(self, period: int) -> None:
        draw, street = self.draw, self.street
        if draw.random() < 0.3:
            street.now_s = period * 60 - 3_000
            bids = [
                street.request(home, period, draw.randint(1, 400), self.tou - 20_000)
                if draw.random() < 0.5
                else street.offer(home, period, draw.randint(1, 400), self.tou - 250_000)
                for home in self.homes
            ]
            await street.say("bid", period, bids)
            street.now_s = period * 60 - 240
            await street.do("operator", "close_gate", {"period": period})
            await street.do("grid", "clear_period", {"period": period})
        street.now_s = (period + 60) * 60
        said = [self.said(home, period, draw.randrange(9)) for home in self.homes if draw.random() < 0.6]
        if said:
            await street.say("reading", period, said)
        if draw.random() < 0.9:
            await street.do("operator", "freeze_period", {"period": period})
        if draw.random() < 0.9:
            await self.settled(period)

    async def billed(self, day: int) -> None:
        for period in self.periods()[HOURS * day : HOURS * (day + 1)]:
            if not await self.settled(period):
                await self.street.submit("operator", "freeze_period", {"period": period})
                await self.settled(period)
        answer: Any = {"parts": 1}
        part = 0
        while part < answer["parts"]:
            answer = await self.street.do("operator", "settle_day", {"day": DAY + day, "part": part})
            part += 1

    def said(self, home: str, period: int, number: int) -> bytes:
        """The meter says the truth, with totals; homes and operators say anything."""
        author = ("meter", "meter", "home", "operator")[number % 4]
        at = (period - P) // 60
        place = (period, home, author)
        self.seqs[place] = seq = self.seqs.get(place, 0) % 32 + 1
        if author == "meter":
            import_wh, export_wh = self.true_wh(home, at)
            totals = tuple(map(sum, zip(*(self.true_wh(home, hour) for hour in range(at + 1)), strict=True)))
            return self.street.reading(
                home, period, import_wh, export_wh, author=author, seq=seq, totals=(totals[0], totals[1])
            )
        import_wh, export_wh = self.draw.randint(0, 900), self.draw.randint(0, 500)
        return self.street.reading(home, period, import_wh, export_wh, author=author, seq=seq)

    def true_wh(self, home: str, hour: int) -> tuple[int, int]:
        drawn = random.Random(f"{home} {hour}")
        return drawn.randint(0, 900), drawn.randint(0, 500)

    def periods(self) -> list[int]:
        return [P + 60 * hour for hour in range(HOURS * self.days)]

    @precondition(lambda self: self.days)
    @rule(actions=st.lists(ACTIONS, min_size=1, max_size=4))
    def at_once(self, actions: list[tuple[str, int, int, int]]) -> None:
        """Several act on the same state; of two that meet one is void, and is refused or done over some time."""
        self.street.now_s += 60
        endorsed = [self.run(self.endorsed(*action)) for action in actions]
        for done in endorsed:
            assert done.status in (200, 400), done.message
            if done.status == 200:
                self.street.ledger.commit(done)

    async def endorsed(self, action: str, first: int, second: int, third: int) -> Invocation:
        street, periods = self.street, self.periods()
        hot = periods[-HOURS * (1 + second % 2) :][: HOT if first % 3 else None]
        period, home = hot[first % len(hot)], self.homes[second % len(self.homes)]
        if action == "reading":
            batch = {"kind": "reading", "period": period}
            return await street.ledger.evaluate(
                "submit_messages",
                batch,
                creator=street.callers["carrier"],
                transient={"messages": self.said(home, period, third)},
                timestamp=street.now_s,
            )
        if action == "lost":
            index = street.ledger.keys("m/reading/", "m/reading0")
            if index:
                street.lose(index[first % len(index)])
            return await street.evaluate(
                "grid", "declare_lost", {"key": index[second % len(index)] if index else "m/x"}
            )
        if action == "freeze":
            return await street.evaluate(home, "freeze_period", {"period": period})
        if action == "settle":
            return await street.evaluate(home, "settle_period", {"period": period, "part": third % 3})
        if action == "gap":
            span = {"home": home, "before": period, "after": period + 60 * (2 + third % 6)}
            return await street.evaluate("grid", "settle_gap", span)
        return await street.evaluate(
            "operator", "settle_day", {"day": DAY + first % self.days, "part": third % 3}
        )

    async def settled(self, period: int) -> bool:
        answer: Any = {"parts": 1}
        part = 0
        while part < answer["parts"]:
            done = await self.street.submit("operator", "settle_period", {"period": period, "part": part})
            if done.status != 200:
                assert done.status == 400, done.message
                return False
            answer = done.json()
            part += 1
        return bool(answer["settled"])

    def teardown(self) -> None:
        try:
            if self.homes and self.days:
                self.run(self.ended())
        finally:
            self.patched.undo()
            self.loop.close()

    async def ended(self) -> None:
        """All is settled and billed, and a last day's bills take what waits."""
        street = self.street
        self.days += 1
        street.now_s = max(street.now_s, (P + self.days * DAY_MIN) * 60) + 7_200
        for key in street.ledger.keys("m/reading/", "m/reading0"):
            await street.submit("grid", "declare_lost", {"key": key})
        waiting = self.periods()
        for _ in range(TURNS):
            street.now_s += 60
            for period in waiting:
                if not await self.settled(period):
                    await street.submit("operator", "freeze_period", {"period": period})
            waiting = [period for period in waiting if not await self.settled(period)]
        assert not waiting
        for day in range(self.days):
            await self.billed(day)
        assert not street.ledger.keys("pending/", "pending0")
        owed_naud = dict.fromkeys(self.homes, 0)
        taxable_naud = dict.fromkeys(self.homes, 0)
        for period in self.periods():
            await self.check_period(period, owed_naud, taxable_naud)
        for home in self.homes:
            await self.check_bills(home, owed_naud[home], taxable_naud[home])

    async def check_period(
        self, period: int, owed_naud: dict[str, int], taxable_naud: dict[str, int]
    ) -> None:
        lines = (await self.street.lines(period)).values()
        sums = {name: sum(line[name] for line in lines) for name in SUMMED}
        assert sums["bought_wh"] == sums["sold_wh"]
        assert sums["shared_in_wh"] == sums["shared_out_wh"]
        assert sums["contract_naud"] == sums["shared_naud"] == 0
        grid_wh = sums["grid_in_wh"] - sums["grid_out_wh"] - sums["breach_wh"]
        assert grid_wh == sums["import_wh"] - sums["export_wh"]
        assert sums["amount_naud"] == sums["grid_naud"] + sums["fee_naud"]
        for line in lines:
            owed_naud[line["home"]] += line["amount_naud"]
            taxable_naud[line["home"]] += line["grid_in_wh"] * line["tou"] + line["fee_naud"]

    async def check_bills(self, home: str, owed_naud: int, taxable_naud: int) -> None:
        registered = await self.street.ask("grid", "get_home", {"home": home})
        first, last = registered["versions"][0]["from_period"], registered["to_period"]
        starts = [P + DAY_MIN * day for day in range(self.days)]
        supply_naud = SUPPLY_NAUD * sum(first <= start and (last is None or start < last) for start in starts)
        answers = [
            await self.street.evaluate("grid", "get_bill", {"home": home, "day": DAY + day})
            for day in range(self.days)
        ]
        bills = [one.json() for one in answers if not one.message.startswith("unknown_bill")]
        assert sum(one["amount_naud"] for one in bills) == owed_naud + supply_naud
        assert sum(one["taxable_naud"] for one in bills) == taxable_naud + supply_naud


def lived(examples: int, steps: int) -> None:
    chosen = settings(max_examples=examples, stateful_step_count=steps, deadline=None, database=None)
    run_state_machine_as_test(Days, settings=chosen)  # type: ignore[no-untyped-call]


@pytest.mark.long
def test_bills_are_what_lines_say_whatever_happens_at_once() -> None:
    lived(3, 8)


@pytest.mark.long
@pytest.mark.timeout(3_600)
def test_bills_are_what_lines_say_in_many_stories() -> None:
    lived(60, 25)
