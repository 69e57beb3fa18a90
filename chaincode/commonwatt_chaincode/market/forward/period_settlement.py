# SPDX-License-Identifier: Apache-2.0
"""Settlement of a period whose readings are frozen: from registrations, awards and readings to every home's line.

The same functions settle a period in one go or in parts: a part's lines do not depend on how the homes are sliced.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

from .balances import Metered, balance
from .bids import Connection
from .envelopes import Caps, Envelope, caps_of, exceeded
from .estimates import estimated_export_wh, estimated_import_wh
from .gaps import Spread
from .outside import NOTHING, Outside, together
from .periods import Offsets, Period
from .readings import ESTIMATED, MEASURED, SUBSTITUTED, Reading, counting
from .settlement import Line, Terms, check_terms, resettle, settle_part
from .sharing import SharingPlan, plan_sharing

PART_HOMES = 200
"""The homes of one part of a settlement, by name."""


class SettledLine(NamedTuple):
    """A home's settled period. ``version`` is the one in which it last changed; ``seq`` 0: no reading stands behind it.

    ``reading_version`` is the version under which that reading came. ``export_cap_wh`` None: no envelope. ``exceeded``
    names what a meter counted beyond the envelope: ``import``, ``export``. ``salt`` keeps hashes unguessable.
    ``exchange`` is what the home traded with other communities, None where that is nothing.
    """

    home: str
    version: int
    quality: str
    author: str
    seq: int
    reading_version: int
    import_wh: int
    export_wh: int
    bought_wh: int
    sold_wh: int
    export_cap_wh: int | None
    key_ppm: int
    exceeded: tuple[str, ...]
    line: Line
    salt: str = ""
    exchange: Outside | None = None


@dataclass(frozen=True, slots=True)
class FrozenPeriod:
    """All that a version of a period's settlement rests on, but for what single homes had before.

    ``connections`` are those of the homes that the period settles, ``awarded_wh`` what they bought and sold,
    ``outside`` what they traded with other communities. ``readings`` are all of versions up to ``version``, by home.
    ``final_version`` is the last one that was frozen before the period was final, None until then: readings of later
    versions resettle their home alone.
    """

    period: Period
    version: int
    final_version: int | None
    terms: Terms
    gate_s: int
    offsets: Offsets
    estimate_w: int
    connections: Mapping[str, Connection]
    awarded_wh: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    readings: Mapping[str, Sequence[Reading]] = field(default_factory=dict)
    envelopes: Sequence[Envelope] = ()
    keys_ppm: Mapping[str, int] = field(default_factory=dict)
    outside: Mapping[str, Outside] = field(default_factory=dict)

    def shared_by(self, home: str) -> Reading | None:
        """The reading by which a home takes part in the community's settlement."""
        last = self.version if self.final_version is None else min(self.version, self.final_version)
        return counting(self.readings.get(home, ()), last)

    def counting(self, home: str) -> Reading | None:
        """The reading by which a home is settled, with the grid alone where it came after the period was final."""
        return counting(self.readings.get(home, ()), self.version)


class Sums(NamedTuple):
    """The sums of some lines. ``grid_naud`` is what the grid gets; ``measured`` to ``changed`` count lines."""

    homes: int
    import_wh: int
    export_wh: int
    bought_wh: int
    sold_wh: int
    shared_in_wh: int
    shared_out_wh: int
    grid_in_wh: int
    grid_out_wh: int
    breach_wh: int
    grid_naud: int
    measured: int
    substituted: int
    estimated: int
    changed: int
    exchange: Outside | None = None


def parts_of(homes: Iterable[str]) -> list[tuple[str, ...]]:
    """The homes of each part, sorted; one empty part where there are none."""
    return even_slices(homes, PART_HOMES)


