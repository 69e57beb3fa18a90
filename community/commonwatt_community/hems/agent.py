# SPDX-License-Identifier: Apache-2.0
"""The agent of one home: meters its intervals, keeps its battery, bids and offers. It decides; a market
executes.
"""

from collections import deque
from typing import NamedTuple

from commonwatt_chaincode.market.battery import (
    Account,
    Battery,
    battery_of,
    sellable_wh,
    settle_offer,
)
from commonwatt_chaincode.market.parameters import Parameters
from commonwatt_chaincode.market.settlement import settle_interval
from commonwatt_chaincode.market.tariff import HOUR_MIN, band_at, lowest_tou

from commonwatt_community.hems.battery import BATTERY_POLICIES, Holding
from commonwatt_community.hems.draws import Draws
from commonwatt_community.hems.energy import MINUTES_PER_DAY
from commonwatt_community.hems.forecast import FORECASTS, Metered, Perfect
from commonwatt_community.hems.grid_charging import expected_need_wh, grid_charge_wh
from commonwatt_community.hems.home import HomeSpec
from commonwatt_community.hems.reserve import Ahead, Foreseen, Spared
from commonwatt_community.hems.strategy import STRATEGIES, PriceView, Strategy

HORIZON_MIN = 36 * 60  # how far ahead a home asks what it will need of its battery
_PLANNED_DAYS = 4
_REMEMBERED_INTERVALS = 64  # two days of the shortest usual intervals, for forecasts


class Interval(NamedTuple):
    """A settlement interval of a home, in minutes from 0:00 of the first simulated day."""

    start_min: int
    end_min: int


class Settlement(NamedTuple):
    """What a home's interval came to, and its battery's content afterwards."""

    home: str
    start_min: int
    end_min: int
    use_wh: int
    generation_wh: int
    own_wh: int
    need_wh: int
    charged_wh: int
    spill_wh: int
    battery_wh: int
    grid_charge_wh: int = 0


class Ask(NamedTuple):
    """An offer as the agent decides it."""

    energy_wh: int
    price_uaud_per_kwh: int


