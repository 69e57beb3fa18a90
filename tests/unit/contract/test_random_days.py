# SPDX-License-Identifier: Apache-2.0
"""Random days on the contract: the order of submission changes nothing, and no money comes from or goes to nowhere."""

import asyncio
import json
from typing import Any, NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from .community import Community, populated
from .scenario import lines

HOMES = ("h1", "h2", "p1", "p2")
CHARGED_WH = {"p1": 3_000, "p2": 1_500}
HOUR = 3_600
PRICES = st.sampled_from([100_000, 130_000, 130_001, 177_000])
ENERGY = st.integers(1, 1_500)


class Day(NamedTuple):
    """Who asks for how much up to which limit, who offers how much at which price, and what meters then count."""

    requests: dict[str, tuple[int, int]]
    offers: dict[str, tuple[int, int]]
    readings: dict[str, tuple[int, int]]


DAYS = st.builds(
    Day,
    st.dictionaries(st.sampled_from(HOMES), st.tuples(ENERGY, PRICES)),
    st.dictionaries(st.sampled_from(tuple(CHARGED_WH)), st.tuples(ENERGY, PRICES)),
    st.dictionaries(st.sampled_from(HOMES), st.tuples(st.integers(0, 4_000), st.integers(0, 9_000))),
)
ORDERS = st.permutations(HOMES)
FEW = settings(max_examples=25, deadline=None, database=None)


async def lived(day: Day, order: list[str]) -> tuple[dict[str, Any], dict[str, dict[str, Any]], list[str]]:
    """The award, the bills by home, and all that the day's transactions read and wrote."""
    community = await populated("live", auction="fixed_rounds", spill_policy="FEED_IN")
    done = []

    async def do(who: str, name: str, arguments: dict[str, Any], at: int) -> Any:
        invocation = await community.submit(who, name, arguments, at)
        done.append(invocation)
        return invocation.json()

    for home, energy_wh in CHARGED_WH.items():
        await charged(community, home, energy_wh)
    now = community.now
    await do("operator", "open_round", {"minute": 60}, now)
    for home in order:
        if home in day.requests:
            energy_wh, limit = day.requests[home]
            request = {"round": 1, "home": home, "interval_start": now - HOUR, "energy_wh": energy_wh}
            await do(home, "submit_request", request | {"limit_uaud_per_kwh": limit}, now)
    for home in order:
        if home in day.offers:
            energy_wh, price = day.offers[home]
            offer = {"round": 1, "home": home, "energy_wh": energy_wh, "price_uaud_per_kwh": price}
            await do(home, "submit_offer", offer, now + 60)
    award = await do("operator", "close_round", {"round": 1}, now + 120)
    for home in order:
        if home in day.readings:
            use_wh, generation_wh = day.readings[home]
            interval = {"home": home, "interval_start": now, "interval_end": now + HOUR}
            reading = interval | {"use_wh": use_wh, "generation_wh": generation_wh}
            await do(home, "report_reading", reading, now + HOUR)
    settled = await do("operator", "settle_day", {"day": (now + 660 * 60) // 86_400}, now + 86_400)
    bills = {bill["home"]: bill for bill in settled["bills"]}
    for record in (award, *bills.values()):
        del record["transaction"]
    return award, bills, lines(done)


async def charged(community: Community, home: str, energy_wh: int) -> None:
    """An hour of sun, the same for every home."""
    interval = {"interval_start": community.now - HOUR, "interval_end": community.now}
    await community.do(
        home, "report_reading", {"home": home, "use_wh": 0, "generation_wh": energy_wh} | interval
    )


@FEW
@given(DAYS, ORDERS)
def test_the_order_of_submission_changes_neither_award_nor_bill(day: Day, order: list[str]) -> None:
    award, bills, first = asyncio.run(lived(day, list(HOMES)))
    other_award, other_bills, _ = asyncio.run(lived(day, order))
    assert other_award == award
    assert other_bills == bills
    assert asyncio.run(lived(day, list(HOMES)))[2] == first  # a replay gives the same bytes


@FEW
@given(DAYS)
def test_a_day_sums_to_zero_over_buyers_sellers_and_grid(day: Day) -> None:
    award, bills, _ = asyncio.run(lived(day, list(HOMES)))
    grid_naud = sum(bill["grid_amount_naud"] - bill["spill_credit_naud"] for bill in bills.values())
    assert sum(bill["amount_naud"] for bill in bills.values()) == grid_naud
    assert sum(bill["bought_p2p_wh"] for bill in bills.values()) == award["totals"]["p2p_energy_wh"]
    assert sum(bill["sold_wh"] for bill in bills.values()) == award["totals"]["p2p_energy_wh"]
    for home, (energy_wh, _) in day.requests.items():
        assert bills[home]["amount_naud"] + bills[home]["revenue_naud"] <= energy_wh * 177_000
    for home in ("h1", "h2"):  # consumers: what is bought is never dearer than from the grid
        assert bills[home]["amount_naud"] <= bills[home]["requested_wh"] * 177_000


def test_only_closings_write_prices_and_what_is_closed_stays_so() -> None:
    day = Day({"h1": (900, 177_000)}, {"p1": (600, 130_000)}, {})
    _, _, done = asyncio.run(lived(day, list(HOMES)))
    events = [json.loads(line)["event"][0] for line in done]
    writers = [
        event for event, line in zip(events, done, strict=True) if "price" in dict(json.loads(line)["writes"])
    ]
    assert writers == ["round_cleared"]
    after = done[events.index("round_cleared") + 1 :]
    assert not [
        key
        for line in after
        for key, _ in json.loads(line)["writes"]
        if key.startswith(("round/", "result/"))
    ]
