# SPDX-License-Identifier: Apache-2.0
"""Contracts that differ from run to run, for the determinism guard."""

import datetime
import random
import time

from commonwatt_chaincode.shim import Contract, Stub, transaction


class Unsteady(Contract):
    """Each transaction has one source of nondeterminism; ``steady`` has none."""

    def __init__(self, value: bytes = b"1") -> None:
        self.value = value

    @transaction
    async def steady(self, stub: Stub) -> str:
        before = await stub.get_state("k")
        await stub.put_state("k", (before or b"") + self.value)
        return (before or b"").decode()

    @transaction
    async def clock(self, stub: Stub) -> int:
        return int(time.time()) // 60

    @transaction
    async def date(self, stub: Stub) -> None:
        await stub.put_state("date", datetime.date.today().isoformat().encode())

    @transaction
    async def zone(self, stub: Stub) -> None:
        await stub.put_state("zone", time.strftime("%H", time.localtime(0)).encode())

    @transaction
    async def sets(self, stub: Stub) -> str:
        return ",".join({"alpha", "beta", "gamma", "delta", "epsilon", "zeta"})

    @transaction
    async def chance(self, stub: Stub) -> None:
        stub.set_event("chance", str(random.random()).encode())

    @transaction
    async def printing(self, stub: Stub) -> None:
        print("a chaincode may print")
