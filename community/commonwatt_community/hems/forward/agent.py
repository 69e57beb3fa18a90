# SPDX-License-Identifier: Apache-2.0
"""The agent of one home in the forward market: it bids before a period, and says afterwards what its meter counted."""

from collections.abc import Sequence
from typing import NamedTuple

from commonwatt_chaincode.market.arithmetic import PPM, ceil_div
from commonwatt_chaincode.market.battery import Battery
from commonwatt_chaincode.market.forward.bids import OFFER, REQUEST, Bid, Connection
from commonwatt_chaincode.market.forward.carbon import Carbon
from commonwatt_chaincode.market.forward.envelopes import Caps
from commonwatt_chaincode.market.forward.prices import Prices

from commonwatt_community.hems.energy import MINUTES_PER_DAY
from commonwatt_community.hems.forward.carbon import with_carbon
from commonwatt_community.hems.forward.connection_point import flow, store_of
from commonwatt_community.hems.forward.forecast import PERIOD_FORECASTS, Past, PeriodForecast
from commonwatt_community.hems.forward.guard import least_price
from commonwatt_community.hems.forward.plan import PLANS, Plan, Planner, TariffPlanner, own_use
from commonwatt_community.hems.home import HomeSpec

HORIZON_MIN = 36 * 60
"""How far ahead a home asks what it will need of its battery."""

NO_CAPS = Caps()
_KEPT_DAYS = 4


class PeriodRead(NamedTuple):
    """A period as the home lived it. Import and export are what its meter counted, the rest is the home's own."""

    minute: int
    use_wh: int
    generation_wh: int
    import_wh: int
    export_wh: int
    energy_wh: int
    curtailed_wh: int


class Decision(NamedTuple):
    """A home's bid for a period, or None, and what it rests on.

    That is its plan, the net use that is expected of the period, and what the battery will probably hold at its start,
    both in Wh. `guarded`: the plan would have left the home worse off.
    """

    bid: Bid | None
    plan: Plan
    expected_wh: int
    energy_wh: int
    guarded: bool = False


