# SPDX-License-Identifier: Apache-2.0
"""A test chaincode whose one transaction runs any list of reads and writes."""

import sys

from commonwatt_chaincode.shim import Contract, Stub, run_from_environment, transaction


class Programs(Contract):
    """Each operation is `put KEY VALUE`, `delete KEY`, `get KEY` or `range START END`; the reads are answered."""

    @transaction
    async def run(self, stub: Stub, operations: list[list[str]]) -> list[str]:
        seen = []
        for name, *arguments in operations:
            if name == "put":
                await stub.put_state(arguments[0], arguments[1].encode())
            elif name == "delete":
                await stub.delete_state(arguments[0])
            elif name == "get":
                seen.append(f"{arguments[0]}={(await stub.get_state(arguments[0]) or b'').decode()}")
            else:
                rows = [row async for row in stub.get_state_by_range(arguments[0], arguments[1])]
                seen.append(" ".join(f"{row.key}={row.value.decode()}" for row in rows))
        return seen


if __name__ == "__main__":
    sys.exit(run_from_environment(Programs()))
