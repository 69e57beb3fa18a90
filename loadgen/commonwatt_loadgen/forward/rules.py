# SPDX-License-Identifier: Apache-2.0
"""What a simulated community agreed on: its periods and their times, tariff, pricing, sharing and envelopes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from commonwatt_chaincode.market.forward.carbon import Carbon
from commonwatt_chaincode.market.forward.clearing import MID_MARKET
from commonwatt_chaincode.market.forward.envelopes import Caps, Envelope, caps
from commonwatt_chaincode.market.forward.gates import Times, gate_s, window_opens_s
from commonwatt_chaincode.market.forward.periods import (
    Period,
    local_minute_at,
    periods_of_day,
)
from commonwatt_chaincode.market.forward.sharing import DYNAMIC
from commonwatt_chaincode.market.forward.tariffs import PeriodTariff, Version, tariff_of
from commonwatt_chaincode.market.tariff import DAY_MIN, MINUTE_S, local_day

BID_BEFORE_GATE_S = 60
"""Homes bid so long before the gate: late enough to know most, early enough for clocks that differ."""


@dataclass(frozen=True)
class ForwardRules:
    """The rules of one community for all simulated days; ``first_day`` is a local day (days since 1970).

    ``keys_ppm`` are the homes' static sharing keys.
    """

    first_day: int
    period_min: int
    offsets: tuple[tuple[int, int], ...]
    tariffs: tuple[Version, ...]
    times: Times = field(default_factory=Times)
    pricing: str = MID_MARKET
    sharing: str = DYNAMIC
    envelopes: tuple[Envelope, ...] = ()
    keys_ppm: Mapping[str, int] = field(default_factory=dict)
    estimate_w: int = 1_500
    carbon: Carbon | None = None

    @property
    def lengths(self) -> tuple[tuple[int, int], ...]:
        return ((self.first_day, self.period_min),)

    def periods(self, day: int) -> list[Period]:
        """The periods of the simulated day ``day``, counted from 0: 23, 24 or 25 hours of them."""
        return list(periods_of_day(self.first_day + day, self.lengths, self.offsets))

    def minute(self, period: Period) -> int:
        """The local minute of a period's start, from 0:00 of the first day: every day has 1,440 of them."""
        day = local_day(period.start_s, self.offsets) - self.first_day
        return day * DAY_MIN + local_minute_at(period, self.offsets)

    def tariff(self, period: Period) -> PeriodTariff:
        """What a period costs."""
        return tariff_of(period, self.tariffs, (), self.offsets, window_opens_s(period, self.times))

    def caps(self, home: str, period: Period) -> Caps:
        """What the envelopes allow a home in a period."""
        return caps(self.envelopes_of(period), home, period, gate_s(period, self.times))

    def envelopes_of(self, period: Period) -> tuple[Envelope, ...]:
        """The envelopes that touch a period's local day."""
        if not self.envelopes:
            return ()
        return self._by_day.get(local_day(period.start_s, self.offsets), ())

    @cached_property
    def _by_day(self) -> dict[int, tuple[Envelope, ...]]:
        found: dict[int, list[Envelope]] = {}
        for one in self.envelopes:
            last_s = max(one.from_period, one.to_period - 1) * MINUTE_S
            first_day = local_day(one.from_period * MINUTE_S, self.offsets)
            for day in range(first_day, local_day(last_s, self.offsets) + 1):
                found.setdefault(day, []).append(one)
        return {day: tuple(envelopes) for day, envelopes in found.items()}

    def bids_s(self, period: Period) -> int:
        """When homes bid for a period, in epoch seconds."""
        return max(window_opens_s(period, self.times), gate_s(period, self.times) - BID_BEFORE_GATE_S)

    @property
    def highest_feed_in(self) -> int:
        """The highest price at which the grid takes energy."""
        return max(
            band.feed_in for version in self.tariffs for one in version.schedules for band in one.bands
        )
