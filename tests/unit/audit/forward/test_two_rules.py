# SPDX-License-Identifier: Apache-2.0
"""The chaincode's pure functions and the audit's own agree on random periods, bids, readings, tariffs and bills."""

from itertools import pairwise
from typing import Any

import pytest
from commonwatt_audit.forward import bids as second_bids
from commonwatt_audit.forward import bills as second_bills
from commonwatt_audit.forward import readings as second_readings
from commonwatt_audit.forward import times as second_times
from commonwatt_audit.forward.calendar import Calendar
from commonwatt_audit.forward.calendar import Period as SecondPeriod
from commonwatt_audit.forward.clearing import Order as SecondOrder
from commonwatt_audit.forward.clearing import cleared
from commonwatt_audit.forward.order import Draw, equally, in_proportion
from commonwatt_audit.forward.prices import Prices as SecondPrices
from commonwatt_audit.forward.prices import prices_of
from commonwatt_audit.forward.settlement import Line as SecondLine
from commonwatt_audit.forward.settlement import Metered as SecondMetered
from commonwatt_audit.forward.settlement import Terms as SecondTerms
from commonwatt_audit.forward.settlement import resettled, settled
from commonwatt_audit.messages import Statement
from commonwatt_chaincode.forward.records import as_json
from commonwatt_chaincode.market.forward import bills, readings, tariffs
from commonwatt_chaincode.market.forward.award import equal_award, proportion
from commonwatt_chaincode.market.forward.balances import Metered
from commonwatt_chaincode.market.forward.bids import OFFER, REQUEST, WITHDRAWAL, Bid, Connection, Order, judge
from commonwatt_chaincode.market.forward.clearing import PRICINGS, clear
from commonwatt_chaincode.market.forward.envelopes import Caps, Envelope, caps
from commonwatt_chaincode.market.forward.estimates import estimated_export_wh, estimated_import_wh
from commonwatt_chaincode.market.forward.gaps import spread
from commonwatt_chaincode.market.forward.gates import (
    Times,
    closes_from_s,
    counts_from,
    final_from_s,
    gate_s,
    window_opens_s,
)
from commonwatt_chaincode.market.forward.periods import (
    LENGTHS_MIN,
    Period,
    local_minute_at,
    period_at,
    periods_of_day,
)
from commonwatt_chaincode.market.forward.prices import Prices
from commonwatt_chaincode.market.forward.settlement import Line, Terms, resettle, settle
from commonwatt_chaincode.market.forward.sharing import MODES, keys_of
from commonwatt_chaincode.market.tariff import day_start, local_day
from commonwatt_chaincode.market.ties import round_seed
from hypothesis import given, settings
from hypothesis import strategies as st

DAY_S = 86_400
NAMES = tuple(f"h-{number}" for number in range(7))
PRICES = st.tuples(st.integers(-40, 60), st.integers(0, 90), st.integers(0, 20)).map(
    lambda drawn: Prices(tou=drawn[0] + drawn[1] + drawn[2], feed_in=drawn[0], local_fee=drawn[2])
)
OFFSETS = st.sampled_from(
    [
        ((0, 600),),
        ((0, 600), (19_000 * DAY_S + 57_600, 660)),
        ((0, 0), (19_001 * DAY_S, -60), (19_003 * DAY_S, 0)),
    ]
)
LENGTHS = st.sampled_from([((0, 30),), ((0, 5), (19_002, 60)), ((0, 60), (19_001, 15), (19_002, 1))])
CALENDARS = st.tuples(OFFSETS, LENGTHS)
TIME_S = st.integers(18_998 * DAY_S, 19_006 * DAY_S)
ENERGY = st.integers(0, 60)


def second_prices(prices: Prices, sharing: int | None = None) -> SecondPrices:
    return SecondPrices("", prices.tou, prices.feed_in, prices.local_fee, sharing)


@given(st.dictionaries(st.sampled_from(NAMES), st.integers(1, 50), min_size=1), st.data())
def test_a_limited_quantity_is_divided_alike(wishes: dict[str, int], data: st.DataObject) -> None:
    energy_wh = data.draw(st.integers(0, sum(wishes.values())))
    orders = [Order(name, name, wish, 0) for name, wish in wishes.items()]
    seed, draw = round_seed(wishes), Draw(wishes)
    assert equal_award(orders, energy_wh, seed) == equally(wishes, energy_wh, draw)
    key = keys_of(seed)
    first = proportion(list(wishes.items()), energy_wh, key)
    assert {name: first.of(name, wish, key) for name, wish in wishes.items()} == in_proportion(
        wishes, energy_wh, draw
    )


