# SPDX-License-Identifier: Apache-2.0
# Written by `make sync` from commonwatt_client/admin/peer.py: change that file.
"""What `commonwatt_client.admin.peer` does, without `await`."""

from collections.abc import Iterator
from typing import Self

from commonwatt_client._connection import Peer
from commonwatt_client.admin import peer as original
from commonwatt_client.admin.definition import (
    ApprovedDefinition,
    ChaincodeDefinition,
    CommitReadiness,
    CommittedDefinition,
    InstalledChaincode,
)
from commonwatt_client.admin.discovery import DiscoveredConfig, DiscoveredPeer, Endorsers
from commonwatt_client.admin.package import ChaincodePackage
from commonwatt_client.admin.participation import Position
from commonwatt_client.admin.peer import ChainInfo
from commonwatt_client.identity import Identity
from commonwatt_client.ledger.block import Block
from commonwatt_client.ledger.configuration import ChannelConfig
from commonwatt_client.ledger.delivered import PrivateValues
from commonwatt_client.ledger.transaction import BlockTransaction
from commonwatt_client.signers import Signer
from commonwatt_client.sync._background import iterate, made, run
from commonwatt_client.timeouts import Timeouts


class PeerAdmin:
    """One peer, asked as one identity (its organisation's admin, for anything that changes the peer).

    timeouts: of queries (`evaluate_s`), and of what goes through the chaincode lifecycle; a minute each where None.

    ::

        folder = Path(".commonwatt/organizations/newtown")
        admin = load_identity("NewtownMSP", folder / "users/admin/certificate.pem")
        key = private_key_signer(folder / "users/admin/private_key.pem")
        where = Peer(peer_address, folder / "tlsca/ca.crt", tls_server_name="peer0.newtown")
        with PeerAdmin(where, identity=admin, signer=key) as peer:
            print(peer.get_chain_info("newtown").height)
    """

    def __init__(
        self, peer: Peer, *, identity: Identity, signer: Signer, timeouts: Timeouts | None = None
    ) -> None:
        self._original = made(
            lambda: original.PeerAdmin(peer, identity=identity, signer=signer, timeouts=timeouts)
        )
        self.address = self._original.address

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        run(self._original.close())

    def join_channel(self, genesis_block: bytes) -> str:
        """Join the channel of a genesis block; returns its name. Raises ChannelExistsError when joined already."""
        return run(self._original.join_channel(genesis_block))

    def join_channel_by_snapshot(self, directory: str) -> None:
        """Join a channel from a snapshot's folder, as the peer's own host names it; see
        `join_by_snapshot_status`.
        """
        run(self._original.join_channel_by_snapshot(directory))

    def join_by_snapshot_status(self) -> str:
        """The snapshot folder that the peer is joining from; empty when it is not."""
        return run(self._original.join_by_snapshot_status())

    def list_channels(self) -> tuple[str, ...]:
        """The names of the channels the peer has joined, sorted."""
        return run(self._original.list_channels())

    def fetch_config_block(self, channel: str) -> Block:
        """The block that holds the channel configuration in force, as this peer has it."""
        return run(self._original.fetch_config_block(channel))

    def get_chain_info(self, channel: str) -> ChainInfo:
        """The peer's height on a channel, with the hashes of its newest block and the one before."""
        return run(self._original.get_chain_info(channel))

    def get_block_by_number(self, channel: str, number: int) -> Block:
        """A block by its number. Raises NotFoundError."""
        return run(self._original.get_block_by_number(channel, number))

    def get_block_by_hash(self, channel: str, header_hash: bytes) -> Block:
        """A block by the hash of its header. Raises NotFoundError."""
        return run(self._original.get_block_by_hash(channel, header_hash))

    def get_block_by_transaction_id(self, channel: str, transaction_id: str) -> Block:
        """The block that holds a transaction. Raises NotFoundError."""
        return run(self._original.get_block_by_transaction_id(channel, transaction_id))

    def get_transaction_by_id(self, channel: str, transaction_id: str) -> BlockTransaction:
        """A transaction with the peer's verdict on it. Raises NotFoundError."""
        return run(self._original.get_transaction_by_id(channel, transaction_id))

    def blocks(self, channel: str, start: Position = 0, stop: Position | None = None) -> Iterator[Block]:
        """The channel's blocks from `start` to `stop`, both included; without `stop`, as they come, for ever."""
        return iterate(lambda: self._original.blocks(channel, start, stop))

    def blocks_with_private_data(
        self, channel: str, start: Position = 0, stop: Position | None = None
    ) -> Iterator[tuple[Block, PrivateValues]]:
        """As `blocks`, each with the private values that this peer holds and the caller's organisation may see.

        Values of transactions that turned out invalid are among them; the block's validation codes tell which.
        """
        return iterate(lambda: self._original.blocks_with_private_data(channel, start, stop))

    def fetch_config(self, channel: str) -> ChannelConfig:
        """The channel configuration in force, as this peer has it."""
        return run(self._original.fetch_config(channel))

    def submit_snapshot_request(self, channel: str, block_number: int = 0) -> None:
        """Ask for a snapshot of the ledger as of a block to come, or as of now (0).

        The peer writes it below its snapshots folder, under ``completed/CHANNEL/BLOCK``.
        """
        run(self._original.submit_snapshot_request(channel, block_number))

    def cancel_snapshot_request(self, channel: str, block_number: int) -> None:
        """Take back a pending request. Raises NotFoundError when there is none for this block."""
        run(self._original.cancel_snapshot_request(channel, block_number))

    def list_pending_snapshots(self, channel: str) -> tuple[int, ...]:
        """The block numbers of pending snapshot requests, ascending."""
        return run(self._original.list_pending_snapshots(channel))

    def discover_peers(self, channel: str) -> tuple[DiscoveredPeer, ...]:
        """The peers of a channel that this one knows, itself included."""
        return run(self._original.discover_peers(channel))

    def discover_config(self, channel: str) -> DiscoveredConfig:
        """A channel's organisations and orderers."""
        return run(self._original.discover_config(channel))

    def discover_endorsers(
        self, channel: str, chaincode: str, collections: tuple[str, ...] = ()
    ) -> Endorsers:
        """The peers that can endorse for a chaincode. Raises NotReadyError while too few peers are known."""
        return run(self._original.discover_endorsers(channel, chaincode, collections))

    def install_chaincode(self, package: ChaincodePackage | bytes) -> InstalledChaincode:
        """Install a chaincode package; one that is installed already is left as it is."""
        return run(self._original.install_chaincode(package))

    def query_installed_chaincodes(self) -> tuple[InstalledChaincode, ...]:
        """The packages installed on this peer and which channels' chaincodes they serve."""
        return run(self._original.query_installed_chaincodes())

    def get_installed_chaincode_package(self, package_id: str) -> ChaincodePackage:
        """The bytes of an installed package. Raises NotFoundError."""
        return run(self._original.get_installed_chaincode_package(package_id))

    def approve_chaincode_definition(
        self, channel: str, definition: ChaincodeDefinition, package_id: str, *, patience_s: float = 30.0
    ) -> str:
        """Approve a definition for the identity's organisation; the transaction's id, once it is committed.

        package_id: the package that this organisation's peers run; empty when they run none. patience_s: how
        long to go on asking while the network is not ready (NotReadyError). Raises AlreadyDoneError when
        exactly this is approved already.
        """
        return run(
            self._original.approve_chaincode_definition(
                channel, definition, package_id, patience_s=patience_s
            )
        )

    def check_commit_readiness(self, channel: str, definition: ChaincodeDefinition) -> CommitReadiness:
        """Which organisations of the channel have approved exactly this definition."""
        return run(self._original.check_commit_readiness(channel, definition))

    def commit_chaincode_definition(
        self,
        channel: str,
        definition: ChaincodeDefinition,
        *,
        endorsers: tuple[str, ...] = (),
        patience_s: float = 30.0,
    ) -> str:
        """Put a definition into force; the transaction's id, once it is committed.

        The channel's LifecycleEndorsement policy says how many organisations must have approved it;
        RefusedError tells who has not. endorsers: the MSP ids of those whose peers endorse the commit, which must
        have approved; the peer chooses where none is named. patience_s: how long to go on asking while the network
        is not ready (NotReadyError).
        """
        return run(
            self._original.commit_chaincode_definition(
                channel, definition, endorsers=endorsers, patience_s=patience_s
            )
        )

    def query_approved_chaincode_definition(
        self, channel: str, name: str, sequence: int | None = None
    ) -> ApprovedDefinition:
        """The definition that the peer's organisation approved, by default the last one. Raises NotFoundError."""
        return run(self._original.query_approved_chaincode_definition(channel, name, sequence))

    def query_committed_chaincode_definition(self, channel: str, name: str) -> CommittedDefinition:
        """The definition in force under a name. Raises NotFoundError."""
        return run(self._original.query_committed_chaincode_definition(channel, name))

    def query_committed_chaincode_definitions(self, channel: str) -> tuple[CommittedDefinition, ...]:
        """Every definition in force on a channel."""
        return run(self._original.query_committed_chaincode_definitions(channel))
