# SPDX-License-Identifier: Apache-2.0
"""A contract of your own: neighbours share a charger and book hours of it. Nobody books over another."""

import json
import sys
from dataclasses import asdict, dataclass

from commonwatt_chaincode.shim import (
    Contract,
    Refusal,
    Stub,
    evaluate,
    run_from_environment,
    transaction,
)


@dataclass(frozen=True)
class Booking:
    """What the ledger holds for one hour, a whole hour since 1970."""

    charger: str
    hour: int
    by: str


class Bookings(Contract):
    """One key for each hour of a charger, so two bookings of the same hour never both count."""

    @transaction
    async def book(self, stub: Stub, charger: str, first_hour: int, hours: int) -> list[Booking]:
        """Book hours in a row; all of them, or none."""
        if not 1 <= hours <= 12:
            raise Refusal("bad_hours", f"a booking has 1 to 12 hours, not {hours}")
        wanted = [Booking(charger, first_hour + step, caller_of(stub)) for step in range(hours)]
        for one in wanted:
            if found := await stub.get_state(key_of(stub, one.charger, one.hour)):
                raise Refusal("taken", f"hour {one.hour} of {charger} is {json.loads(found)['by']}'s")
        for one in wanted:
            value = json.dumps(asdict(one), sort_keys=True).encode()
            await stub.put_state(key_of(stub, one.charger, one.hour), value)
        return wanted

    @transaction
    async def give_back(self, stub: Stub, charger: str, hour: int) -> None:
        """Give an hour of the caller's back."""
        found = await stub.get_state(key_of(stub, charger, hour))
        if found is None or json.loads(found)["by"] != caller_of(stub):
            raise Refusal("not_yours", f"you have not booked hour {hour} of {charger}")
        await stub.delete_state(key_of(stub, charger, hour))

    @evaluate
    async def list_bookings(self, stub: Stub, charger: str) -> list[Booking]:
        """All bookings of a charger, by their hours."""
        rows = stub.get_state_by_partial_composite_key("booking", [charger])
        return [Booking(**json.loads(row.value)) async for row in rows]


def key_of(stub: Stub, charger: str, hour: int) -> str:
    """The key of an hour; eight digits, so that keys sort as hours do."""
    return stub.create_composite_key("booking", [charger, f"{hour:08}"])


def caller_of(stub: Stub) -> str:
    """Who calls: the MSP id, and the name that the certificate authority gave."""
    return f"{stub.creator.mspid}/{stub.creator.attribute('hf.EnrollmentID')}"


if __name__ == "__main__":
    sys.exit(run_from_environment(Bookings()))
