# SPDX-License-Identifier: Apache-2.0
"""The agent that is simulated, at work in a real home: which period it decides on, and in which words."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from commonwatt_chaincode.market.arithmetic import PPM
from commonwatt_chaincode.market.battery import Battery
from commonwatt_chaincode.market.forward.bids import REQUEST, Bid
from commonwatt_chaincode.market.forward.envelopes import Caps
from commonwatt_chaincode.market.forward.periods import Period
from commonwatt_chaincode.market.forward.prices import Prices

from ..hems.energy import Silent
from ..hems.forward.agent import HORIZON_MIN, NO_CAPS, Decision, ForwardAgent
from ..hems.home import HomeSpec
from ..market.results import Home
from ..meters.cutting import Cut
from ..plugins import choose
from .calendar import Calendar
from .lines import cents
from .settings import HomeSettings, percent_ppm
from .wishes import Wishes


class Choice(NamedTuple):
    """What the home does about a period: a bid or None, and why, in one line."""

    bid: Bid | None
    reason: str
    decision: Decision | None = None


@dataclass(frozen=True)
class _Place:
    period: Period
    minute: int
    prices: Prices


class Trader:
    """A `ForwardAgent` that knows its periods by the calendar, and its past by the book."""

    def __init__(
        self,
        settings: HomeSettings,
        registration: Home,
        calendar: Calendar,
        now_s: float,
        past: Sequence[Cut] = (),
        keep_storage_wh: int = 0,
    ) -> None:
        self.calendar = calendar
        self._from_period = calendar.at(now_s).id
        connection = registration.versions[-1].connection
        self._has_battery = settings.battery is not None and connection.battery_w > 0
        self._battery = _battery(settings, connection.battery_w, keep_storage_wh, past)
        spec = HomeSpec(
            settings.home,
            connection.pv_w > 0,
            "",
            "",
            Silent(),
            Silent(),
            connection.pv_w,
            self._battery.capacity_wh,
            "",
        )
        self.agent = ForwardAgent(
            spec,
            self._battery,
            calendar.at(now_s).length_min,
            forecast=choose("forecasts", settings.forecast)(),
            plan=choose("batteries", settings.plan),
            highest_feed_in=calendar.highest_feed_in,
            connection_w=connection.connection_w,
            guarded=True,
            holds_back=False,
            carbon=calendar.configuration.rules_of(self._from_period).carbon,
        )
        self._order: list[_Place] = []
        self._places: dict[int, int] = {}
        for cut in past:
            self.metered(cut)

    @property
    def lacks_battery(self) -> bool:
        """Whether the home has a battery of unknown content: the agent plans without it."""
        return self._has_battery and self._battery.capacity_wh == 0

    def metered(self, cut: Cut) -> None:
        """Take note of a period that was counted."""
        place = -1
        if cut.period.id >= self._from_period:
            self._reach(cut.period)
            place = self._places.get(cut.period.id, -1)
        self.agent.metered(
            place,
            self.calendar.minute(cut.period),
            net_wh(cut, self._battery),
            cut.battery_wh,
            cut.import_wh,
        )

    def awarded(self, period: Period, sold_wh: int) -> None:
        """Take note of what was sold in a period that is still to come."""
        place = self._places.get(period.id)
        if place is not None and place >= self.agent.first_place:
            self.agent.awarded(place, sold_wh)

    def choose(self, period: Period, wishes: Wishes, caps: Caps = NO_CAPS) -> Choice:
        """What to do about a period whose window is open."""
        if wishes.paused:
            return Choice(None, "trading is paused by the household")
        if self._places.get(period.id, self.agent.first_place) < self.agent.first_place:
            return Choice(
                None, "the meter has counted a later period already; was this machine's clock set back?"
            )
        decision = self._decide(period, caps)
        prices = self.calendar.prices(period)
        bid = None if decision.bid is None else wishes.limited(decision.bid, prices)
        reason = _reason(decision)
        if decision.bid is not None and bid is None:
            reason += "; the household's limits leave no bid"
        return Choice(bid, reason, decision)

    def _decide(self, period: Period, caps: Caps) -> Decision:
        self._reach(period, HORIZON_MIN)
        place, first = self._places[period.id], self.agent.first_place
        last = place + -(-HORIZON_MIN // period.length_min)
        known = self._order[first : last + 1]
        coming = known[place - first :]
        return self.agent.decide(
            place,
            [one.minute for one in known],
            self.calendar.prices(period),
            [one.prices.middle for one in coming],
            caps,
            tariffs=[one.prices for one in coming],
        )

    def _reach(self, period: Period, further_min: int = 0) -> None:
        """Number the periods up to one, and so many minutes beyond."""
        end = period.id + further_min
        following = (
            self.calendar.after(self._order[-1].period)
            if self._order
            else self.calendar.at(self._from_period * 60)
        )
        while following.id <= end:
            self._places[following.id] = len(self._order)
            self._order.append(
                _Place(following, self.calendar.minute(following), self.calendar.prices(following))
            )
            following = self.calendar.after(following)


def net_wh(cut: Cut, battery: Battery) -> int:
    """What the home used less what it generated, beside what its battery took and gave."""
    at_the_connection = cut.import_wh - cut.export_wh
    if cut.battery_wh is None or cut.battery_before_wh is None:
        return at_the_connection
    stored_wh = cut.battery_wh - cut.battery_before_wh
    if stored_wh >= 0:
        return at_the_connection - stored_wh * PPM // battery.eta_c_ppm
    return at_the_connection + -stored_wh * battery.eta_d_ppm // PPM


def words(bid: Bid | None) -> str:
    """A bid as the household reads it."""
    if bid is None:
        return "I bid nothing"
    if bid.kind == REQUEST:
        return f"I ask for {bid.energy_wh} Wh up to {cents(bid.price_uaud_per_kwh)}"
    return f"I offer {bid.energy_wh} Wh from {cents(bid.price_uaud_per_kwh)}"


def _reason(decision: Decision) -> str:
    plan, expected_wh = decision.plan, decision.expected_wh
    if plan.import_wh:
        reason = f"the home will lack {plan.import_wh} Wh"
    elif plan.export_wh:
        sun_wh = plan.export_wh - plan.from_battery_wh
        parts = [f"{sun_wh} Wh of its surplus"] if sun_wh else []
        parts += [f"{plan.from_battery_wh} Wh of its battery"] if plan.from_battery_wh else []
        reason = f"the home can spare {' and '.join(parts)}"
    else:
        reason = "the home will neither lack nor spare energy"
    reason += f" (expected net use {expected_wh} Wh, battery {decision.energy_wh} Wh)"
    if decision.guarded:
        reason += "; selling from the battery would cost more later than it brings"
    return reason


def _battery(settings: HomeSettings, registered_w: int, keep_storage_wh: int, past: Sequence[Cut]) -> Battery:
    """The battery as the agent may plan with it: none where the meter does not say what it holds."""
    told = settings.battery
    known = bool(past) and past[-1].battery_wh is not None
    if told is None or not known or registered_w == 0:
        return Battery(0, PPM, PPM, 0, PPM, 0, 0)
    keep_ppm = max(
        percent_ppm(told.keep_percent), min(PPM, keep_storage_wh * PPM // max(1, told.capacity_wh))
    )
    eta_ppm = percent_ppm(told.efficiency_percent)
    return Battery(
        told.capacity_wh, eta_ppm, eta_ppm, keep_ppm, PPM, keep_ppm, min(told.power_w, registered_w)
    )