class ForwardAgent:
    """The home energy management system of one home.

    Periods are named by the local minute of their start, from 0:00 of a first day. For each of them, in their order, it
    is asked for a bid, told what came of it, and lives it. It may bid for a period while earlier ones still run.

    A simulated home lives a period by `live`. A real one is told what its meter counted by `metered`.
    """

    def __init__(
        self,
        spec: HomeSpec,
        battery: Battery,
        period_min: int,
        *,
        forecast: str | PeriodForecast = "perfect",
        plan: str | Planner | TariffPlanner = "reserve",
        highest_feed_in: int = 0,
        connection_w: int = 24_000,
        curtails: bool = False,
        guarded: bool = False,
        holds_back: bool = True,
        carbon: Carbon | None = None,
    ) -> None:
        """`highest_feed_in`, in µAUD per kWh, is what the energy of its battery earns at most without a market.

        `forecast` and `plan` are one of `PERIOD_FORECASTS` and of `PLANS` by its name, or another one itself: a
        forecast serves this home alone. `curtails`: its panels keep exports within the envelope. `guarded`: where the
        plan would leave the home worse off than without a market, by its own forecast, its battery serves the home
        alone. `holds_back`: its battery can be told to leave the home to the grid. `carbon` is the quota in force.
        """
        self.spec = spec
        self.home = spec.home
        self.period_min = period_min
        self.store = store_of(battery, period_min)
        self.energy_wh = self.store.floor_wh
        self.connection = Connection(
            connection_w, spec.pv_w, battery.p_rate_w if battery.capacity_wh > 0 else 0
        )
        self._stores = battery.capacity_wh > 0
        self._plan: Planner | TariffPlanner = PLANS[plan] if isinstance(plan, str) else plan
        self._backs = self._plan is not own_use
        self._curtails = curtails
        self._guarded = guarded
        self._holds_back = holds_back
        self._carbon = carbon
        self._highest_feed_in = highest_feed_in
        self._battery_price = ceil_div(highest_feed_in * PPM * PPM, battery.eta_c_ppm * battery.eta_d_ppm)
        self.forecast = PERIOD_FORECASTS[forecast]() if isinstance(forecast, str) else forecast
        self.error_of_periods = 0
        self.error_wh = 0
        """By how much the forecasts of so many periods that it bid for were off in all."""
        self._past = Past(self.forecast.days)
        self._expected_wh: dict[int, int] = {}  # by place: bid for, not yet lived
        self._sold_wh: dict[int, int] = {}  # by place: cleared, not yet lived
        self._keep_wh: dict[int, int] = {}  # by place: planned, not yet lived
        self._imported_wh: dict[
            int, int
        ] = {}  # by minute: what the day that runs has imported, for its quota
        self._place = 0  # of the first period that is not yet lived
        self._metered: dict[int, tuple[list[int], list[int]]] = {}  # by day: use, generation

    def bid(
        self,
        place: int,
        minutes: Sequence[int],
        prices: Prices,
        middles: Sequence[int],
        caps: Caps = NO_CAPS,
        seq: int = 1,
        tariffs: Sequence[Prices] = (),
    ) -> Bid | None:
        """What the home wants to buy or sell in a period, or None.

        `place` counts the periods from the first one. `minutes` are those of the periods from the first that the home
        has not lived to the horizon. `middles` are the prices at which energy will probably trade in this period and
        those after it: the middle of each one's prices.
        """
        return self.decide(place, minutes, prices, middles, caps, seq, tariffs).bid

    def decide(
        self,
        place: int,
        minutes: Sequence[int],
        prices: Prices,
        middles: Sequence[int],
        caps: Caps = NO_CAPS,
        seq: int = 1,
        tariffs: Sequence[Prices] = (),
    ) -> Decision:
        """As `bid`, with what the bid rests on.

        A guarded agent, and a plan that looks at them, need the `tariffs` of the periods of `middles`.
        """
        expected_wh, energy_wh = self.foresee(place, minutes)
        self._expected_wh[place] = expected_wh[0]
        if self._carbon is not None and self._stores:
            tariffs = self._with_carbon(
                self._carbon, minutes[-len(expected_wh) :], expected_wh, energy_wh, tariffs
            )
        plan = self._planned(expected_wh, energy_wh, middles, tariffs)
        price = self._price(plan, prices)
        guarded = False
        if self._guarded and plan.from_battery_wh:
            least = least_price(
                self.store, energy_wh, expected_wh, tariffs, plan.export_wh, self._highest_feed_in
            )
            guarded = least > middles[0]
            if guarded:
                plan = Plan(0, plan.export_wh - plan.from_battery_wh, 0)
                price = self._price(plan, prices)
            else:
                price = max(price, least)
        if plan.keep_wh:
            self._keep_wh[place] = plan.keep_wh
        else:
            self._keep_wh.pop(place, None)
        bid = self._bid(plan, price, caps, seq)
        return Decision(bid, plan, expected_wh[0], energy_wh, guarded)

    def _price(self, plan: Plan, prices: Prices) -> int:
        if plan.import_wh:
            return prices.ceiling
        return max(prices.feed_in, self._battery_price) if plan.from_battery_wh else prices.feed_in

    def _bid(self, plan: Plan, price: int, caps: Caps, seq: int) -> Bid | None:
        period_min = self.period_min
        if plan.import_wh:
            most_wh = self.connection.connection_w * period_min // 60
            energy_wh = _within(plan.import_wh, most_wh, caps.import_wh)
            return Bid(self.home, seq, REQUEST, energy_wh, price) if energy_wh else None
        if not plan.export_wh:
            return None
        most_wh = (self.connection.pv_w + self.connection.battery_w) * period_min // 60
        energy_wh = _within(plan.export_wh, most_wh, caps.export_wh)
        return Bid(self.home, seq, OFFER, energy_wh, price) if energy_wh else None

    def awarded(self, place: int, sold_wh: int, bought_wh: int = 0) -> None:
        """Take note of what the home sold in a period that it has not lived yet."""
        if sold_wh:
            self._sold_wh[place] = sold_wh

    def live(self, minute: int, caps: Caps = NO_CAPS) -> PeriodRead:
        """Live the next period: the result is the home's reading, as its meter counts."""
        use_wh, generation_wh = self._meter(minute)
        sold_wh = self._sold_wh.pop(self._place, 0)
        keep_wh = self._keep_wh.pop(self._place, 0)
        net_wh = use_wh - generation_wh
        self._learn(self._place, minute, net_wh)
        self._place += 1
        import_wh, export_wh, self.energy_wh = flow(
            self.store, self.energy_wh, net_wh, sold_wh, self._backs, keep_wh
        )
        self._count_import(minute, import_wh)
        curtailed_wh = 0
        if self._curtails and caps.export_wh is not None and export_wh > caps.export_wh:
            curtailed_wh = min(export_wh - caps.export_wh, generation_wh)
            export_wh -= curtailed_wh
        return PeriodRead(minute, use_wh, generation_wh, import_wh, export_wh, self.energy_wh, curtailed_wh)

    def metered(
        self, place: int, minute: int, net_wh: int, energy_wh: int | None = None, import_wh: int | None = None
    ) -> None:
        """Take note of what a real meter counted: the home's net use beside its battery; where they are known also
        the battery's content at the period's end, and the import.

        Periods before the first one (`place` < 0) are the past of the forecast.
        """
        while self._place <= place:
            self._sold_wh.pop(self._place, None)
            self._keep_wh.pop(self._place, None)
            if self._place < place:
                self._expected_wh.pop(self._place, None)
            self._place += 1
        self._learn(place, minute, net_wh)
        if energy_wh is not None:
            self.energy_wh = energy_wh
        if import_wh is not None:
            self._count_import(minute, import_wh)

    def _count_import(self, minute: int, import_wh: int) -> None:
        """Keep what the day imported whose quota it counts against."""
        if self._carbon is None:
            return
        day = minute // MINUTES_PER_DAY
        if self._imported_wh and next(iter(self._imported_wh)) // MINUTES_PER_DAY != day:
            self._imported_wh.clear()
        self._imported_wh[minute] = import_wh

    def _with_carbon(
        self,
        carbon: Carbon,
        minutes: Sequence[int],
        expected_wh: Sequence[int],
        energy_wh: int,
        tariffs: Sequence[Prices],
    ) -> list[Prices]:
        """The tariffs with the carbon price, where the home will be above its quota if it sells nothing."""
        imports_wh = dict(self._imported_wh)
        for minute, net_wh in zip(minutes, expected_wh, strict=True):
            imports_wh[minute], _, energy_wh = flow(self.store, energy_wh, net_wh)
        return with_carbon(tariffs, imports_wh, minutes, self.period_min, carbon)

    def _learn(self, place: int, minute: int, net_wh: int) -> None:
        expected_wh = self._expected_wh.pop(place, None)
        if expected_wh is not None:
            self.error_of_periods += 1
            self.error_wh += abs(expected_wh - net_wh)
        self._past.add(minute, net_wh)

    @property
    def first_place(self) -> int:
        """The first period that is not lived yet, and with which the `minutes` of a bid begin."""
        return self._place

    def foresee(self, place: int, minutes: Sequence[int], *, whole: bool = False) -> tuple[list[int], int]:
        """The net use of a period and those after it, and what the battery will hold when it begins.

        A home without a battery looks at the one period alone, unless it is asked for the `whole`.
        """
        running = place - self._place  # periods before it that are not lived yet
        if not self._stores and not whole:
            return self.forecast.expect(minutes[running : running + 1], self._past, self._net), self.energy_wh
        expected_wh = self.forecast.expect(minutes, self._past, self._net)
        energy_wh = self.energy_wh
        for ahead in range(running):
            sold_wh = self._sold_wh.get(self._place + ahead, 0)
            keep_wh = self._keep_wh.get(self._place + ahead, 0)
            energy_wh = flow(
                self.store, energy_wh, expected_wh[ahead], sold_wh, self._backs, keep_wh
            ).energy_wh
        return expected_wh[running:] if running else expected_wh, energy_wh

    def _planned(
        self,
        expected_wh: Sequence[int],
        energy_wh: int,
        middles: Sequence[int],
        tariffs: Sequence[Prices],
    ) -> Plan:
        if not self._stores:
            return Plan(max(0, expected_wh[0]), max(0, -expected_wh[0]), 0)
        if isinstance(self._plan, TariffPlanner) and tariffs:
            plan = self._plan.by_tariff(self.store, energy_wh, expected_wh, middles, tariffs, self.period_min)
        else:
            plan = self._plan(self.store, energy_wh, expected_wh, middles)
        if plan.keep_wh and not self._holds_back:
            usual = flow(self.store, energy_wh, expected_wh[0])
            plan = Plan(usual.import_wh, usual.export_wh, 0)
        if plan.from_battery_wh and self._battery_price > middles[0]:
            return Plan(0, plan.export_wh - plan.from_battery_wh, 0)
        return plan

    def _net(self, minute: int) -> int:
        use_wh, generation_wh = self._meter(minute)
        return use_wh - generation_wh

    def _meter(self, minute: int) -> tuple[int, int]:
        """What the home uses and generates in a period; days are worked out once."""
        day, within = divmod(minute, MINUTES_PER_DAY)
        if day not in self._metered:
            while len(self._metered) >= _KEPT_DAYS:
                del self._metered[next(iter(self._metered))]
            begins = range(day * MINUTES_PER_DAY, (day + 1) * MINUTES_PER_DAY, self.period_min)
            usage, generation, length = self.spec.usage, self.spec.generation, self.period_min
            self._metered[day] = (
                [usage.energy_wh(begin, begin + length) for begin in begins],
                [generation.energy_wh(begin, begin + length) for begin in begins],
            )
        use, generated = self._metered[day]
        return use[within // self.period_min], generated[within // self.period_min]


def _within(energy_wh: int, *bounds_wh: int | None) -> int:
    return min([energy_wh, *(bound for bound in bounds_wh if bound is not None)])
