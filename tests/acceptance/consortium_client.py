# SPDX-License-Identifier: Apache-2.0
"""Run inside a host's network namespace by test_consortium.py: trades at a steady pace, or looks transactions up.

trade NETWORK_FILE ORGANIZATION CHANNEL FIRST_CLOCK JOURNAL STOP   until the file STOP is there
find NETWORK_FILE ORGANIZATION CHANNEL < ids                       prints how many the own peer has as valid
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path

from commonwatt_client import ClientError, Peer, connect_network_file, load_identity, private_key_signer
from commonwatt_client.admin import AdminError, PeerAdmin

PAUSE_S = 0.2  # so that a machine which is all hosts at once has time for what they do beside


async def trade(file: Path, organization: str, channel: str, clock: int, journal: Path, stop: Path) -> None:
    """Move the market's clock, one committed transaction after the other; the journal has `time id` of each."""
    async with connect_network_file(file, organization, "operator") as gateway:
        contract = gateway.get_network(channel).get_contract("market")
        while not stop.exists():  # noqa: ASYNC240  nothing else runs in this loop
            clock += 1
            try:
                outcome = await contract.submit(
                    "advance_clock", arguments=[json.dumps({"at": clock})], endorse_timeout_s=5, retry=True
                )
            except ClientError as error:
                print(error, file=sys.stderr)
                continue
            with journal.open("a") as lines:
                lines.write(f"{time.time()} {outcome.transaction_id}\n")
            await asyncio.sleep(PAUSE_S)


async def find(file: Path, organization: str, channel: str, ids: list[str]) -> int:
    """How many of the transactions are valid on the organisation's own peer."""
    described = json.loads(file.read_text())["organizations"][organization]  # noqa: ASYNC240
    peer, admin = described["peers"][0], described["users"]["admin"]
    async with PeerAdmin(
        Peer(peer["address"], Path(peer["tls_ca_cert"]), tls_server_name=peer["tls_server_name"]),
        identity=load_identity(described["mspid"], admin["certificate"]),
        signer=private_key_signer(admin["private_key"]),
    ) as client:
        found = 0
        for transaction_id in ids:
            try:
                found += (await client.get_transaction_by_id(channel, transaction_id)).valid
            except AdminError as error:
                print(error, file=sys.stderr)
        return found


def main() -> None:
    verb, file, organization, channel, *rest = sys.argv[1:]
    if verb == "trade":
        clock, journal, stop = rest
        asyncio.run(trade(Path(file), organization, channel, int(clock), Path(journal), Path(stop)))
    else:
        print(asyncio.run(find(Path(file), organization, channel, sys.stdin.read().split())))


if __name__ == "__main__":
    main()
