# SPDX-License-Identifier: Apache-2.0
"""The plan of a version that is settled in several parts, computed a second time, and read where it stands."""

import hashlib
from typing import Any

from commonwatt_audit.world import Json, Recorded

from . import readings
from .frozen import Frozen, first_nonce, metered, nonce_of
from .ledger import UNKNOWN, Ledger, Outcome, encoded, hash_in
from .order import Division
from .salts import joined, salt
from .settlement import Sharing, sharing_of


def place_of_plan(period: int, version: int) -> str:
    """Where a plan stands, in public and in private."""
    return f"plan/{period:09d}/{version:04d}"


def sharing_of_all(frozen: Frozen) -> Sharing:
    """The sharing among all homes of a period; a home without a reading takes no part in it."""
    return sharing_of([metered(frozen, home, 0) for home in frozen.connections], frozen.terms.sharing)


def planned(
    ledger: Ledger, recorded: Recorded, frozen: Frozen, parts: list[list[str]], sharing: Sharing
) -> Outcome:
    """The plan that the first transaction of a version writes."""
    number, version = frozen.period.start_min, frozen.version
    secrets = [first_nonce(ledger, parts[0][0])]
    for home in sorted(frozen.connections):
        reading = readings.counting(frozen.readings.get(home, []), frozen.last_shared)
        if reading is not None:
            secrets.append(nonce_of(ledger, number, reading))
    taken, given = (_stored(one) for one in (sharing.taken, sharing.given))
    private = {
        "period": number,
        "version": version,
        "sharing": {**sharing._asdict(), "taken": taken, "given": given},
        "salt": salt(joined(secrets), "plan", number),
    }
    digest = hashlib.sha256(encoded(private)).hexdigest()
    place = place_of_plan(number, version)
    return Outcome({place: _record(recorded, number, version, parts, digest)}, {place: private})


def unseen_plan(recorded: Recorded, number: int, version: int, parts: list[list[str]]) -> Outcome:
    """What holds of a plan for any readings."""
    place = place_of_plan(number, version)
    record = _record(recorded, number, version, parts, hash_in(recorded, place))
    return Outcome({place: record}, {place: UNKNOWN})


def standing_plan(ledger: Ledger, number: int, version: int) -> Sharing:
    """The sharing by which further parts are settled. Unseen where it was not shown."""
    found = ledger.private_record(place_of_plan(number, version))["sharing"]
    return Sharing(
        **{**found, "taken": _division(found["taken"]), "given": _division(found["given"])},
    )


def _record(recorded: Recorded, number: int, version: int, parts: list[list[str]], digest: str) -> Json:
    return {
        "period": number,
        "version": version,
        "first_homes": [homes[0] for homes in parts],
        "digest": digest,
        "transaction": recorded.transaction_id,
    }


def _stored(division: Division) -> Json:
    """The last one's place in the draw is stored as a number."""
    last = division.last
    return {
        "energy_wh": division.energy_wh,
        "weights_wh": division.whole_wh,
        "last": None if last is None else [int(last[0], 16), last[1]],
    }


def _division(found: Any) -> Division:
    last = found["last"]
    return Division(
        found["energy_wh"], found["weights_wh"], None if last is None else (f"{last[0]:012x}", last[1])
    )
