# SPDX-License-Identifier: Apache-2.0
"""A carrier as a process of its own, to be killed: messages come line by line, answers go as JSON lines.

`python -m tests.behaviour.carrier_process NETWORK_JSON ORGANIZATION CHANNEL NET CARRIER KEY_FILE`
"""

from __future__ import annotations

import asyncio
import base64
import json
import sys
from pathlib import Path

from commonwatt_chaincode.messages.message import read
from commonwatt_client import GatewayError, RetryPolicy, connect_network_file
from commonwatt_client.network_file import read_network_file
from commonwatt_community.market.carrier import Carrier, Limits
from commonwatt_community.market.forward import ForwardMarket, market_of
from commonwatt_community.market.receipts import Service
from commonwatt_community.market.refused import Refused
from commonwatt_community.messages.signing_key import load_key

LIMITS = Limits(most_messages=8, longest_wait_s=0.02, patience_s=20.0)


def tell(**said: str) -> None:
    print(json.dumps(said), flush=True)


async def answer(market: ForwardMarket, carrier: Carrier, compact: bytes) -> None:
    """An admission receipt, what became of the message, and a commit receipt."""
    message = read(compact)
    admitted = await carrier.admit(compact)
    if admitted.receipt is None:
        tell(digest=message.digest, result=admitted.result)
        return
    tell(digest=message.digest, receipt=admitted.receipt.decode())
    try:
        carried = await carrier.carry(compact)
        if carried.written:
            proof = await market.endorsed_status(
                str(message.kind), message.period, message.home, message.seq, message.digest
            )
            tell(digest=message.digest, proof=base64.b64encode(proof).decode())
        tell(digest=message.digest, result=carried.result)
    except (GatewayError, Refused) as error:
        tell(digest=message.digest, result=type(error).__name__)


async def serve(network: Path, organization: str, channel: str, net: str, name: str, key: Path) -> None:
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    async with (
        connect_network_file(network, organization, "carrier", retry=RetryPolicy()) as gateway,
        asyncio.TaskGroup() as answers,
    ):
        market = market_of(gateway, read_network_file(network), channel)
        async with Carrier(market, LIMITS, Service(load_key(key), net, channel, name)) as carrier:
            while line := await reader.readline():
                answers.create_task(answer(market, carrier, line.strip()))


if __name__ == "__main__":
    where, whose, on, network_id, service, key_file = sys.argv[1:]
    asyncio.run(serve(Path(where), whose, on, network_id, service, Path(key_file)))
