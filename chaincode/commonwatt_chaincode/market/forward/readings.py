# SPDX-License-Identifier: Apache-2.0
"""Readings of a connection point's import and export registers: who may say what, and which of several counts."""

from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

from .bids import Connection
from .periods import Period

MEASURED, SUBSTITUTED, ESTIMATED = "measured", "substituted", "estimated"
QUALITIES = (ESTIMATED, SUBSTITUTED, MEASURED)
"""From the worst to the best."""

HOME, OPERATOR, METER = "home", "operator", "meter"
AUTHORS = (HOME, OPERATOR, METER)
"""Of two with one quality the later author counts."""

QUALITY_NOT_YOURS = "quality_not_yours"
IMPOSSIBLE_READING = "impossible_reading"
TOTALS_DIFFER = "totals_differ"


class Reading(NamedTuple):
    """What one author says of a home's period, written under a version; the totals are the meter's running ones."""

    home: str
    author: str
    quality: str
    seq: int
    version: int
    import_wh: int
    export_wh: int
    import_total_wh: int | None = None
    export_total_wh: int | None = None


def refusal(reading: Reading, period: Period, connection: Connection, readings_by: str) -> str:
    """The code by which a reading is refused, or nothing.

    Nobody sends estimates: settlement makes them, and a home's own would undercut them.
    """
    measures = (METER,) if readings_by == METER else (HOME, METER)
    authors = {MEASURED: measures, SUBSTITUTED: (OPERATOR,)}.get(reading.quality, ())
    if reading.author not in authors:
        return QUALITY_NOT_YOURS
    if not possible(period, connection, reading.import_wh, reading.export_wh):
        return IMPOSSIBLE_READING
    totals = ((reading.import_total_wh, reading.import_wh), (reading.export_total_wh, reading.export_wh))
    if any(total is not None and total < energy_wh for total, energy_wh in totals):
        return TOTALS_DIFFER
    return ""


def possible(period: Period, connection: Connection, import_wh: int, export_wh: int) -> bool:
    """Whether a connection, its panels and its battery carry so much in a period."""
    most_import_wh = _with_tolerance_wh(period, connection.connection_w)
    most_export_wh = _with_tolerance_wh(period, connection.pv_w + connection.battery_w)
    return 0 <= import_wh <= most_import_wh and 0 <= export_wh <= most_export_wh


def counting(readings: Iterable[Reading], version: int) -> Reading | None:
    """The reading of one home's period by which a version settles it: the best quality, author and ``seq``.

    Of the home's own readings those of the first version count alone: what it said stands once a period was frozen.
    """
    known = [one for one in readings if one.version <= version]
    if len(known) < 2:
        return known[0] if known else None
    first = min((one.version for one in known if one.author == HOME), default=0)
    return max(
        (one for one in known if one.author != HOME or one.version == first),
        key=lambda one: (QUALITIES.index(one.quality), AUTHORS.index(one.author), one.seq, one.version),
        default=None,
    )


def all_measured(homes: Collection[str], chosen: Mapping[str, Reading]) -> bool:
    """Whether a period may be frozen before readings are due."""
    return all(home in chosen and chosen[home].quality == MEASURED for home in homes)


def _with_tolerance_wh(period: Period, power_w: int) -> int:
    """110 % of what a power carries."""
    return power_w * period.length_min * 11 // 600
