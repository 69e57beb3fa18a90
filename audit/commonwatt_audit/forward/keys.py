# SPDX-License-Identifier: Apache-2.0
"""Authors' keys through time: which key a message has to be signed with, and which new version a record may get.

A record is that of the ledger: `versions` with `jwk`, `from_period`, `came_by` and `made_min`, and `proposed`.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from commonwatt_audit.messages import Signer, Statement, Unacceptable, statement
from commonwatt_audit.world import Json

REGISTERED, ROTATED, RECOVERED, REPLACED = "registered", "rotated", "recovered", "replaced"


class Owner(NamedTuple):
    """Whose keys a record holds; an operator's `home` is its community's MSP id."""

    net: str
    channel: str
    home: str
    author: str


def signer_of(jwk: Mapping[str, str]) -> Signer:
    """The key of a JWK. Unacceptable (`bad_key`) for none."""
    return _signer(tuple(sorted(jwk.items())))


@lru_cache(maxsize=65_536)
def _signer(members: tuple[tuple[str, str], ...]) -> Signer:
    return Signer(dict(members))


def judging(versions: list[Json], kid: str, kind: str, period: int, now_min: int) -> Signer:
    """The key of this `kid`, if a message of this kind about a period may be signed with it now.

    A bid: the version in force for its period alone. A reading: that or a later one, but none before a recovered key
    that has come into force.
    """
    named = [place for place, one in enumerate(versions) if signer_of(one["jwk"]).kid == kid]
    if not named:
        raise Unacceptable("unknown_key")
    place = named[-1]
    started = [number for number, one in enumerate(versions) if one["from_period"] <= period]
    if not started:
        raise Unacceptable("key_not_in_force")
    if place != started[-1] and (kind != "reading" or place < started[-1]):
        raise Unacceptable("key_not_in_force")
    for later in versions[place + 1 :]:
        if later["came_by"] == RECOVERED and later["from_period"] <= now_min:
            raise Unacceptable("key_recovered")
    return signer_of(versions[place]["jwk"])


def judging_receipt(versions: list[Json], kid: str, received_at: int) -> Signer:
    """A carrier's key of this `kid`, if it was in force in the minute in which a receipt says it was given."""
    for number, one in enumerate(versions):
        if signer_of(one["jwk"]).kid == kid:
            minute, ends = received_at // 60, [each["from_period"] for each in versions[number + 1 :]][:1]
            if one["from_period"] <= minute <= min(ends, default=minute):
                return signer_of(one["jwk"])
            raise Unacceptable("key_not_in_force")
    raise Unacceptable("unknown_key")


def possession_of(owner: Owner, message: bytes, jwk: Mapping[str, str], version: int) -> Statement:
    """The `cw-key` message by which a key says itself that it is this owner's version (from 1)."""
    return _names(owner, message, signer_of(jwk), jwk, version)


def consent_of(
    owner: Owner, message: bytes, old: Mapping[str, str], jwk: Mapping[str, str], version: int
) -> Statement:
    """The `cw-key` message by which the newest key so far agrees to the one that follows it."""
    return _names(owner, message, signer_of(old), jwk, version)


def _names(owner: Owner, message: bytes, by: Signer, jwk: Mapping[str, str], version: int) -> Statement:
    said = statement(message, by, owner.net, owner.channel, ("cw-key",))
    expected: dict[str, Any] = {"home": owner.home, "author": owner.author, "version": version}
    for member, value in expected.items():
        if said.payload[member] != value:
            raise Unacceptable(f"wrong_{member}")
    if said.payload["key"] != dict(jwk):
        raise Unacceptable("wrong_key")
    return said


def check_new(versions: list[Json], jwk: Mapping[str, str]) -> None:
    """Unacceptable for a key that is none, or that was in force before."""
    kid = signer_of(jwk).kid
    if any(signer_of(one["jwk"]).kid == kid for one in versions):
        raise Unacceptable("key_used")


def check_rotation(record: Json, today_min: int) -> None:
    """Unacceptable while a recovery is proposed, and for a second rotation since the local day began."""
    if record["proposed"] is not None:
        raise Unacceptable("recovery_proposed")
    if any(one["came_by"] == ROTATED and one["made_min"] >= today_min for one in record["versions"]):
        raise Unacceptable("rotated_today")


def version_after(
    versions: list[Json], jwk: Mapping[str, str], came_by: str, from_period: int, now_min: int
) -> Json:
    """The next version as the ledger holds it: never in force before the one that it follows."""
    first = max([from_period, *(one["from_period"] for one in versions[-1:])])
    return {"jwk": dict(jwk), "from_period": first, "came_by": came_by, "made_min": now_min}
