# SPDX-License-Identifier: Apache-2.0
"""Local days that are over: who may settle them from when, and the lines of their periods."""

from collections.abc import Iterable

from commonwatt_audit.world import Recorded, require

from . import bills, times
from .calendar import DAY_S, Period
from .gap_settling import settled_version
from .homes import connections_at
from .ledger import Ledger
from .lines import SettledLine, gap_of, lines_at, parts_of, place_of_lines, terms_of, with_gap
from .readings import final_quality
from .situation import OPERATOR, Situation

Found = tuple[bills.Settled, SettledLine]


def require_over(now: Situation, recorded: Recorded, role: str, day: int) -> tuple[Period, ...]:
    """The periods of a day. Difference where the caller may not bill it yet, or there is no such day."""
    operator = role == OPERATOR and recorded.mspid == now.mspid
    due_s = now.calendar.first_instant(day + 1) + (0 if operator else DAY_S)
    require(now.now_s >= due_s, f"it bills day {day} at {now.now_s}, and its caller may from {due_s}")
    periods = now.calendar.periods(day)
    require(bool(periods), f"it bills day {day}, over which the UTC offset leapt")
    return periods


def lines_of_days(
    ledger: Ledger, now: Situation, periods: Iterable[Period], homes: list[str]
) -> dict[str, list[Found]]:
    """The lines of some homes in some periods, all of which are settled; with gaps that were spread since."""
    wanted, found = set(homes), dict[str, list[Found]]()
    for period in periods:
        now.require_open(period)
        number = period.start_min
        for part, some in enumerate(parts_of(connections_at(ledger, number))):
            if wanted.isdisjoint(some):
                continue
            version = settled_version(ledger, number)
            prices, terms = terms_of(ledger.private_record(place_of_lines(number, version, part)))
            final = now.now_s >= times.final_s(period, now.times(period))
            for home, line in lines_at(ledger, number, version, part).items():
                if home not in wanted:
                    continue
                stands = line if line.seq else with_gap(line, gap_of(ledger, number, home), terms)
                quality = final_quality(stands.quality, final)
                one = bills.Settled(period, prices, stands.metered, stands.line, quality, final)
                found.setdefault(home, []).append((one, stands))
    return found
