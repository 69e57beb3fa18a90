# SPDX-License-Identifier: Apache-2.0
"""The energy of periods without a reading, once the meter's running total says how much it was."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from .periods import Period
from .readings import Reading


class Spread(NamedTuple):
    """What a period of a gap is settled by afterwards, with the grid alone; its quality is ``substituted``."""

    period: Period
    import_wh: int
    export_wh: int


def spread(
    missing: Sequence[Period], before: Reading, after: Reading, between: Iterable[Reading] = ()
) -> tuple[Spread, ...]:
    """Spread the difference of the totals evenly over the gap's minutes; the sum is exact.

    ``before`` and ``after`` are the readings next to the gap, both with totals, ``between`` what is known of single
    periods of it. ValueError without totals, or where they run backwards: a meter was exchanged, and the operator
    substitutes readings.
    """
    between = tuple(between)
    known_import_wh = after.import_wh + sum(one.import_wh for one in between)
    known_export_wh = after.export_wh + sum(one.export_wh for one in between)
    imports_wh = _between("import", before.import_total_wh, after.import_total_wh, known_import_wh)
    exports_wh = _between("export", before.export_total_wh, after.export_total_wh, known_export_wh)
    return tuple(
        Spread(period, import_wh, export_wh)
        for period, import_wh, export_wh in zip(
            missing, _evenly(missing, imports_wh), _evenly(missing, exports_wh), strict=True
        )
    )


def _between(register: str, before_wh: int | None, after_wh: int | None, known_wh: int) -> int:
    if before_wh is None or after_wh is None:
        raise ValueError(f"{register}: settling a gap needs the meter's totals on both sides")
    energy_wh = after_wh - known_wh - before_wh
    if energy_wh < 0:
        raise ValueError(f"{register}: the meter's total ran backwards by {-energy_wh} Wh in the gap")
    return energy_wh


def _evenly(periods: Sequence[Period], energy_wh: int) -> Iterator[int]:
    """Differences of rounded running sums: no Wh is lost."""
    whole_min = sum(period.length_min for period in periods)
    passed_min = given_wh = 0
    for period in periods:
        passed_min += period.length_min
        reached_wh = energy_wh * passed_min // whole_min
        yield reached_wh - given_wh
        given_wh = reached_wh
