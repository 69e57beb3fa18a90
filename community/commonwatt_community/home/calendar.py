# SPDX-License-Identifier: Apache-2.0
"""A community's periods as one configuration has them: which one an instant belongs to, its times and its prices."""

from dataclasses import dataclass, field

from commonwatt_chaincode.market.forward.gates import Times, closes_from_s, gate_s, window_opens_s
from commonwatt_chaincode.market.forward.periods import Period, local_minute_at, period_at
from commonwatt_chaincode.market.forward.prices import Prices
from commonwatt_chaincode.market.forward.tariffs import tariff_of
from commonwatt_chaincode.market.tariff import DAY_MIN, local_day

from ..market.results import Configuration


@dataclass(frozen=True)
class Calendar:
    """Questions about periods, answered from a configuration alone."""

    configuration: Configuration
    _prices: dict[int, Prices] = field(default_factory=dict, compare=False)

    def at(self, time_s: float) -> Period:
        """The period to which an instant belongs."""
        return period_at(int(time_s), self.configuration.lengths, self.configuration.offsets)

    def after(self, period: Period) -> Period:
        """The next one."""
        return self.at(period.end_s)

    def day(self, period: Period) -> int:
        """Its local day."""
        return local_day(period.start_s, self.configuration.offsets)

    def minute(self, period: Period) -> int:
        """The local minute of its start, from the first day of 1970: every day has 1,440 of them."""
        return self.day(period) * DAY_MIN + local_minute_at(period, self.configuration.offsets)

    def local(self, period: Period) -> str:
        """The local time of its start, as HH:MM."""
        minute = local_minute_at(period, self.configuration.offsets)
        return f"{minute // 60:02d}:{minute % 60:02d}"

    def times(self, period: Period) -> Times:
        """Its community's times."""
        return self.configuration.rules_of(period.id).times

    def opens_s(self, period: Period) -> int:
        """From when it takes bids."""
        return window_opens_s(period, self.times(period))

    def gate_s(self, period: Period) -> int:
        """From when it takes none."""
        return gate_s(period, self.times(period))

    def clears_s(self, period: Period) -> int:
        """From when the operator may close its gate."""
        return closes_from_s(period, self.times(period), operator=True)

    def prices(self, period: Period) -> Prices:
        """What the grid's energy costs in it."""
        if period.id not in self._prices:
            configuration = self.configuration
            self._prices[period.id] = tariff_of(
                period,
                configuration.tariffs,
                configuration.holidays,
                configuration.offsets,
                self.opens_s(period),
            ).prices
            if len(self._prices) > 10_000:
                del self._prices[next(iter(self._prices))]
        return self._prices[period.id]

    @property
    def highest_feed_in(self) -> int:
        """The highest price at which the grid takes energy."""
        return max(
            band.feed_in
            for version in self.configuration.tariffs
            for schedule in version.schedules
            for band in schedule.bands
        )
