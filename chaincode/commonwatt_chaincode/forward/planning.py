# SPDX-License-Identifier: Apache-2.0
"""The plan of a version that is settled in several parts: who stands in which part, and how all of them share.

The first transaction of a version reads what all homes said and writes the plan; after that each part reads its own
homes alone. A version of one part needs no plan.
"""

from collections.abc import Iterable, Mapping, Sequence

from ..market.forward.bids import Connection
from ..market.forward.period_settlement import FrozenPeriod
from ..market.forward.periods import Period
from ..market.forward.sharing import SharingPlan
from ..messages.message import read
from ..shim import Stub
from . import keys
from .kept import checked, digest_of
from .records import Plan, StoredPlan, decode, encode
from .refusals import Code, refuse
from .registry import Parts
from .salts import salt, salt_of_all
from .state import Indexed, private, registration, rows

PLAN = "plan"
"""The kind in a plan's salt."""


async def put_plan(
    stub: Stub, frozen: FrozenPeriod, parts: Parts, said: Iterable[Indexed], sharing: SharingPlan
) -> None:
    """Write the plan of a version. It is salted by the first home's first key and the readings that it rests on."""
    period, version = frozen.period, frozen.version
    nonces = nonces_of(said)
    shared = [frozen.shared_by(home) for part in parts for home in part]
    first = parts[0][0]
    secrets = [(await first_nonces(stub, [first]))[first]]
    secrets += [nonces[one.version, one.home, one.author, one.seq] for one in shared if one is not None]
    stored = StoredPlan(period.id, version, sharing, salt(salt_of_all(secrets), PLAN, period.id))
    value, name = encode(stored), keys.plan_key(period.id, version)
    first_homes = tuple(part[0] for part in parts)
    record = Plan(period.id, version, first_homes, digest_of(value), stub.transaction_id)
    await stub.put_private_data(keys.COLLECTION, name, value)
    await stub.put_state(name, encode(record))


async def sharing_of(stub: Stub, plan: Plan) -> SharingPlan:
    """The sharing that a plan holds; ``data_not_here`` unless it is there, and is the one of the digest."""
    name = keys.plan_key(plan.period, plan.version)
    (value,) = await private(stub, [name])
    return decode(StoredPlan, checked(value, plan.digest, name)).sharing


async def connections_of(stub: Stub, plan: Plan, part: int, period: Period) -> dict[str, Connection]:
    """The connections of a part's homes, in their order."""
    start = keys.registration_key(plan.first_homes[part])
    end = keys.HOMES[1]
    if part + 1 < len(plan.first_homes):
        end = keys.registration_key(plan.first_homes[part + 1])
    homes = [registration(row.value) for row in await rows(stub, start, end)]
    found = {home.home: home.connection_at(period.id) for home in homes}
    return {home: connection for home, connection in found.items() if connection is not None}


def nonces_of(said: Iterable[Indexed]) -> Mapping[tuple[object, ...], str]:
    """The nonces of readings by version, home, author and seq."""
    return {one.place[2:]: str(one.message.payload["nonce"]) for one in said}


async def first_nonces(stub: Stub, homes: Sequence[str]) -> dict[str, str]:
    """The nonce of each home's first ``cw-key`` message: it salts what rests on no message of the home."""
    names = [keys.possession_key("home", home, 1) for home in homes]
    found = {}
    for home, name, value in zip(homes, names, await private(stub, names), strict=True):
        if value is None:
            raise refuse(Code.DATA_NOT_HERE, f"retry: this peer does not hold the private value of {name}")
        found[home] = str(read(value).payload["nonce"])
    return found
