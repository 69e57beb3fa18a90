# SPDX-License-Identifier: Apache-2.0
"""Listens until killed, or done: `listener_process.py NETWORK_FILE FOLDER FIRST_BLOCK LAST_BLOCK LAST_TRANSACTION`.

Each of the four kinds of event stream has a log (one line an event, written before its checkpoint) and a checkpoint
file in FOLDER, after which it goes on.
"""

import asyncio
import sys
from pathlib import Path

from commonwatt_client import FileCheckpointer, Network, connect_network_file

BLOCK_STREAMS = ("block_events", "filtered_block_events", "block_and_private_data_events")


async def listen_to_chaincode(network: Network, folder: Path, first: int, last: str) -> None:
    checkpointer = FileCheckpointer(folder / "chaincode_events.checkpoint")
    with (folder / "chaincode_events.log").open("a") as log:
        if checkpointer.transaction_id == last:
            return
        async with network.chaincode_events("probe", start_block=first, checkpoint=checkpointer) as events:
            async for event in events:
                print(event.transaction_id, file=log, flush=True)
                checkpointer.checkpoint_chaincode_event(event)
                if event.transaction_id == last:
                    return


async def listen_to_blocks(network: Network, folder: Path, kind: str, first: int, last: int) -> None:
    checkpointer = FileCheckpointer(folder / f"{kind}.checkpoint")
    with (folder / f"{kind}.log").open("a") as log:
        if (checkpointer.block_number or 0) > last:
            return
        async with getattr(network, kind)(start_block=first, checkpoint=checkpointer) as blocks:
            async for block in blocks:
                print(block.number, file=log, flush=True)
                checkpointer.checkpoint_block(block.number)
                if block.number == last:
                    return


async def main(file: str, folder: str, first: str, last: str, transaction_id: str) -> None:
    async with connect_network_file(file, "newtown", "operator") as gateway:
        network = gateway.get_network("trials")
        async with asyncio.TaskGroup() as streams:
            streams.create_task(listen_to_chaincode(network, Path(folder), int(first), transaction_id))
            for kind in BLOCK_STREAMS:
                streams.create_task(listen_to_blocks(network, Path(folder), kind, int(first), int(last)))


asyncio.run(main(*sys.argv[1:]))
