# SPDX-License-Identifier: Apache-2.0
"""Random days on the contract: every metered Wh is billed once, money sums to zero, and order changes nothing."""

import asyncio
import json
from typing import Any, NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from .community import NOON, Community, populated
from .scenario import lines

HOMES = ("h1", "h2", "p1", "p2")
CHARGED_WH = {"p1": 3_000, "p2": 1_500}
HOUR = 3_600
DAY = (NOON + 660 * 60) // 86_400
TOU = 277_100
PRICES = st.sampled_from([100_000, 130_000, 130_001, TOU])
ENERGY = st.integers(1, 1_500)
Bills = dict[str, dict[str, Any]]


class Life(NamedTuple):
    """Of the hour that ends at noon: what homes use and up to which limit they bid (None: not at all), who offers how
    much at which price, who takes the offer back, and what a correction then says they used.
    """

    uses: dict[str, tuple[int, int | None]]
    offers: dict[str, tuple[int, int]]
    withdrawn: set[str]
    corrections: dict[str, int]


LIVES = st.builds(
    Life,
    st.dictionaries(st.sampled_from(HOMES), st.tuples(ENERGY, st.none() | PRICES)),
    st.dictionaries(st.sampled_from(tuple(CHARGED_WH)), st.tuples(ENERGY, PRICES)),
    st.sets(st.sampled_from(tuple(CHARGED_WH))),
    st.dictionaries(st.sampled_from(HOMES), st.integers(0, 3_000)),
)
ORDERS = st.permutations(HOMES)
FEW = settings(max_examples=25, deadline=None, database=None)


class Lived(NamedTuple):
    """What a day came to."""

    awards: list[dict[str, Any]]
    bills: Bills
    done: list[str]
    accounts: dict[str, dict[str, Any]]


async def lived(life: Life, auction: str, order: list[str]) -> Lived:
    """Live the hour in this order of homes, with a round for each need or one for all, and settle the day."""
    community = await populated("live", auction=auction, spill_policy="FEED_IN")
    done = []

    async def do(who: str, name: str, arguments: dict[str, Any], at: int) -> Any:
        invocation = await community.submit(who, name, arguments, at)
        done.append(invocation)
        return invocation.json()

    for home, energy_wh in CHARGED_WH.items():
        await charged(community, home, energy_wh)
    interval = {"interval_start": NOON, "interval_end": NOON + HOUR, "generation_wh": 0}
    now = NOON + HOUR
    rounds: list[str] = []
    for home in order:
        if home not in life.uses:
            continue
        use_wh, limit = life.uses[home]
        own = auction == "per_request" and limit is not None
        bid: dict[str, Any] = {"bid": own} | ({"limit_uaud_per_kwh": limit} if own else {})
        settled = await do(home, "settle_interval", interval | {"home": home, "use_wh": use_wh} | bid, now)
        if settled["round"] is not None:
            rounds.append(settled["round"])
    if auction == "fixed_rounds":
        rounds = [(await do("operator", "open_round", {}, now))["round"]]
        for home in order:
            use_wh, limit = life.uses.get(home, (0, None))
            if limit is not None and use_wh > CHARGED_WH.get(home, 0):
                request = {"round": rounds[0], "home": home, "interval_start": NOON}
                await do(home, "submit_request", request | {"limit_uaud_per_kwh": limit}, now)
        now += 60
    for round_id in rounds:
        for home in order:
            if home not in life.offers:
                continue
            energy_wh, price = life.offers[home]
            account = await community.ask(home, "get_battery", {"home": home})
            own = {"round": round_id, "home": home}
            offer = own | {"energy_wh": min(energy_wh, account["available_wh"]), "price_uaud_per_kwh": price}
            if offer["energy_wh"]:
                await do(home, "submit_offer", offer, now)
                if home in life.withdrawn:
                    await do(home, "withdraw_offer", own, now)
    awards = [await do("operator", "close_round", {"round": one}, now + 120) for one in sorted(rounds)]
    for home in order:
        if home in life.corrections and home in life.uses:
            corrected = {"home": home, "interval_start": NOON, "use_wh": life.corrections[home]}
            reason = {"generation_wh": 0, "reason": "the meter was read wrongly"}
            await do("operator", "correct_reading", corrected | reason, now + 120)
    settled = await do("operator", "settle_day", {"day": DAY}, NOON + 86_400)
    bills = {bill["home"]: bill for bill in settled["bills"]}
    accounts = {home: await community.ask("operator", "get_battery", {"home": home}) for home in HOMES}
    for record in (*awards, *bills.values(), *accounts.values()):
        del record["transaction"]
    return Lived(awards, bills, lines(done), accounts)


