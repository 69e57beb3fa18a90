# SPDX-License-Identifier: Apache-2.0
"""The battery plan `mpc`: a program that is solved exactly, and steps that cost nothing by the own forecast."""

import sys

import pytest
from commonwatt_chaincode.market.battery import Account, Battery, charge, chargeable_wh
from commonwatt_chaincode.market.forward.prices import Prices
from commonwatt_chaincode.market.parameters import Parameters
from commonwatt_community import planning
from commonwatt_community.hems.battery import Mpc
from commonwatt_community.hems.energy import Silent
from commonwatt_community.hems.forward.agent import ForwardAgent
from commonwatt_community.hems.forward.connection_point import Store, flow
from commonwatt_community.hems.forward.plan import Plan, TariffPlanner
from commonwatt_community.hems.home import HomeSpec
from commonwatt_community.hems.reserve import Ahead, Foreseen
from commonwatt_community.planning.battery_program import cheapest_path
from commonwatt_community.planning.periods import cost_naud, planned
from commonwatt_community.planning.rounds import spared as spared_by_mpc
from hypothesis import given, settings
from hypothesis import strategies as st

LOSSLESS = 1_000_000
CHEAP, DEAR = Prices(200_000, 100_000), Prices(500_000, 100_000)
STORE = Store(0, 4_000, 2_000, LOSSLESS, LOSSLESS)
WEAR = 20_000

stores = st.builds(
    Store,
    floor_wh=st.sampled_from([0, 60]),
    full_wh=st.integers(100, 4_000),
    rate_wh=st.sampled_from([300, 2_500]),
    eta_c_ppm=st.sampled_from([LOSSLESS, 950_000]),
    eta_d_ppm=st.sampled_from([LOSSLESS, 930_000]),
)


def plan_of(energy_wh, expected, tariffs, store=STORE):
    return planned(store, energy_wh, expected, [one.middle for one in tariffs], tariffs, 30, WEAR)


def test_it_keeps_its_energy_for_the_dear_hours():
    plan = plan_of(1_000, [800, 1_000], [CHEAP, DEAR])
    assert plan == Plan(800, 0, 0, 1_000), "the grid supplies the home now, the battery when that costs more"
    assert flow(STORE, 1_000, 800, keep_wh=plan.keep_wh) == (800, 0, 1_000)
    assert plan_of(1_000, [800, 1_000], [DEAR, CHEAP]) == Plan(0, 200, 200), "300 are dearer than 200 to come"


def test_it_sells_where_buying_back_is_cheap_and_never_where_it_is_dear():
    assert plan_of(2_000, [0, 2_000], [DEAR, CHEAP]) == Plan(0, 2_000, 2_000)
    assert plan_of(2_000, [0, 2_000], [CHEAP, DEAR]) == Plan(0, 0, 0)


def test_wear_outweighs_a_small_gain():
    small = Prices(210_000, 200_000)
    assert planned(STORE, 2_000, [0], [205_000], [small], 30, 0).from_battery_wh == 2_000
    assert planned(STORE, 2_000, [0], [205_000], [small], 30, WEAR).from_battery_wh == 0


@given(
    stores,
    st.integers(0, 4_000),
    st.lists(st.tuples(st.integers(-1_500, 1_500), st.sampled_from([CHEAP, DEAR])), min_size=1, max_size=12),
)
@settings(max_examples=60, deadline=None)
def test_no_step_costs_more_than_no_market_by_the_homes_own_forecast(store, held, ahead):
    energy_wh = max(store.floor_wh, min(held, store.full_wh))
    expected, tariffs = [net for net, _ in ahead], [prices for _, prices in ahead]
    plan = plan_of(energy_wh, expected, tariffs, store)
    usual = flow(store, energy_wh, expected[0])
    price = tariffs[0].middle
    lived = flow(store, energy_wh, expected[0], plan.export_wh, keep_wh=plan.keep_wh)
    assert (lived.import_wh, lived.export_wh) == (plan.import_wh, plan.export_wh), "it does what it says"
    assert not (plan.import_wh and plan.export_wh)
    assert plan.from_battery_wh == max(0, plan.export_wh - usual.export_wh)
    assert store.floor_wh <= lived.energy_wh <= store.full_wh
    if plan.keep_wh:
        return  # what it keeps pays off in a later step: the guard counts all of them, see cost_naud
    worth = max(one.feed_in for one in tariffs) * store.eta_d_ppm // LOSSLESS
    without = cost_naud(store, energy_wh, expected, tariffs, worth)
    step = 1_000 * (plan.import_wh * tariffs[0].tou - plan.export_wh * (price if plan.export_wh else 0))
    rounded = 2_000 * DEAR.tou  # bids are whole Wh
    assert step + afterwards(store, lived.energy_wh, expected[1:], tariffs[1:], worth) <= without + rounded


def afterwards(store, energy_wh, expected, tariffs, worth):
    """What a home pays at least from then on if it sells no more; it may hold energy back for dearer hours."""
    if not expected:
        return -1_000 * (energy_wh - store.floor_wh) * worth
    feed_in, tou = [one.feed_in for one in tariffs], [one.tou for one in tariffs]
    path = cheapest_path(
        store, energy_wh, [store.rate_wh] * len(tou), expected, feed_in, tou, wear=0, worth=worth
    )
    cost = -(path.energy[-1] - store.floor_wh) * worth
    for net, prices, charged, own, sold in zip(
        expected, tariffs, path.charged, path.own, path.sold, strict=True
    ):
        cost += (max(net, 0) - own) * prices.tou - (max(-net, 0) - charged + sold) * prices.feed_in
    return 1_000 * cost


