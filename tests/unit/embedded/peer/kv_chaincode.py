"""A small chaincode for the embedded peer's own tests; run as a chaincode server."""

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
    async def stamp(self, stub: Stub) -> None:
        """Not deterministic: writes the server's own clock."""
        await stub.put_state("stamp", str(time.time_ns()).encode())


if __name__ == "__main__":
    sys.exit(run_from_environment(KeyValue()))