async def charged(community: Community, home: str, energy_wh: int) -> None:
    """An hour of sun until noon."""
    reading = {"home": home, "interval_start": NOON - HOUR, "interval_end": NOON}
    await community.do(home, "report_reading", reading | {"use_wh": 0, "generation_wh": energy_wh})


AUCTIONS = st.sampled_from(["per_request", "fixed_rounds"])


@FEW
@given(LIVES, ORDERS)
def test_the_order_of_submission_changes_neither_award_nor_bill(life: Life, order: list[str]) -> None:
    """In a fixed round; rounds of one need that share a seller do meet, at its account."""
    first = asyncio.run(lived(life, "fixed_rounds", list(HOMES)))
    other = asyncio.run(lived(life, "fixed_rounds", order))
    assert (other.awards, other.bills) == (first.awards, first.bills)
    assert (
        asyncio.run(lived(life, "fixed_rounds", list(HOMES))).done == first.done
    )  # a replay: the same bytes


@FEW
@given(LIVES, AUCTIONS)
def test_every_metered_wh_is_billed_once(life: Life, auction: str) -> None:
    bills = asyncio.run(lived(life, auction, list(HOMES))).bills
    for home, bill in bills.items():
        used_wh, _ = life.uses.get(home, (0, None))
        if home in life.uses:
            used_wh = life.corrections.get(home, used_wh)
        sun_wh = CHARGED_WH.get(home, 0)
        assert (bill["use_wh"], bill["generation_wh"]) == (used_wh, sun_wh)
        # What came in goes out: the battery's flows, the grid's and the neighbours' balance the meter.
        served_wh = bill["bought_p2p_wh"] - bill["over_wh"] + bill["bought_grid_wh"] + bill["own_wh"]
        assert served_wh == used_wh - sun_wh + bill["charged_wh"] + bill["spill_wh"]
        assert bill["need_wh"] == bill["bought_p2p_wh"] - bill["over_wh"] + bill["bought_grid_wh"]
        assert bill["over_wh"] * bill["bought_grid_wh"] == 0 or bill["intervals"] > 1
        unmetered_h = 12 - (home in life.uses)
        assert bill["unmetered_s"] == unmetered_h * HOUR
        # The hour from 12 to 13 without a reading is estimated by its local hour, like every other.
        assert bill["unmetered_wh"] == unmetered_h * 1_500


@FEW
@given(LIVES, AUCTIONS)
def test_money_sums_to_zero_over_homes_and_grid(life: Life, auction: str) -> None:
    awards, bills, _, accounts = asyncio.run(lived(life, auction, list(HOMES)))
    grid_naud = sum(
        bill["grid_amount_naud"]
        + bill["unmetered_amount_naud"]
        - bill["spill_credit_naud"]
        - bill["over_credit_naud"]
        for bill in bills.values()
    )
    traded_wh = sum(award["totals"]["p2p_energy_wh"] for award in awards)
    assert sum(bill["amount_naud"] for bill in bills.values()) == grid_naud
    assert sum(bill["bought_p2p_wh"] for bill in bills.values()) == traded_wh
    assert sum(bill["sold_wh"] for bill in bills.values()) == traded_wh
    assert sum(bill["revenue_naud"] for bill in bills.values()) == sum(
        bill["p2p_amount_naud"] for bill in bills.values()
    )
    for home, account in accounts.items():
        bill = bills[home]
        assert account["reserved_wh"] == 0  # whatever was replaced, withdrawn, sold or released
        assert account["battery_wh"] == bill["charged_wh"] - bill["own_wh"] - bill["sold_wh"]
        if home not in life.corrections:  # nobody pays more than the grid's price
            paid_naud = bill["p2p_amount_naud"] + bill["grid_amount_naud"]
            assert paid_naud <= bill["need_wh"] * TOU


def test_only_closings_write_prices_and_what_is_closed_stays_so() -> None:
    life = Life({"h1": (900, TOU)}, {"p1": (600, 130_000)}, set(), {"h1": 5})
    for auction in ("per_request", "fixed_rounds"):
        done = asyncio.run(lived(life, auction, list(HOMES))).done
        events = [json.loads(line)["event"][0] for line in done]
        writes = [dict(json.loads(line)["writes"]) for line in done]
        assert [event for event, keys in zip(events, writes, strict=True) if "price" in keys] == [
            "round_cleared"
        ]
        after = writes[events.index("round_cleared") + 1 :]
        assert not [key for keys in after for key in keys if key.startswith(("round/", "result/"))]
