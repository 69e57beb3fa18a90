# SPDX-License-Identifier: Apache-2.0
"""Envelopes: the power that the network allows a home, or every home, to import and export for some periods."""

from collections.abc import Iterable
from typing import NamedTuple

from .periods import Period


class Envelope(NamedTuple):
    """Published by the grid for [from_period, to_period); None as home: for all, as power: no bound."""

    home: str | None
    from_period: int
    to_period: int
    import_w: int | None
    export_w: int | None
    published_s: int


class Caps(NamedTuple):
    """The most that a home may import and export in a period; None: no bound."""

    import_wh: int | None = None
    export_wh: int | None = None


def caps(envelopes: Iterable[Envelope], home: str, period: Period, gate_s: int) -> Caps:
    """The smaller of the home's envelope and of everybody's.

    Of several for the same homes the one published last counts, so the grid can widen what it narrowed. An envelope
    that it publishes at the gate or later is for later periods: a promise that was possible when it was made never
    becomes a breach.
    """
    own: dict[bool, Envelope] = {}
    for envelope in sorted(
        (one for one in envelopes if one.published_s < gate_s), key=lambda one: one.published_s
    ):
        if envelope.home in (None, home) and envelope.from_period <= period.id < envelope.to_period:
            own[envelope.home is None] = envelope
    return Caps(
        _smallest(period.energy_wh(one.import_w) for one in own.values() if one.import_w is not None),
        _smallest(period.energy_wh(one.export_w) for one in own.values() if one.export_w is not None),
    )


def caps_of(
    envelopes: Iterable[Envelope], homes: Iterable[str], period: Period, gate_s: int
) -> dict[str, Caps]:
    """The caps of each of some homes; a home has an entry if an envelope is published for it."""
    published: dict[str | None, list[Envelope]] = {}
    for one in envelopes:
        published.setdefault(one.home, []).append(one)
    if not published:
        return {}
    everybody = published.get(None, [])
    return {home: caps([*everybody, *published.get(home, ())], home, period, gate_s) for home in homes}


def exceeded(bounds: Caps, import_wh: int, export_wh: int) -> tuple[str, ...]:
    """Which of ``import`` and ``export`` a meter counted beyond the envelope."""
    found = []
    if bounds.import_wh is not None and import_wh > bounds.import_wh:
        found.append("import")
    if bounds.export_wh is not None and export_wh > bounds.export_wh:
        found.append("export")
    return tuple(found)


def _smallest(bounds: Iterable[int]) -> int | None:
    return min(bounds, default=None)
