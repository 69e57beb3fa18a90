# SPDX-License-Identifier: Apache-2.0
"""The operators' page's figures of periods, and of homes that have not reported. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from commonwatt_chaincode.market.forward.gates import gate_s, window_opens_s
from commonwatt_chaincode.market.forward.periods import Period, Registration, period_at, registered

from ..market.results import Configuration, Home

PERIODS_BACK = 60
REPORTS_LATE_S = 60
"""How long after a period's end a home that has not reported is worth a look."""
Json = dict[str, Any]


def shown_periods(configuration: Configuration, now_s: int) -> list[Period]:
    """The last periods, the running one, and those that take bids, in order."""
    running = period_at(now_s, configuration.lengths, configuration.offsets)
    found = [running]
    while len(found) <= PERIODS_BACK and found[0].id > 0:
        found.insert(0, period_at(found[0].start_s - 1, configuration.lengths, configuration.offsets))
    while True:
        following = period_at(found[-1].end_s, configuration.lengths, configuration.offsets)
        if window_opens_s(following, configuration.rules_of(following.id).times) > now_s:
            return found
        found.append(following)


def periods_of(
    configuration: Configuration, periods: Sequence[Period], records: Iterable[Mapping[str, Any]]
) -> list[Json]:
    """Each period's times, and what stands of it on the ledger; None is what does not stand yet."""
    standing = {one["period"]: one for one in records}
    told = []
    for period in periods:
        times = configuration.rules_of(period.id).times
        record = standing.get(period.id, {})
        told.append(
            {
                "period": period.id,
                "start_s": period.start_s,
                "end_s": period.end_s,
                "window_opens_s": window_opens_s(period, times),
                "gate_s": gate_s(period, times),
                **{name: record.get(name) for name in ("gate", "meter", "cleared", "settled")},
            }
        )
    return told


def due_period(configuration: Configuration, now_s: int) -> Period:
    """The last period of which every home should have reported."""
    running = period_at(now_s - REPORTS_LATE_S, configuration.lengths, configuration.offsets)
    return period_at(running.start_s - 1, configuration.lengths, configuration.offsets)


def reports(period: Period, homes: Iterable[Home], keys: Iterable[str]) -> Json:
    """Which of a period's homes have no reading on the ledger; ``keys`` are the index keys of those that stand."""
    registrations = [
        Registration(one.home, min(version.from_period for version in one.versions), one.to_period)
        for one in homes
        if one.versions
    ]
    expected = registered(registrations, period.id)
    spoke = {key.split("/")[4] for key in keys}
    return {
        "period": period.id,
        "expected": len(expected),
        "missing": [home for home in expected if home not in spoke],
    }