def even_slices(homes: Iterable[str], most: int) -> list[tuple[str, ...]]:
    """Homes in as few slices as can be, sorted, of sizes that differ by one at most.

    A part's sums are public: a last one of a single home would tell its reading to everybody.
    """
    ordered = sorted(homes)
    parts = max(1, -(-len(ordered) // most))
    bounds = [len(ordered) * part // parts for part in range(parts + 1)]
    return [tuple(ordered[first:end]) for first, end in pairwise(bounds)]


def unknown_homes(
    frozen: FrozenPeriod, homes: Iterable[str], before: Mapping[str, SettledLine]
) -> tuple[str, ...]:
    """Which of the homes need an estimate: those without any reading that no version has settled yet.

    An estimate is made once: later versions keep it.
    """
    return tuple(home for home in homes if home not in before and frozen.counting(home) is None)


def estimate_wh(frozen: FrozenPeriod, home: str, past: Iterable[tuple[Period, int]]) -> int:
    """The import that settles a home without a reading; ``past`` as in ``estimates.estimated_import_wh``."""
    bought_wh, _ = frozen.awarded_wh.get(home, (0, 0))
    due_wh = bought_wh + frozen.outside.get(home, NOTHING).imported_wh
    return estimated_import_wh(frozen.period, past, frozen.offsets, due_wh, frozen.estimate_w)


def plan(frozen: FrozenPeriod) -> SharingPlan:
    """The sharing among all homes of the period. ValueError for terms and awards that do not fit."""
    check_terms(frozen.terms)
    if strangers := (frozen.awarded_wh.keys() | frozen.outside.keys()) - frozen.connections.keys():
        raise ValueError(f"{min(strangers)[:80]} has an award and is not registered for the period")
    bounds = _bounds(frozen, frozen.connections)
    homes = (_shared(frozen, home, bounds.get(home, Caps()), 0) for home in frozen.connections)
    return plan_sharing(map(balance, homes), frozen.terms.sharing)


def settle_homes(
    frozen: FrozenPeriod,
    homes: Sequence[str],
    before: Mapping[str, SettledLine],
    gaps: Mapping[str, Spread],
    estimates_wh: Mapping[str, int],
    sharing: SharingPlan | None = None,
) -> tuple[SettledLine, ...]:
    """The lines of some homes, in their order.

    ``before`` are the lines of the version that was settled last, ``gaps`` what running totals say of a period without
    a reading, ``estimates_wh`` the imports of ``unknown_homes``. A line that stays the same is the one before, with its
    version and salt; a new one has no salt yet. ``sharing`` is ``plan(frozen)``, made for all homes of the period:
    with it, ``frozen`` may hold what is of these homes alone.
    """
    bounds = _bounds(frozen, homes)
    shared = {}
    for home in homes:
        known_wh = before[home].import_wh if home in before else estimates_wh.get(home, 0)
        shared[home] = _shared(frozen, home, bounds.get(home, Caps()), known_wh)
    lines = settle_part(shared.values(), sharing or plan(frozen), frozen.terms).lines
    settled = []
    for home in homes:
        bound = bounds.get(home, Caps())
        line = _settled(frozen, shared[home], lines[home], bound, before.get(home), gaps.get(home))
        settled.append(_kept(before.get(home), line))
    return tuple(settled)


def with_gap(line: SettledLine, gap: Spread, terms: Terms) -> SettledLine:
    """A line by what running totals say of its period, with the grid alone; the line itself where a reading stands.

    A spread is no reading of the period, so it exceeds no envelope.
    """
    if line.seq:
        return line
    metered = _metered_of(line)._replace(import_wh=gap.import_wh, export_wh=gap.export_wh, estimated=False)
    return line._replace(
        quality=SUBSTITUTED,
        import_wh=gap.import_wh,
        export_wh=gap.export_wh,
        line=resettle(metered, line.line, terms),
    )


def sums_of(lines: Iterable[SettledLine], version: int, final: bool = False) -> Sums:
    """The sums of lines, and how many of them changed in a version. In the end estimates count as substituted."""
    lines = tuple(lines)
    results = [one.line for one in lines]
    return Sums(
        len(lines),
        sum(one.import_wh for one in lines),
        sum(one.export_wh for one in lines),
        sum(one.bought_wh for one in lines),
        sum(one.sold_wh for one in lines),
        sum(line.shared_in_wh for line in results),
        sum(line.shared_out_wh for line in results),
        sum(line.grid_in_wh for line in results),
        sum(line.grid_out_wh for line in results),
        sum(line.breach_wh for line in results),
        sum(line.grid_naud + line.fee_naud for line in results),
        sum(one.quality == MEASURED for one in lines),
        sum(quality_of(one, final) == SUBSTITUTED for one in lines),
        sum(quality_of(one, final) == ESTIMATED for one in lines),
        sum(one.version == version for one in lines),
        together(one.exchange for one in lines),
    )


def quality_of(line: SettledLine, final: bool) -> str:
    """The quality of a line: once its period is final, an estimate counts as substituted."""
    return SUBSTITUTED if final and line.quality == ESTIMATED else line.quality


def added(parts: Iterable[Sums]) -> Sums:
    """The sums of a whole period. ValueError unless contracts, shares and energy are even."""
    parts = tuple(parts)
    columns = zip(*(part[:-1] for part in parts), strict=True)
    exchange = together(part.exchange for part in parts)
    whole = Sums._make([*map(sum, columns), exchange])
    imported_wh, exported_wh, *_ = exchange or NOTHING
    if whole.bought_wh != whole.sold_wh or whole.shared_in_wh != whole.shared_out_wh:
        raise ValueError("the homes' purchases and shares differ from their sales and gifts")
    grid_wh = whole.grid_in_wh - whole.grid_out_wh - whole.breach_wh
    if grid_wh + imported_wh - exported_wh != whole.import_wh - whole.export_wh:
        raise ValueError("the grid's energy is not what the meters counted")
    return whole


def _bounds(frozen: FrozenPeriod, homes: Iterable[str]) -> dict[str, Caps]:
    return caps_of(frozen.envelopes, homes, frozen.period, frozen.gate_s)


def _shared(frozen: FrozenPeriod, home: str, bounds: Caps, estimated_wh: int) -> Metered:
    """A home as it takes part in the community's settlement."""
    bought_wh, sold_wh = frozen.awarded_wh.get(home, (0, 0))
    key_ppm = frozen.keys_ppm.get(home, 0)
    outside = frozen.outside.get(home, NOTHING)
    reading = frozen.shared_by(home)
    if reading is None:
        pv_w = frozen.connections[home].pv_w
        export_wh = estimated_export_wh(frozen.period, pv_w, frozen.terms.prices.feed_in)
        return Metered(
            home, bought_wh, sold_wh, estimated_wh, export_wh, bounds.export_wh, key_ppm, True, outside
        )
    metered_wh = reading.import_wh, reading.export_wh
    return Metered(home, bought_wh, sold_wh, *metered_wh, bounds.export_wh, key_ppm, False, outside)


def _settled(
    frozen: FrozenPeriod,
    shared: Metered,
    line: Line,
    bounds: Caps,
    before: SettledLine | None,
    gap: Spread | None,
) -> SettledLine:
    reading = frozen.counting(shared.home)
    if reading is None and before is not None and before.seq:
        # What stands behind a settled line may be lost afterwards; the line says it still.
        reading = _reading_of(before)
    if reading is None:
        settled = _line(frozen.version, ESTIMATED, None, shared, (), line)
        return settled if gap is None else with_gap(settled, gap, frozen.terms)
    metered = shared._replace(import_wh=reading.import_wh, export_wh=reading.export_wh, estimated=False)
    if metered != shared:
        line = resettle(metered, line, frozen.terms)
    beyond = exceeded(bounds, reading.import_wh, reading.export_wh)
    return _line(frozen.version, reading.quality, reading, metered, beyond, line)


def _line(
    version: int,
    quality: str,
    reading: Reading | None,
    metered: Metered,
    beyond: tuple[str, ...],
    line: Line,
) -> SettledLine:
    return SettledLine(
        metered.home,
        version,
        quality,
        reading.author if reading else "",
        reading.seq if reading else 0,
        reading.version if reading else 0,
        metered.import_wh,
        metered.export_wh,
        metered.bought_wh,
        metered.sold_wh,
        metered.export_cap_wh,
        metered.key_ppm,
        beyond,
        line,
        exchange=together([metered.outside]),
    )


def _kept(before: SettledLine | None, line: SettledLine) -> SettledLine:
    """The line before where nothing but the version differs."""
    if before is not None and before == line._replace(version=before.version, salt=before.salt):
        return before
    return line


def _reading_of(line: SettledLine) -> Reading:
    return Reading(
        line.home, line.author, line.quality, line.seq, line.reading_version, line.import_wh, line.export_wh
    )


def _metered_of(line: SettledLine) -> Metered:
    return Metered(
        line.home,
        line.bought_wh,
        line.sold_wh,
        line.import_wh,
        line.export_wh,
        line.export_cap_wh,
        line.key_ppm,
        line.quality == ESTIMATED,
        line.exchange or NOTHING,
    )
