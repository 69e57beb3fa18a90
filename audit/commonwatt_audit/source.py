# SPDX-License-Identifier: Apache-2.0
"""Where the blocks to audit come from: a running network, or files."""

from collections.abc import AsyncIterator
from pathlib import Path

from commonwatt_client import Gateway, connect_network_file
from commonwatt_client.admin import PeerAdmin
from commonwatt_client.exit_codes import UsageError
from commonwatt_client.ledger import Block, decode_block
from commonwatt_client.ledger.delivered import PrivateValues
from commonwatt_client.profile import network_file_peers, network_file_user
from fabric_protos.common import ledger_pb2

_TOO_LATE = "what came before cannot be computed anew; audit a peer, or blocks, from block 0 on"


async def blocks_of_network(
    network_file: Path, channel: str, organization: str, user: str
) -> AsyncIterator[Block]:
    """All blocks that the organisation's peer has now, from the first."""
    async with connect_network_file(network_file, organization, user) as gateway:
        height = await height_of(gateway, channel, organization)
        async with gateway.get_network(channel).block_events(start_block=0) as blocks:
            async for block in blocks:
                yield block
                if block.number + 1 >= height:
                    return


async def shown_blocks_of_network(
    network_file: Path, channel: str, organization: str, user: str
) -> AsyncIterator[tuple[Block, PrivateValues]]:
    """All blocks that the organisation's peer has now, each with the private values that the user may see."""
    async with connect_network_file(network_file, organization, user) as gateway:
        height = await height_of(gateway, channel, organization)
    identity, signer = network_file_user(network_file, organization, user)
    peer = network_file_peers(network_file, organization)[0]
    async with PeerAdmin(peer, identity=identity, signer=signer) as admin:
        async for shown in admin.blocks_with_private_data(channel, 0, height - 1):
            yield shown


async def height_of(gateway: Gateway, channel: str, organization: str) -> int:
    """How many blocks the organisation's peer has. UsageError where it lacks the first ones."""
    contract = gateway.get_network(channel).get_contract("qscc")
    ledger = ledger_pb2.BlockchainInfo.FromString(
        await contract.evaluate_transaction("GetChainInfo", channel)
    )
    if ledger.HasField("bootstrappingSnapshotInfo"):
        last = ledger.bootstrappingSnapshotInfo.lastBlockInSnapshot
        raise UsageError(
            f"the peer of {organization} joined {channel} from a snapshot of block {last}: {_TOO_LATE}"
        )
    return int(ledger.height)


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