class HomeAgent:
    """The home energy management system of one home.

    It offers only energy that it has, by its own account of the battery.
    """

    def __init__(
        self,
        spec: HomeSpec,
        parameters: Parameters,
        seed: int,
        *,
        strategy: Strategy | None = None,
        forecast: str = "perfect",
        battery_policy: str = "sell-all",
        last_day: int | None = None,
    ) -> None:
        """`last_day` is the last simulated one: the home plans no further; without it, for 36 hours.

        `strategy`: None is that of `STRATEGIES` which `spec` names.
        """
        self.spec = spec
        self.parameters = parameters
        self.battery: Battery = battery_of(parameters, spec.storage_wh)
        self._floor_wh = self.battery.e_min_wh
        self.account = Account(energy_wh=self._floor_wh)
        self.strategy = strategy or STRATEGIES[spec.strategy]()
        self._forecast = FORECASTS[forecast]()
        self._policy = BATTERY_POLICIES[battery_policy]()
        self._last_min = None if last_day is None else (last_day + 1) * MINUTES_PER_DAY
        self._least_ask = self._policy.least_ask_uaud_per_kwh(self.battery, parameters.feed_in)
        self._spare_from: tuple[Spared, int] | None = None  # and what was stored then
        self._offerable: tuple[Account, int] | None = None  # Wh, with this account in this interval
        self._buys_to_store = parameters.storage_from_grid and self.battery.capacity_wh > 0
        self._needed_wh = 0  # of the battery, until grid energy is cheapest again
        self._intervals = Draws(seed, "interval", spec.draws_as)
        self._asks = Draws(seed, "ask", spec.draws_as)
        self._bids = Draws(seed, "bid", spec.draws_as)
        self._past: deque[Metered] = deque(maxlen=_REMEMBERED_INTERVALS)
        self._settled_min = 0
        self._days: dict[int, list[Interval]] = {}
        self._foreseen: dict[int, list[Foreseen]] = {}

    @property
    def home(self) -> str:
        return self.spec.home

    def schedule(self, day: int) -> list[Interval]:
        """The home's settlement intervals of a day: uniform in [st_min, st_max], drawn anew each time.

        They are cut at 24:00, and where the tariff changes if the community wants that (`cut_at_bands`).
        """
        if day in self._days:
            return self._days[day]
        start, end = day * MINUTES_PER_DAY, (day + 1) * MINUTES_PER_DAY
        intervals: list[Interval] = []
        while start < end:
            length = self._intervals.within(
                self.parameters.st_min, self.parameters.st_max, day, len(intervals)
            )
            until = min(end, start + length)
            if self.parameters.cut_at_bands:
                until = min(until, day * MINUTES_PER_DAY + self._band_end(start % MINUTES_PER_DAY))
            intervals.append(Interval(start, until))
            start = until
        while len(self._days) >= _PLANNED_DAYS:
            del self._days[next(iter(self._days))]
        self._days[day] = intervals
        return intervals

    def _band_end(self, minute: int) -> int:
        return band_at(self.parameters.tou, minute).to_hour * HOUR_MIN

    def meter(self, start_min: int, end_min: int) -> Metered:
        """What the meter reads over an interval."""
        use_wh = self.spec.usage.energy_wh(start_min, end_min)
        return Metered(start_min, end_min, use_wh, self.spec.generation.energy_wh(start_min, end_min))

    def settle(self, interval: Interval) -> Settlement:
        """Read the meter at an interval's end and let generation and battery serve the home."""
        start_min, end_min = interval
        metered = self.meter(start_min, end_min)
        self._past.append(metered)
        bought_wh = 0
        if self._buys_to_store:
            self._needed_wh = expected_need_wh(self.parameters, end_min, self._net_forecast)
            bought_wh = grid_charge_wh(self.parameters, self.battery, self.account, metered, self._needed_wh)
        _, _, use_wh, generation_wh = metered
        own_wh, need_wh, charged_wh, spill_wh, _, account = settle_interval(
            self.battery, self.account, end_min - start_min, use_wh, generation_wh, bought_wh
        )
        self.account = account
        self._settled_min, self._spare_from, self._offerable = end_min, None, None
        return Settlement(
            self.spec.home,
            start_min,
            end_min,
            use_wh,
            generation_wh,
            own_wh,
            need_wh,
            charged_wh,
            spill_wh,
            account.energy_wh,
            bought_wh,
        )

    def limit(self, tou: int, suggested: int, energy_wh: int, decision: int) -> int:
        """The most to pay per kWh for `energy_wh`."""
        return self.strategy.bid(
            PriceView(self.parameters.feed_in, tou, suggested, energy_wh, decision), self._bids
        )

    def holds_energy(self) -> bool:
        """Whether the battery holds anything at all: what most rounds of a long run ask first."""
        return self.account.energy_wh > self._floor_wh

    def offerable_wh(self) -> int:
        """What the home would offer now: what its account lets it sell, as far as its policy lets it go."""
        if self._offerable is None or self._offerable[0] is not self.account:
            self._offerable = self.account, self._offerable_wh()
        return self._offerable[1]

    def _offerable_wh(self) -> int:
        may_sell_wh = sellable_wh(self.battery, self.account)
        holding = Holding(self.battery, may_sell_wh, self.account.sold_wh, self._spare_wh)
        return max(0, self._policy.offer_wh(holding) - self._needed_wh)

    def ask(self, tou: int, suggested: int, decision: int) -> Ask | None:
        """The offer to make in a round, or None."""
        energy_wh = self.offerable_wh()
        if energy_wh <= 0:
            return None
        view = PriceView(self.parameters.feed_in, tou, suggested, energy_wh, decision)
        price = max(self.strategy.ask(view, self._asks), self._least_ask)
        if self._spare_from is not None:
            price = max(price, self._spare_from[0].least_uaud_per_kwh)
        if self._buys_to_store:
            price = max(price, lowest_tou(self.parameters.tou))
        return Ask(energy_wh, price) if price <= tou else None

    def _spare_wh(self) -> int:
        """Stored Wh that the home can do without, its running interval included; open offers count as sold."""
        stored_wh = self.account.energy_wh
        if self._spare_from is None:
            spared = self._policy.spared(self.parameters, self.battery, stored_wh, self._ahead())
            self._spare_from = spared, stored_wh
        spared, then_wh = self._spare_from
        return max(0, spared.stored_wh - (then_wh - stored_wh) - self.account.reserved_wh)

    def _ahead(self) -> list[Foreseen]:
        """The home's own intervals from the running one on, with what it expects of them."""
        until = self._settled_min + HORIZON_MIN
        if self._last_min is not None:
            until = min(until, self._last_min)
        days = range(self._settled_min // MINUTES_PER_DAY, -(-until // MINUTES_PER_DAY))
        return [
            one for day in days for one in self._expected(day) if self._settled_min <= one.start_min < until
        ]

    def _expected(self, day: int) -> list[Foreseen]:
        """A day's intervals by their start; what is known for certain is remembered."""
        if day in self._foreseen:
            return self._foreseen[day]
        certain = isinstance(self._forecast, Perfect)
        expected = [
            Foreseen(
                one.start_min,
                Ahead(one.end_min - one.start_min, self._net_forecast(one.start_min, one.end_min)),
            )
            for one in self.schedule(day)
            if certain or one.start_min >= self._settled_min
        ]
        if certain:
            while len(self._foreseen) >= _PLANNED_DAYS:
                del self._foreseen[next(iter(self._foreseen))]
            self._foreseen[day] = expected
        return expected

    def _net_forecast(self, start_min: int, end_min: int) -> int:
        past = [one for one in self._past if one.end_min > start_min - 2 * MINUTES_PER_DAY]
        return self._forecast.net_wh(start_min, end_min, past, self.meter)

    def offer_ended(self, offered_wh: int, sold_wh: int) -> None:
        """Take note of what became of an offer; what was sold leaves the battery."""
        if sold_wh:
            self.account = settle_offer(self.battery, self.account, 0, sold_wh)
        self.strategy.sold(offered_wh, sold_wh)