@given(CALENDARS, TIME_S, st.integers(18_999, 19_005))
def test_days_and_periods_are_alike(calendar: Any, time_s: int, day: int) -> None:
    offsets, lengths = calendar
    second = Calendar(offsets, lengths)
    assert second.day_at(time_s) == local_day(time_s, offsets)
    assert second.first_instant(day) == day_start(day, offsets)
    assert second.periods(day) == tuple(periods_of_day(day, lengths, offsets))
    period = period_at(time_s, lengths, offsets)
    assert second.period_at(time_s) == period
    assert second.local_minute(period.start_s) == local_minute_at(period, offsets)
    assert (second.period(time_s // 60) is not None) == (period.id == time_s // 60)


@given(CALENDARS, TIME_S, st.integers(60, 9_000), st.integers(0, 50))
def test_times_are_alike(calendar: Any, time_s: int, opens: int, closes: int) -> None:
    offsets, lengths = calendar
    times = Times(opens_before_s=opens, closes_before_s=closes)
    second, period = Calendar(offsets, lengths), period_at(time_s, lengths, offsets)
    other = SecondPeriod(*period)
    assert second_times.opens_s(other, as_json(times)) == window_opens_s(period, times)
    assert second_times.gate_s(other, as_json(times)) == gate_s(period, times)
    for operator in (True, False):
        assert second_times.may_close_s(other, as_json(times), operator) == closes_from_s(
            period, times, operator
        )
    assert second_times.final_s(other, as_json(times)) == final_from_s(period, times)
    assert second_times.first_after(second, as_json(times), time_s) == counts_from(
        time_s, times, lengths, offsets
    )


@st.composite
def said_bids(draw: st.DrawFn) -> list[Bid]:
    homes = draw(st.lists(st.sampled_from(NAMES), unique=True))
    kinds = st.sampled_from([REQUEST, REQUEST, OFFER, OFFER, WITHDRAWAL])
    return [
        Bid(home, 1, draw(kinds), draw(st.integers(0, 30)), draw(st.integers(-45, 170))) for home in homes
    ]


def statement_of(bid: Bid) -> Statement:
    member = {REQUEST: "limit_uaud_per_kwh", OFFER: "price_uaud_per_kwh"}.get(bid.kind, "unused")
    typ = {REQUEST: "cw-request", OFFER: "cw-offer", WITHDRAWAL: "cw-withdraw"}[bid.kind]
    said = {"home": bid.home, "seq": bid.seq, "energy_wh": bid.energy_wh, member: bid.price_uaud_per_kwh}
    return Statement(typ, said, "")


ENVELOPES = st.lists(
    st.builds(
        Envelope,
        st.sampled_from([None, *NAMES[:3]]),
        st.integers(0, 40),
        st.integers(20, 90),
        st.none() | st.integers(0, 60),
        st.none() | st.integers(0, 60),
        st.integers(0, 2_000),
    ),
    max_size=6,
)


@settings(max_examples=300)
@given(
    said_bids(),
    PRICES,
    st.dictionaries(
        st.sampled_from(NAMES),
        st.builds(Connection, st.integers(1, 60), st.integers(0, 40), st.integers(0, 20)),
    ),
    ENVELOPES,
    st.sampled_from(PRICINGS),
)
def test_bids_are_judged_and_cleared_alike(
    bids: list[Bid],
    prices: Prices,
    connections: dict[str, Connection],
    envelopes: list[Envelope],
    pricing: str,
) -> None:
    period, gate = Period(30, 30), 1_500
    other = SecondPeriod(*period)
    bounds: dict[str, Caps] = {home: caps(envelopes, home, period, gate) for home in NAMES}
    found = {
        home: second_bids.caps_of(
            sorted((as_json(one) for one in envelopes), key=lambda one: one["published_s"]), home, other, gate
        )
        for home in NAMES
    }
    assert {home: tuple(one) for home, one in bounds.items()} == {
        home: tuple(one) for home, one in found.items()
    }
    first = judge(bids, period, prices, connections, bounds)
    second = second_bids.judged(
        map(statement_of, bids),
        other,
        second_prices(prices),
        {home: as_json(one) for home, one in connections.items()},
        found,
    )
    assert [tuple(map(tuple, side)) for side in (first.requests, first.offers)] == [
        tuple(map(tuple, side)) for side in (second.requests, second.offers)
    ]
    assert first.refused == second.refused
    clearing = clear(first.requests, first.offers, prices, pricing)
    again = cleared(second.requests, second.offers, second_prices(prices), pricing)
    assert again[:4] == (
        clearing.price_uaud_per_kwh,
        clearing.traded_wh,
        clearing.bought_wh,
        clearing.sold_wh,
    )


@settings(max_examples=300)
@given(
    st.lists(st.tuples(st.sampled_from("RO"), st.integers(1, 30), st.integers(100, 120)), max_size=10),
    st.sampled_from(PRICINGS),
)
def test_crowded_clearings_are_alike(bids: list[tuple[str, int, int]], pricing: str) -> None:
    prices = Prices(130, 100, 10)
    sides: dict[str, list[Order]] = {"R": [], "O": []}
    for place, (side, energy_wh, price) in enumerate(bids):
        sides[side].append(Order(f"9-{side}-{place}", f"h{place}", energy_wh, price))
    clearing = clear(sides["R"], sides["O"], prices, pricing)
    requests, offers = ([SecondOrder(*one) for one in sides[side]] for side in "RO")
    again = cleared(requests, offers, second_prices(prices), pricing)
    assert again[:4] == (
        clearing.price_uaud_per_kwh,
        clearing.traded_wh,
        clearing.bought_wh,
        clearing.sold_wh,
    )


@st.composite
def metered_homes(draw: st.DrawFn) -> list[Metered]:
    homes = draw(st.lists(st.sampled_from(NAMES), unique=True))
    keys = [draw(st.integers(0, 1_000_000 // max(1, len(homes)))) for _ in homes]
    return [
        Metered(
            home,
            draw(ENERGY),
            draw(ENERGY),
            draw(ENERGY),
            draw(ENERGY),
            draw(st.none() | ENERGY),
            key,
            draw(st.sampled_from([False, False, True])),
        )
        for home, key in zip(homes, keys, strict=True)
    ]


@settings(max_examples=300)
@given(metered_homes(), PRICES, st.sampled_from(MODES), st.integers(0, 100), st.data())
def test_periods_are_settled_alike(
    homes: list[Metered], prices: Prices, mode: str, place: int, data: st.DataObject
) -> None:
    # What is bought is sold: the last home's contract makes up for the difference.
    if homes:
        rest_wh = sum(one.bought_wh - one.sold_wh for one in homes)
        homes[-1] = homes[-1]._replace(
            bought_wh=homes[-1].bought_wh + max(0, -rest_wh), sold_wh=homes[-1].sold_wh + max(0, rest_wh)
        )
    price = prices.feed_in + (prices.ceiling - prices.feed_in) * place // 100
    sharing = data.draw(st.none() | st.integers(prices.feed_in, prices.ceiling))
    terms = Terms(prices, price, mode, sharing)
    others = [SecondMetered(*one) for one in homes]
    again_terms = SecondTerms(second_prices(prices, sharing), price, mode)
    first = settle(homes, terms)
    second = settled(others, again_terms)
    assert {home: tuple(line) for home, line in first.lines.items()} == {
        home: tuple(line) for home, line in second.items()
    }
    for one in homes:
        read = one._replace(import_wh=data.draw(ENERGY), export_wh=data.draw(ENERGY), estimated=False)
        line = resettle(read, first.lines[one.home], terms)
        assert tuple(line) == tuple(resettled(SecondMetered(*read), second[one.home], again_terms))


READINGS = st.builds(
    readings.Reading,
    st.just("h-1"),
    st.sampled_from(readings.AUTHORS),
    st.sampled_from(readings.QUALITIES),
    st.integers(1, 4),
    st.integers(1, 4),
    st.integers(0, 20),
    st.integers(0, 20),
    st.none() | st.integers(0, 30),
    st.none() | st.integers(0, 30),
)


@settings(max_examples=300)
@given(
    st.lists(READINGS, max_size=8, unique_by=lambda one: (one.author, one.seq, one.version)),
    st.integers(1, 5),
    st.sampled_from(["home", "meter"]),
    st.builds(Connection, st.integers(0, 40), st.integers(0, 40), st.integers(0, 20)),
)
def test_readings_count_alike(
    said: list[readings.Reading], version: int, readings_by: str, connection: Connection
) -> None:
    others = [second_readings.Reading(*one) for one in said]
    first, second = readings.counting(said, version), second_readings.counting(others, version)
    # Of one seq under two versions either function may be shown first; the words decide.
    assert (None if first is None else tuple(first)) == (None if second is None else tuple(second))
    for one, other in zip(said, others, strict=True):
        assert readings.refusal(one, Period(30, 30), connection, readings_by) == second_readings.fault_of(
            other, SecondPeriod(30, 30), as_json(connection), readings_by
        )


@given(
    CALENDARS,
    TIME_S,
    st.lists(st.tuples(st.integers(-30 * DAY_S, DAY_S), st.integers(0, 900)), max_size=12),
    st.integers(0, 400),
    st.integers(-5, 5),
)
def test_estimates_are_alike(
    calendar: Any, time_s: int, past: list[tuple[int, int]], bought_wh: int, feed_in: int
) -> None:
    offsets, lengths = calendar
    second, period = Calendar(offsets, lengths), period_at(time_s, lengths, offsets)
    known = [(period_at(time_s + shift, lengths, offsets), energy_wh) for shift, energy_wh in past]
    again = [(SecondPeriod(*one), energy_wh) for one, energy_wh in known]
    assert estimated_import_wh(
        period, known, offsets, bought_wh, 1_500
    ) == second_readings.estimated_import_wh(second, SecondPeriod(*period), again, bought_wh, 1_500)
    assert estimated_export_wh(period, 5_000, feed_in) == second_readings.estimated_export_wh(
        SecondPeriod(*period), 5_000, feed_in
    )


@given(
    st.lists(st.sampled_from(LENGTHS_MIN), min_size=1, max_size=6), st.integers(0, 5_000), st.integers(0, 900)
)
def test_gaps_are_spread_alike(lengths: list[int], energy_wh: int, own_wh: int) -> None:
    missing = [Period(place * 100, length) for place, length in enumerate(lengths)]
    before = readings.Reading("h", "meter", "measured", 1, 1, 3, 4, 1_000, 2_000)
    after = readings.Reading("h", "meter", "measured", 1, 1, own_wh, 0, 1_000 + energy_wh + own_wh, 2_000 + 7)
    found = spread(missing, before, after)
    others = [SecondPeriod(*one) for one in missing]
    between = second_readings.between_totals_wh(1_000, 1_000 + energy_wh + own_wh, own_wh)
    assert [one.import_wh for one in found] == second_readings.spread_wh(others, between)
    assert [one.export_wh for one in found] == second_readings.spread_wh(others, 7)


@st.composite
def tariff_versions(draw: st.DrawFn) -> tariffs.Version:
    def bands() -> tuple[tariffs.Band, ...]:
        edges = [0, *sorted(draw(st.sets(st.sampled_from([300, 600, 900]), max_size=2))), 1_440]
        return tuple(
            tariffs.Band(f"b{first}", first, last, draw(st.integers(50, 90)), draw(st.integers(-9, 40)))
            for first, last in pairwise(edges)
        )

    cut, holidays_first = draw(st.integers(0, 7)), draw(st.booleans())
    return tariffs.Version(
        draw(st.integers(18_990, 19_005)),
        draw(st.integers(18_990, 19_005)) * DAY_S + draw(st.integers(0, 9)),
        (
            tariffs.Schedule(tariffs.Days(tuple(range(cut)), holidays_first), bands()),
            tariffs.Schedule(tariffs.Days(tuple(range(cut, 7)), not holidays_first), bands()),
        ),
        draw(st.integers(0, 5)),
    )


@given(
    CALENDARS,
    TIME_S,
    st.lists(tariff_versions(), min_size=1, max_size=4),
    st.lists(st.builds(tariffs.Holiday, st.integers(18_998, 19_006), TIME_S), max_size=4),
    st.integers(0, 3 * DAY_S),
)
def test_tariffs_are_alike(
    calendar: Any, time_s: int, versions: list[tariffs.Version], holidays: list[tariffs.Holiday], ahead_s: int
) -> None:
    offsets, lengths = calendar
    period = period_at(time_s, lengths, offsets)
    known_s = period.start_s - ahead_s
    try:
        first = tariffs.tariff_of(period, versions, holidays, offsets, known_s)
    except ValueError:
        first = None
    configuration = {"tariffs": as_json(versions), "holidays": as_json(holidays)}
    second, other = Calendar(offsets, lengths), SecondPeriod(*period)
    if first is None:
        with pytest.raises(ValueError, match="published in time"):
            prices_of(configuration, second, other, known_s)
        return
    assert prices_of(configuration, second, other, known_s) == SecondPrices(
        first.band.name, *first.prices, first.band.sharing_price
    )


LINES = st.lists(st.integers(-90, 90), min_size=10, max_size=10).map(tuple)


@given(
    st.lists(
        st.tuples(
            st.integers(0, 47),
            st.sampled_from(["peak", "off"]),
            PRICES,
            st.lists(ENERGY, min_size=4, max_size=4),
            LINES,
            st.sampled_from(readings.QUALITIES),
            st.booleans(),
        ),
        max_size=6,
        unique_by=lambda one: one[0],
    ),
    st.lists(st.tuples(st.integers(0, 9), PRICES, LINES, LINES), max_size=2),
    st.integers(0, 99),
    st.none() | st.integers(0, 9),
)
def test_bills_are_alike(periods: Any, changes: Any, supply_naud: int, peak_w: int | None) -> None:
    demand = None if peak_w is None else bills.DemandCharge(peak_w, peak_w * 7)
    first = bills.bill(
        "h-1",
        19_000,
        [
            bills.Settled(
                Period(30 * n, 30), band, prices, Metered("h-1", *energy), Line(*line), quality, final
            )
            for n, band, prices, energy, line, quality, final in periods
        ],
        supply_naud,
        [
            bills.adjustment(n, prices, Line(*before), Line(*after), "late")
            for n, prices, before, after in changes
        ],
        demand,
    )
    second = second_bills.bill_of(
        "h-1",
        19_000,
        [
            second_bills.Settled(
                SecondPeriod(30 * n, 30),
                second_prices(prices)._replace(band=band),
                SecondMetered("h-1", *energy),
                SecondLine(*line),
                quality,
                final,
            )
            for n, band, prices, energy, line, quality, final in periods
        ],
        supply_naud,
        [
            second_bills.adjustment_of(
                n, second_prices(prices), SecondLine(*before), SecondLine(*after), "late"
            )
            for n, prices, before, after in changes
        ],
        as_json(demand),
    )
    assert as_json(first) == second


@given(
    CALENDARS,
    st.lists(st.tuples(TIME_S, st.integers(0, 900)), max_size=12),
    st.sets(st.integers(18_998, 19_006)),
    st.integers(0, 7),
    st.booleans(),
)
def test_demand_and_months_are_alike(
    calendar: Any, past: list[tuple[int, int]], holidays: set[int], cut: int, on_holidays: bool
) -> None:
    offsets, lengths = calendar
    demand = tariffs.Demand(tariffs.Days(tuple(range(cut)), on_holidays), 400, 1_100, 9)
    known = [(period_at(time_s, lengths, offsets), energy_wh) for time_s, energy_wh in past]
    zero = SecondLine(*[0] * 10)
    first = bills.demand_charge(
        [
            bills.Settled(
                period, "", Prices(1, 0), Metered("h", 0, 0, energy_wh, 0), Line(*zero), "measured", True
            )
            for period, energy_wh in known
        ],
        demand,
        holidays,
        offsets,
    )
    second = second_bills.demand_of(
        Calendar(offsets, lengths),
        [(SecondPeriod(*period), energy_wh) for period, energy_wh in known],
        as_json(demand),
        holidays,
    )
    assert as_json(first) == second
    for day in holidays:
        assert bills.month_of(day) == second_bills.month_of(day)
