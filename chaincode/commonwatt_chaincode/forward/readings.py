# SPDX-License-Identifier: Apache-2.0
"""Readings as they stand on the ledger: of each author the messages that can count, and no others."""

from collections.abc import Iterable

from ..market.forward.periods import Period
from ..market.forward.readings import HOME, Reading
from ..shim import Stub
from . import keys
from .state import Indexed, Place, messages_at, place_of, rows


def reading_of(said: Indexed) -> Reading:
    """A reading as settlement takes it, of a message and its place."""
    payload = said.message.payload
    return Reading(
        said.place.home,
        said.place.author,
        payload["quality"],
        said.place.seq,
        said.place.version or 0,
        payload["import_wh"],
        payload["export_wh"],
        payload.get("import_total_wh"),
        payload.get("export_total_wh"),
    )


async def standing_readings(
    stub: Stub, period: Period, homes: Iterable[str], version: int, final_version: int | None
) -> list[Indexed]:
    """The readings of some homes, of versions up to one, that can count; readings that their author replaced are not
    read.

    The index is read from the first of the homes to the last, so that a part of a settlement reads its own slice.
    """
    wanted = set(homes)
    prefixes = sorted(f"{home}/" for home in wanted)
    digests: dict[Place, str] = {}
    for one in range(1, version + 1) if wanted else ():
        prefix = keys.index_prefix("reading", period.id, one)
        for row in await rows(stub, prefix + prefixes[0], keys.range_of(prefix + prefixes[-1])[1]):
            place = place_of(row.key)
            if place is not None and place.home in wanted:
                digests[place] = row.value.decode()
    return await messages_at(stub, {place: digests[place] for place in _standing(digests, final_version)})


def _standing(places: Iterable[Place], final_version: int | None) -> list[Place]:
    """Of each author the places that ``market.forward.readings.counting`` can choose, before the end and by now."""
    found: dict[tuple[str, str, bool], Place] = {}

    def rank(place: Place) -> tuple[int, int]:
        version = place.version or 0
        return (-version, place.seq) if place.author == HOME else (place.seq, version)

    for place in places:
        late = final_version is not None and (place.version or 0) > final_version
        for ended in {late, True}:
            known = found.get((place.home, place.author, ended))
            if known is None or rank(place) > rank(known):
                found[place.home, place.author, ended] = place
    return sorted(set(found.values()))
