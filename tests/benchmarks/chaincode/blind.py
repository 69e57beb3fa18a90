# SPDX-License-Identifier: Apache-2.0
"""A chaincode whose one transaction writes a key without reading it: what a network costs without rules.

Run as a chaincode server by Fabric's environment variables: ``python blind.py``.
"""

import sys

from commonwatt_chaincode.shim import Contract, Stub, evaluate, run_from_environment, transaction


class Blind(Contract):
    """Writes, and one read to see that the server is up."""

    @transaction
    async def put(self, stub: Stub, key: str, value: str) -> None:
        await stub.put_state(key, value.encode())

    @evaluate
    async def get(self, stub: Stub, key: str) -> str | None:
        value = await stub.get_state(key)
        return None if value is None else value.decode()


if __name__ == "__main__":
    sys.exit(run_from_environment(Blind()))
