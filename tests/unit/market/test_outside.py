# SPDX-License-Identifier: Apache-2.0
"""Trades with other communities in the settlement of a period: any parts come to the same, and a gap moves none."""

from commonwatt_chaincode.market.exchange.clearing import Trade, check_result
from commonwatt_chaincode.market.exchange.residual import Level, Residual
from commonwatt_chaincode.market.forward.balances import Metered
from commonwatt_chaincode.market.forward.bids import Connection
from commonwatt_chaincode.market.forward.gaps import Spread
from commonwatt_chaincode.market.forward.outside import NOTHING, Outside, together
from commonwatt_chaincode.market.forward.period_settlement import (
    FrozenPeriod,
    added,
    plan,
    settle_homes,
    sums_of,
    with_gap,
)
from commonwatt_chaincode.market.forward.periods import Period
from commonwatt_chaincode.market.forward.prices import Prices
from commonwatt_chaincode.market.forward.readings import HOME, MEASURED, Reading
from commonwatt_chaincode.market.forward.settlement import Terms, settle
from commonwatt_chaincode.market.forward.sharing import DYNAMIC
from hypothesis import given
from hypothesis import strategies as st

PERIOD = Period(29_673_120, 60)
TERMS = Terms(Prices(500, 120, 20), None, DYNAMIC)
HOMES = st.lists(
    st.tuples(
        st.none() | st.tuples(st.integers(0, 60), st.integers(0, 60)),
        st.integers(-40, 40),
        st.integers(-9_999, 9_999),
        st.booleans(),
    ),
    min_size=2,
    max_size=9,
)


@given(HOMES, st.integers(1, 8))
def test_any_parts_settle_a_period_with_trades_outside(
    drawn: list[tuple[tuple[int, int] | None, int, int, bool]], cut: int
) -> None:
    names = tuple(f"h{place}" for place in range(len(drawn)))
    readings = {
        home: (Reading(home, HOME, MEASURED, 1, 1, *registers),)
        for home, (registers, *_) in zip(names, drawn, strict=True)
        if registers is not None
    }
    outside = {
        home: Outside(max(0, wh), max(0, -wh), naud, 3 if wh > 0 else 0)
        for home, (_, wh, naud, _) in zip(names, drawn, strict=True)
        if wh
    }
    connections = dict.fromkeys(names, Connection(pv_w=5_000))
    frozen = FrozenPeriod(
        PERIOD, 1, None, TERMS, 0, ((0, 600),), 10, connections, {}, readings, outside=outside
    )
    estimates = dict.fromkeys(names, 7)
    sharing = plan(frozen)
    whole = settle_homes(frozen, names, {}, {}, estimates, sharing)
    parts = [names[:cut], names[cut:]]
    lines = [settle_homes(frozen, part, {}, {}, estimates, sharing) for part in parts]
    assert lines[0] + lines[1] == whole
    sums = added(sums_of(part, 1) for part in lines)
    assert sums == added([sums_of(whole, 1)])
    assert (sums.exchange or NOTHING) == (together(outside.values()) or NOTHING)
    paid_naud = sum(one.line.amount_naud for one in whole)
    assert paid_naud == sums.grid_naud + (sums.exchange or NOTHING).amount_naud
    for one in whole:
        again = with_gap(one, Spread(PERIOD, one.import_wh + 5, one.export_wh), TERMS)
        moved_naud = again.line.amount_naud - one.line.amount_naud
        assert again.exchange == one.exchange
        assert moved_naud == again.line.grid_naud - one.line.grid_naud


def test_a_home_that_keeps_its_promise_to_others_pays_no_grid() -> None:
    buyer = Metered("b", 0, 0, 10, 0, outside=Outside(10, 0, 3_000, 70))
    seller = Metered("s", 0, 0, 0, 4, outside=Outside(0, 4, -900))
    lines = settle([buyer, seller], TERMS).lines
    assert lines["b"].grid_naud == lines["s"].grid_naud == 0
    assert lines["b"].amount_naud == 3_000 + 10 * 20
    assert lines["s"].amount_naud == -900


def test_a_rounds_result_is_held_to_the_residual() -> None:
    left = Residual("a", (Level(300, 50),), (Level(100, 20),))
    bought, sold = Trade("b", "a", 99, 300, 50, 198, 2), Trade("a", "c", 100, 200, 20, 150, 0)
    check_result(left, [bought, sold], 50 * 200 - 20 * 150)
    check_result(left, [], 0)
