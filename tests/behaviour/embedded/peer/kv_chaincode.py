# SPDX-License-Identifier: Apache-2.0
"""A small chaincode for the embedded peer's own tests; run as a chaincode server."""

import datetime
import sys
import time

from commonwatt_chaincode.shim import Contract, Stub, evaluate, run_from_environment, transaction


class KeyValue(Contract):
    @transaction
    async def put(self, stub: Stub, key: str, value: str) -> None:
        await stub.put_state(key, value.encode())

    @evaluate
    async def get(self, stub: Stub, key: str) -> str:
        return (await stub.get_state(key) or b"").decode()

    @transaction
    async def announce(self, stub: Stub, name: str) -> None:
        await stub.put_state("announced", name.encode())
        stub.set_event(name, b"")

    @transaction
    async def scatter(self, stub: Stub) -> None:
        """Not deterministic: iterates over a set, whose order is the process's own."""
        names = {"roof", "battery", "meter", "car", "pump", "feeder"}
        await stub.put_state("order", " ".join(names).encode())

    @transaction
    async def today(self, stub: Stub) -> str:
        """Not deterministic, but the same all day long."""
        return datetime.date.today().isoformat()

    @transaction
    async def stamp(self, stub: Stub) -> None:
        """Not deterministic: writes the server's own clock."""
        await stub.put_state("stamp", str(int(time.time())).encode())


if __name__ == "__main__":
    sys.exit(run_from_environment(KeyValue()))
