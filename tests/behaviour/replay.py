# SPDX-License-Identifier: Apache-2.0
"""A running network's blocks once more: an embedded peer must come to what the network's peers came to."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from commonwatt_client.admin import Block, decode_block
from commonwatt_network.embedded.channels.transactions import BlockParser
from commonwatt_network.embedded.ledger import Ledger
from commonwatt_network.embedded.peer.channel import PeerChannel
from commonwatt_network.embedded.peer.ledger_snapshot import load_snapshot
from commonwatt_network.embedded.trust.signing import SignatureChecks, SigningIdentity
from commonwatt_network.model.nodes import Nodes
from fabric_protos.common import common_pb2


class Replay:
    """A channel's ledger of an embedded peer that gets all blocks from the first on, and no private data."""

    def __init__(self, directory: Path, nodes: Nodes, channel: str, snapshot: Path | None = None) -> None:
        """Begins with no blocks, or with a snapshot's folder."""
        path = directory / "ledger.sqlite"
        if snapshot is not None:
            with closing(Ledger(path)) as ledger:
                load_snapshot(snapshot, ledger)
        peer = nodes.peers_of(channel)[0]
        self.channel = PeerChannel(
            channel,
            path,
            SigningIdentity.from_directory(peer.directory / "msp", peer.mspid),
            SignatureChecks(),
            BlockParser(),
            lambda *_: (),
        )

    def check(self, block: Block) -> None:
        """Validate and commit; codes and commit hash, and so all that was written, are the network's peer's."""
        received = common_pb2.Block.FromString(block.serialized)
        if block.number:
            self.channel.commit(received)
        else:
            self.channel.start_with(received)
        kept = self.channel.ledger.block_bytes(block.number)
        assert kept is not None
        ours = decode_block(kept)
        assert ours.validations == (block.validations or ours.validations), f"block {block.number}"
        assert ours.commit_hash == block.commit_hash, f"block {block.number}"
        assert bool(ours.commit_hash) == bool(block.number)

    def close(self) -> None:
        self.channel.close()
