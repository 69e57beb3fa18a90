# SPDX-License-Identifier: Apache-2.0
"""Where the blocks to audit come from: a running network, or files."""

from collections.abc import AsyncIterator
from pathlib import Path

from commonwatt_client import connect_network_file
from commonwatt_client.exit_codes import UsageError
from commonwatt_client.ledger import Block, decode_block
from fabric_protos.common import ledger_pb2

_TOO_LATE = "what came before cannot be computed anew; audit a peer, or blocks, from block 0 on"


async def blocks_of_network(
    network_file: Path, channel: str, organization: str, user: str
) -> AsyncIterator[Block]:
    """All blocks that the organisation's peer has now, from the first."""
    async with connect_network_file(network_file, organization, user) as gateway:
        network = gateway.get_network(channel)
        info = await network.get_contract("qscc").evaluate_transaction("GetChainInfo", channel)
        ledger = ledger_pb2.BlockchainInfo.FromString(info)
        if ledger.HasField("bootstrappingSnapshotInfo"):
            last = ledger.bootstrappingSnapshotInfo.lastBlockInSnapshot
            raise UsageError(
                f"the peer of {organization} joined {channel} from a snapshot of block {last}: {_TOO_LATE}"
            )
        async with network.block_events(start_block=0) as blocks:
            async for block in blocks:
                yield block
                if block.number + 1 >= ledger.height:
                    return


def blocks_of_files(folder: Path) -> list[Block]:
    """The blocks of a folder of files *.block, one serialised block each, by block number.

    Such files come from `peer channel fetch` and from any other export of whole blocks.
    """
    paths = sorted(folder.glob("*.block"))
    if not paths:
        raise UsageError(f"{folder} holds no files *.block; export one block a file, from block 0 on")
    blocks = sorted((decode_block(path.read_bytes()) for path in paths), key=lambda block: block.number)
    if blocks[0].number:
        raise UsageError(f"{folder} begins with block {blocks[0].number}: {_TOO_LATE}")
    return blocks
