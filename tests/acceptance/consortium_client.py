"""Run inside a host's network namespace by test_consortium.py: trades at a steady pace, or looks transactions up.

trade NETWORK_FILE ORGANIZATION CHANNEL FIRST_CLOCK STOP_FILE   until the file is there; prints what was committed
find NETWORK_FILE ORGANIZATION CHANNEL < ids                    prints how many of these the own peer has as valid
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any

from commonwatt_client import ClientError, connect_network_file, load_identity, private_key_signer
from commonwatt_client.admin import AdminError, PeerAdmin


async def trade(file: Path, organization: str, channel: str, clock: int, stop: Path) -> dict[str, Any]:
    """Move the market's clock a second at a time, one committed transaction after the other."""
    committed: list[str] = []
    longest_s, last = 0.0, time.monotonic()
    async with connect_network_file(file, organization, "operator") as gateway:
        contract = gateway.get_network(channel).get_contract("market")
        while not stop.exists():  # noqa: ASYNC240  nothing else runs in this loop
            clock += 1
            try:
                outcome = await contract.submit(
                    "advance_clock",
                    arguments=[json.dumps({"at": clock})],
                    endorse_timeout_s=5,
                    submit_timeout_s=5,
                    commit_timeout_s=10,
                )
            except ClientError as error:
                print(f"{time.monotonic() - last:.1f} s after the last: {error}", file=sys.stderr)
                continue
            now = time.monotonic()
            longest_s, last = max(longest_s, now - last), now
            committed.append(outcome.transaction_id)
    return {"committed": committed, "longest_pause_s": round(longest_s, 2)}


async def find(file: Path, organization: str, channel: str, ids: list[str]) -> dict[str, int]:
    """How many of the transactions are valid on the organisation's own peer."""
    described = json.loads(file.read_text())["organizations"][organization]  # noqa: ASYNC240
    peer, admin = described["peers"][0], described["users"]["admin"]
    async with PeerAdmin(
        peer["address"],
        identity=load_identity(described["mspid"], admin["certificate"]),
        signer=private_key_signer(admin["private_key"]),
        tls_ca=Path(peer["tls_ca_cert"]).read_bytes(),  # noqa: ASYNC240
        server_name=peer["tls_server_name"],
    ) as client:
        found = 0
        for transaction_id in ids:
            try:
                found += (await client.get_transaction_by_id(channel, transaction_id)).valid
            except AdminError as error:
                print(error, file=sys.stderr)
        return {"valid": found, "height": (await client.get_chain_info(channel)).height}


def main() -> None:
    verb, file, organization, channel, *rest = sys.argv[1:]
    if verb == "trade":
        answer: Any = asyncio.run(trade(Path(file), organization, channel, int(rest[0]), Path(rest[1])))
    else:
        answer = asyncio.run(find(Path(file), organization, channel, sys.stdin.read().split()))
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
