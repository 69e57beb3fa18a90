# SPDX-License-Identifier: Apache-2.0
"""The trader that decides now. It is made anew when the market, the wishes or the meter tell what it did not know."""

from commonwatt_chaincode.market.forward.envelopes import Caps
from commonwatt_chaincode.market.forward.periods import Period

from ..meters.clock import Clock
from ..meters.cutting import Cut
from .book import Book
from .participation import Participation
from .settings import HomeSettings
from .trader import Choice, Trader
from .wishes import Wished

_PAST_DAYS = 29
_KEPT_MIN = 1_440


class Trading:
    """The trader, None before the market is known, and the energy sold in each period, by the period's number."""

    def __init__(
        self, settings: HomeSettings, book: Book, clock: Clock, participation: Participation, wished: Wished
    ) -> None:
        self._settings = settings
        self._book = book
        self._clock = clock
        self._participation = participation
        self._wished = wished
        self.trader: Trader | None = None
        self.sold_wh: dict[int, int] = {}

    def renew(self) -> None:
        """Make the trader of what is known now."""
        calendar, registration = self._participation.calendar, self._participation.registration
        if calendar is None or registration is None:
            return
        now = calendar.at(self._clock.now())
        past = list(self._book.cuts_since(now.id - _PAST_DAYS * 1_440))
        self.trader = Trader(
            self._settings,
            registration,
            calendar,
            self._clock.now(),
            past,
            self._wished.now.keep_storage_wh or 0,
        )
        for period_id, sold_wh in self.sold_wh.items():
            self.trader.awarded(calendar.at(period_id * 60), sold_wh)

    def metered(self, cut: Cut) -> None:
        """Take note of a period that was counted and stands in the book."""
        if self.trader is None:
            return
        if self.trader.lacks_battery and cut.battery_wh is not None:
            self.renew()  # the meter says for the first time what the battery holds
        else:
            self.trader.metered(cut)

    def choose(self, period: Period, caps: Caps) -> Choice:
        """What to do about a period whose window is open. The market is known."""
        assert self.trader is not None
        return self.trader.choose(period, self._wished.now, caps)

    def sold(self, period: Period, sold_wh: int) -> None:
        """Take note of what was sold in a period."""
        self.sold_wh[period.id] = sold_wh
        if self.trader is not None:
            self.trader.awarded(period, sold_wh)

    def forget_before(self, period: Period) -> None:
        """Forget what was sold more than a day before a period."""
        for old in [one for one in self.sold_wh if one < period.id - _KEPT_MIN]:
            del self.sold_wh[old]