@given(
    st.lists(st.tuples(st.integers(-900, 900), st.integers(100_000, 500_000)), min_size=1, max_size=10),
    st.integers(0, 2_000),
)
@settings(max_examples=60, deadline=None)
def test_a_path_loses_no_energy_and_no_simple_rule_is_cheaper(ahead, energy_wh):
    store = Store(0, 2_000, 600, 950_000, 950_000)
    nets, tous = [net for net, _ in ahead], [tou for _, tou in ahead]
    prices = [(tou + 100_000) // 2 for tou in tous]
    path = cheapest_path(store, energy_wh, [600] * len(nets), nets, prices, tous, WEAR, 90_000)
    assert path is not None
    before = float(energy_wh)
    for charged, own, sold, after in zip(path.charged, path.own, path.sold, path.energy, strict=True):
        assert after == pytest.approx(before + 0.95 * charged - (own + sold) / 0.95, abs=1e-3)
        assert -1e-6 <= after <= store.full_wh + 1e-6
        assert own + sold <= 600 + 1e-6
        before = after
    pays = sum(
        tou * (max(0, net) - own) - price * (max(0, -net) - charged + sold) + WEAR * (own + sold)
        for net, tou, price, charged, own, sold in zip(
            nets, tous, prices, path.charged, path.own, path.sold, strict=True
        )
    )
    pays -= 90_000 * path.energy[-1]
    for rule in (lambda net: net, lambda net: 0):  # its own use alone, and an idle battery
        held, other = float(energy_wh), 0.0
        for net, tou, price in zip(nets, tous, prices, strict=True):
            wanted = rule(net)
            charged = min(max(0, -wanted), 600, (store.full_wh - held) / 0.95)
            own = min(max(0, wanted), 600, held * 0.95)
            held += 0.95 * charged - own / 0.95
            other += tou * (max(0, net) - own) - price * (max(0, -net) - charged) + WEAR * own
        other -= 90_000 * held
        sooner = 10 * 10 * 900 * len(nets)  # what the program gives up to sell sooner, in µAUD x Wh per kWh
        assert pays <= other + sooner


def test_equal_questions_have_equal_answers():
    expected = [300, -900, -1_200, 700, 400] * 9
    tariffs = [CHEAP, CHEAP, DEAR, DEAR, CHEAP] * 9
    assert len({plan_of(1_500, expected, tariffs) for _ in range(3)}) == 1


def test_an_agent_holds_back_what_its_plan_keeps_unless_its_battery_takes_no_such_order():
    spec = HomeSpec("home001", True, "", "", Silent(), Silent(), 5_000, 4_000, "")
    battery = Battery(4_000, LOSSLESS, LOSSLESS, 0, LOSSLESS, 0, 4_000)
    assert isinstance(planning.mpc, TariffPlanner)
    tariffs = [CHEAP, DEAR]
    for holds, imported in ((True, 800), (False, 0)):
        agent = ForwardAgent(
            spec, battery, 30, forecast=_Known([800, 1_000]), plan=planning.mpc, holds_back=holds
        )
        agent.energy_wh = 1_000
        decision = agent.decide(0, [0, 30], CHEAP, [one.middle for one in tariffs], tariffs=tariffs)
        assert decision.plan.import_wh == imported
        assert (decision.bid is not None) == holds


class _Known:
    days = 1

    def __init__(self, nets):
        self.nets = nets

    def expect(self, minutes, past, actual):
        return self.nets[: len(minutes)]


@given(st.lists(st.integers(-800, 800), min_size=1, max_size=20), st.integers(0, 4_000))
@settings(max_examples=60, deadline=None)
def test_in_rounds_it_asks_for_what_a_sale_costs_the_home(nets, energy_wh):
    """The home lives on without a market after the sale: with what it got, it is not worse off."""
    rules, battery = Parameters(), Battery(4_000, LOSSLESS, LOSSLESS, 0, LOSSLESS, 0, 5_000)
    foreseen = [Foreseen(600 + 60 * place, Ahead(60, net)) for place, net in enumerate(nets)]
    spared = spared_by_mpc(rules, battery, energy_wh, foreseen)
    assert 0 <= spared.stored_wh <= energy_wh
    if not spared.stored_wh:
        return

    def pays(held_wh):
        account, cost = Account(held_wh), 0
        for one in foreseen:
            net = one.ahead.net_wh
            tou = next(band.price_uaud_per_kwh for band in rules.tou if band.covers(one.start_min % 1_440))
            if net < 0:
                taken_wh = min(-net, chargeable_wh(battery, account, 60))
                account = charge(battery, account, taken_wh)
                cost -= (-net - taken_wh) * rules.feed_in
            else:
                own_wh = min(net, account.energy_wh, battery.throughput_wh(60))
                account = Account(account.energy_wh - own_wh)
                cost += (net - own_wh) * tou
        return cost - account.energy_wh * rules.feed_in

    assert pays(energy_wh - spared.stored_wh) - spared.stored_wh * spared.least_uaud_per_kwh <= pays(
        energy_wh
    )


def test_without_its_solver_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy", None)
    monkeypatch.setattr(planning, "is_installed", lambda: False)
    monkeypatch.setattr("commonwatt_community.hems.battery.is_installed", lambda: False)
    for asked in (lambda: planning.mpc(STORE, 0, [0], [1]), Mpc):
        with pytest.raises(planning.MissingSolver, match=r"install commonwatt-community\[mpc\]"):
            asked()
