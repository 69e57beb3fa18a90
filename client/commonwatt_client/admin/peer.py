# SPDX-License-Identifier: Apache-2.0
"""One peer, administered through its own gRPC services: channels, ledgers and the chaincode lifecycle."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self, TypeVar

from fabric_protos.common import ledger_pb2
from fabric_protos.peer import query_pb2
from fabric_protos.peer.lifecycle import lifecycle_pb2

from commonwatt_client._connection import Peer
from commonwatt_client.admin import definition as definitions
from commonwatt_client.admin import discovery
from commonwatt_client.admin.definition import (
    ApprovedDefinition,
    ChaincodeDefinition,
    CommitReadiness,
    CommittedDefinition,
    InstalledChaincode,
)
from commonwatt_client.admin.discovery import DiscoveredConfig, DiscoveredPeer, Endorsers
from commonwatt_client.admin.package import ChaincodePackage, read_package
from commonwatt_client.admin.participation import Position
from commonwatt_client.admin.peer_connection import PeerConnection
from commonwatt_client.admin.signing import Signatory
from commonwatt_client.admin.snapshots import snapshot_query, snapshot_request
from commonwatt_client.admin.transport import read_answer
from commonwatt_client.errors import AlreadyDoneError, InvalidInputError
from commonwatt_client.identity import Identity
from commonwatt_client.ledger.block import Block, decode_block, read_config_block
from commonwatt_client.ledger.configuration import ChannelConfig, read_channel_config
from commonwatt_client.ledger.delivered import PrivateValues
from commonwatt_client.ledger.transaction import BlockTransaction, decode_processed_transaction
from commonwatt_client.ledger.wire import parse, serialize
from commonwatt_client.signers import Signer
from commonwatt_client.timeouts import Timeouts

T = TypeVar("T")

_A_MINUTE_EACH = Timeouts(evaluate_s=60.0, endorse_s=60.0, submit_s=60.0, commit_status_s=60.0)


@dataclass(frozen=True)
class ChainInfo:
    """A peer's ledger of a channel. height: the number of blocks, so one more than the newest block's number.

    ::

        info = await peer.get_chain_info("newtown")
        print(info.height, info.current_block_hash.hex())
    """

    height: int
    current_block_hash: bytes
    previous_block_hash: bytes


class PeerAdmin:
    """One peer, asked as one identity (its organisation's admin, for anything that changes the peer).

    timeouts: of queries (`evaluate_s`), and of what goes through the chaincode lifecycle; a minute each where None.

    ::

        folder = Path(".commonwatt/organizations/newtown")
        admin = load_identity("NewtownMSP", folder / "users/admin/certificate.pem")
        key = private_key_signer(folder / "users/admin/private_key.pem")
        where = Peer(peer_address, folder / "tlsca/ca.crt", tls_server_name="peer0.newtown")
        async with PeerAdmin(where, identity=admin, signer=key) as peer:
            print((await peer.get_chain_info("newtown")).height)
    """

    def __init__(
        self, peer: Peer, *, identity: Identity, signer: Signer, timeouts: Timeouts | None = None
    ) -> None:
        self.address = peer.address
        self._signatory = Signatory(identity, signer)
        self._peer = PeerConnection(peer, self._signatory, timeouts or _A_MINUTE_EACH)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connection."""
        await self._peer.close()

    # Channels

    async def join_channel(self, genesis_block: bytes) -> str:
        """Join the channel of a genesis block; returns its name. Raises ChannelExistsError when joined already."""
        block = read_config_block(genesis_block)
        if block.number != 0:
            raise InvalidInputError(
                f"a peer joins with block 0, this is block {block.number}",
                advice="fetch block 0, or join by a snapshot",
            )
        channel = block.channel_id
        await self._peer.invoke("", "cscc", "JoinChain", genesis_block)
        return channel

    async def join_channel_by_snapshot(self, directory: str) -> None:
        """Join a channel from a snapshot's folder, as the peer's own host names it; see
        `join_by_snapshot_status`.
        """
        await self._peer.invoke("", "cscc", "JoinChainBySnapshot", directory.encode())

    async def join_by_snapshot_status(self) -> str:
        """The snapshot folder that the peer is joining from; empty when it is not."""
        answer = await self._peer.invoke("", "cscc", "JoinBySnapshotStatus")
        status = self._read(query_pb2.JoinBySnapshotStatus, answer)
        return str(status.bootstrapping_snapshot_dir) if status.in_progress else ""

    async def list_channels(self) -> tuple[str, ...]:
        """The names of the channels the peer has joined, sorted."""
        answer = await self._peer.invoke("", "cscc", "GetChannels")
        return tuple(
            sorted(each.channel_id for each in self._read(query_pb2.ChannelQueryResponse, answer).channels)
        )

    async def fetch_config_block(self, channel: str) -> Block:
        """The block that holds the channel configuration in force, as this peer has it."""
        return self._decoded(
            decode_block, await self._peer.invoke("", "cscc", "GetConfigBlock", channel.encode())
        )

    # Ledger

    async def get_chain_info(self, channel: str) -> ChainInfo:
        """The peer's height on a channel, with the hashes of its newest block and the one before."""
        info = self._read(ledger_pb2.BlockchainInfo, await self._query(channel, "GetChainInfo"))
        return ChainInfo(info.height, info.currentBlockHash, info.previousBlockHash)

    async def get_block_by_number(self, channel: str, number: int) -> Block:
        """A block by its number. Raises NotFoundError."""
        if not 0 <= number < 2**64:
            raise InvalidInputError(f"{number} is not a block number")
        return self._decoded(
            decode_block, await self._query(channel, "GetBlockByNumber", str(number).encode())
        )

    async def get_block_by_hash(self, channel: str, header_hash: bytes) -> Block:
        """A block by the hash of its header. Raises NotFoundError."""
        return self._decoded(decode_block, await self._query(channel, "GetBlockByHash", header_hash))

    async def get_block_by_transaction_id(self, channel: str, transaction_id: str) -> Block:
        """The block that holds a transaction. Raises NotFoundError."""
        return self._decoded(
            decode_block, await self._query(channel, "GetBlockByTxID", transaction_id.encode())
        )

    async def get_transaction_by_id(self, channel: str, transaction_id: str) -> BlockTransaction:
        """A transaction with the peer's verdict on it. Raises NotFoundError."""
        answer = await self._query(channel, "GetTransactionByID", transaction_id.encode())
        return self._decoded(decode_processed_transaction, answer)

    def blocks(self, channel: str, start: Position = 0, stop: Position | None = None) -> AsyncIterator[Block]:
        """The channel's blocks from `start` to `stop`, both included; without `stop`, as they come, for ever."""
        return self._peer.blocks(channel, start, stop)

    def blocks_with_private_data(
        self, channel: str, start: Position = 0, stop: Position | None = None
    ) -> AsyncIterator[tuple[Block, PrivateValues]]:
        """As `blocks`, each with the private values that this peer holds and the caller's organisation may see.

        Values of transactions that turned out invalid are among them; the block's validation codes tell which.
        """
        return self._peer.blocks_with_private_data(channel, start, stop)

    async def fetch_config(self, channel: str) -> ChannelConfig:
        """The channel configuration in force, as this peer has it."""
        return read_channel_config(await self.fetch_config_block(channel))

    # Snapshots

    async def submit_snapshot_request(self, channel: str, block_number: int = 0) -> None:
        """Ask for a snapshot of the ledger as of a block to come, or as of now (0).

        The peer writes it below its snapshots folder, under ``completed/CHANNEL/BLOCK``.
        """
        request = await snapshot_request(self._signatory, channel, block_number)
        await self._peer.call("request a snapshot", self._peer.snapshots.Generate, request)

    async def cancel_snapshot_request(self, channel: str, block_number: int) -> None:
        """Take back a pending request. Raises NotFoundError when there is none for this block."""
        request = await snapshot_request(self._signatory, channel, block_number)
        await self._peer.call("cancel a snapshot", self._peer.snapshots.Cancel, request)

    async def list_pending_snapshots(self, channel: str) -> tuple[int, ...]:
        """The block numbers of pending snapshot requests, ascending."""
        request = await snapshot_query(self._signatory, channel)
        answer = await self._peer.call("list pending snapshots", self._peer.snapshots.QueryPendings, request)
        return tuple(sorted(answer.block_numbers))

    # Discovery

    async def discover_peers(self, channel: str) -> tuple[DiscoveredPeer, ...]:
        """The peers of a channel that this one knows, itself included."""
        return discovery.read_peers(await self._peer.discover(discovery.peers_query(channel), "members"))

    async def discover_config(self, channel: str) -> DiscoveredConfig:
        """A channel's organisations and orderers."""
        return discovery.read_config(
            await self._peer.discover(discovery.config_query(channel), "config_result")
        )

    async def discover_endorsers(
        self, channel: str, chaincode: str, collections: tuple[str, ...] = ()
    ) -> Endorsers:
        """The peers that can endorse for a chaincode. Raises NotReadyError while too few peers are known."""
        query = discovery.endorsers_query(channel, chaincode, collections)
        return discovery.read_endorsers(await self._peer.discover(query, "cc_query_res"))

    # Chaincode lifecycle

    async def install_chaincode(self, package: ChaincodePackage | bytes) -> InstalledChaincode:
        """Install a chaincode package; one that is installed already is left as it is."""
        wanted = package if isinstance(package, ChaincodePackage) else read_package(package)[0]
        arguments = lifecycle_pb2.InstallChaincodeArgs(chaincode_install_package=wanted.content)
        try:
            answer = await self._lifecycle("", "InstallChaincode", serialize(arguments))
        except AlreadyDoneError:
            return InstalledChaincode(wanted.package_id, wanted.label)
        result = self._read(lifecycle_pb2.InstallChaincodeResult, answer)
        return InstalledChaincode(result.package_id, result.label)

    async def query_installed_chaincodes(self) -> tuple[InstalledChaincode, ...]:
        """The packages installed on this peer and which channels' chaincodes they serve."""
        arguments = lifecycle_pb2.QueryInstalledChaincodesArgs()
        return self._decoded(
            definitions.read_installed,
            await self._lifecycle("", "QueryInstalledChaincodes", serialize(arguments)),
        )

    async def get_installed_chaincode_package(self, package_id: str) -> ChaincodePackage:
        """The bytes of an installed package. Raises NotFoundError."""
        arguments = lifecycle_pb2.GetInstalledChaincodePackageArgs(package_id=package_id)
        answer = await self._lifecycle("", "GetInstalledChaincodePackage", serialize(arguments))
        content = self._read(
            lifecycle_pb2.GetInstalledChaincodePackageResult, answer
        ).chaincode_install_package
        return read_package(content)[0]

    async def approve_chaincode_definition(
        self, channel: str, definition: ChaincodeDefinition, package_id: str, *, patience_s: float = 30.0
    ) -> str:
        """Approve a definition for the identity's organisation; the transaction's id, once it is committed.

        package_id: the package that this organisation's peers run; empty when they run none. patience_s: how
        long to go on asking while the network is not ready (NotReadyError). Raises AlreadyDoneError when
        exactly this is approved already.
        """
        arguments = definitions.approve_arguments(definition, package_id)
        own = (self._signatory.identity.mspid,)
        return await self._peer.submit_lifecycle(
            channel, "ApproveChaincodeDefinitionForMyOrg", arguments, own, patience_s
        )

    async def check_commit_readiness(self, channel: str, definition: ChaincodeDefinition) -> CommitReadiness:
        """Which organisations of the channel have approved exactly this definition."""
        arguments = definitions.readiness_arguments(definition)
        return self._decoded(
            definitions.read_readiness, await self._lifecycle(channel, "CheckCommitReadiness", arguments)
        )

    async def commit_chaincode_definition(
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
        arguments = definitions.commit_arguments(definition)
        return await self._peer.submit_lifecycle(
            channel, "CommitChaincodeDefinition", arguments, endorsers, patience_s
        )

    async def query_approved_chaincode_definition(
        self, channel: str, name: str, sequence: int | None = None
    ) -> ApprovedDefinition:
        """The definition that the peer's organisation approved, by default the last one. Raises NotFoundError."""
        arguments = lifecycle_pb2.QueryApprovedChaincodeDefinitionArgs(name=name, sequence=sequence or 0)
        answer = await self._lifecycle(channel, "QueryApprovedChaincodeDefinition", serialize(arguments))
        return self._decoded(lambda found: definitions.read_approved(name, found), answer)

    async def query_committed_chaincode_definition(self, channel: str, name: str) -> CommittedDefinition:
        """The definition in force under a name. Raises NotFoundError."""
        arguments = lifecycle_pb2.QueryChaincodeDefinitionArgs(name=name)
        answer = await self._lifecycle(channel, "QueryChaincodeDefinition", serialize(arguments))
        return self._decoded(lambda found: definitions.read_committed(name, found), answer)

    async def query_committed_chaincode_definitions(self, channel: str) -> tuple[CommittedDefinition, ...]:
        """Every definition in force on a channel."""
        arguments = lifecycle_pb2.QueryChaincodeDefinitionsArgs()
        answer = await self._lifecycle(channel, "QueryChaincodeDefinitions", serialize(arguments))
        return self._decoded(definitions.read_all_committed, answer)

    async def _lifecycle(self, channel: str, function: str, arguments: bytes) -> bytes:
        return await self._peer.invoke(channel, "_lifecycle", function, arguments)

    async def _query(self, channel: str, function: str, *arguments: bytes) -> bytes:
        return await self._peer.invoke(channel, "qscc", function, channel.encode(), *arguments)

    def _decoded(self, read: Callable[[bytes], T], answer: bytes) -> T:
        return read_answer(self.address, read, answer)

    def _read(self, kind: Any, answer: bytes) -> Any:
        return self._decoded(lambda content: parse(kind, content), answer)
