# SPDX-License-Identifier: Apache-2.0
"""Finding and running chaincode: its definition on the channel, this peer's package for it, its stream."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from fabric_protos.peer import chaincode_shim_pb2, proposal_response_pb2
from google.protobuf.message import DecodeError

from commonwatt_network.embedded.channels.proposals import Proposal
from commonwatt_network.embedded.lifecycle.invocation import NAMESPACE
from commonwatt_network.embedded.lifecycle.records import read_sequence
from commonwatt_network.embedded.peer.chaincode.context import TransactionContext
from commonwatt_network.embedded.peer.chaincode.link import ChaincodeError, ChaincodeLink
from commonwatt_network.embedded.peer.chaincode.requests import RequestError, answer
from commonwatt_network.embedded.peer.channel import PeerChannel
from commonwatt_network.embedded.peer.system.registry import (
    SYSTEM_CHAINCODES,
    SYSTEM_VERSION,
    SystemPeer,
    run_system_chaincode,
)
from commonwatt_network.embedded.simulation import Simulator
from commonwatt_network.embedded.trust.access import AccessDenied, check_channel_access
from commonwatt_network.embedded.trust.policies import SignedData

Message = chaincode_shim_pb2.ChaincodeMessage
INITIALIZED_KEY = "\x00\U0010ffffinitialized"


@dataclass(frozen=True)
class Runnable:
    """A chaincode that this peer can run now; `package_id` is empty for system chaincode."""

    version: str
    package_id: str
    init_required: bool


def find_runnable(
    peer: SystemPeer, channel: PeerChannel | None, name: str, simulator: Simulator | None
) -> Runnable:
    """Raises ChaincodeError where the chaincode is not defined, approved or installed."""
    if name in SYSTEM_CHAINCODES:
        return Runnable(SYSTEM_VERSION, "", False)
    if channel is None or simulator is None:
        channel_id = channel.channel_id if channel else ""
        raise ChaincodeError(f"could not get channel config for channel '{channel_id}'")
    sequence = read_sequence(name, lambda key: simulator.get_state(NAMESPACE, key))
    if sequence == 0:
        simulator.get_state("lscc", name)  # a real peer looks for a legacy definition here
        raise ChaincodeError(f"chaincode {name} not found")
    definition = channel.definition(name)
    current = definition.sequence if definition else 0
    if definition is None or current != sequence:
        raise ChaincodeError(
            f"chaincode cache at sequence {current} but current sequence is {sequence}, chaincode definition for "
            f"'{name}' changed during invoke"
        )
    package_id = channel.approved_package(name)
    if package_id is None:
        raise ChaincodeError(
            f"chaincode definition for '{name}' at sequence {sequence} on channel '{channel.channel_id}' has not "
            "yet been approved by this org"
        )
    if package_id not in peer.packages.installed:
        raise ChaincodeError(f"chaincode definition for '{name}' exists, but chaincode is not installed")
    endorsement = definition.parameters.endorsement
    return Runnable(endorsement.version, package_id, endorsement.init_required)


class ChaincodeRuntime:
    """Runs transactions on one peer."""

    def __init__(
        self,
        peer: SystemPeer,
        execute_timeout_s: float,
        other_server: Callable[[str], str | None] | None = None,
        *,
        rich_queries: bool = True,
    ) -> None:
        """`other_server`: the address by package id where it is not to be the one that the package names."""
        self._rich_queries = rich_queries
        self._peer = peer
        self._execute_timeout_s = execute_timeout_s
        self._other_server = other_server
        self._links: dict[str, ChaincodeLink] = {}

    async def run(
        self,
        channel: PeerChannel | None,
        proposal: Proposal,
        name: str,
        arguments: Any,
        simulator: Simulator | None,
    ) -> tuple[Any, Any | None]:
        """The chaincode's Response and its event if any. Raises ChaincodeError."""
        message = await self._invoke(channel, proposal, name, arguments, simulator)
        event = message.chaincode_event if message.HasField("chaincode_event") else None
        if event is not None:
            event.chaincode_id, event.tx_id = name, proposal.transaction_id
        if message.type != Message.COMPLETED:
            text = message.payload.decode(errors="replace")
            raise ChaincodeError(f"transaction returned with failure: {text}")
        try:
            return proposal_response_pb2.Response.FromString(message.payload), event
        except DecodeError as error:
            raise ChaincodeError(
                f"failed to unmarshal response for transaction {proposal.transaction_id}: {error}"
            ) from error

    async def _invoke(
        self,
        channel: PeerChannel | None,
        proposal: Proposal,
        name: str,
        arguments: Any,
        simulator: Simulator | None,
    ) -> Any:
        try:
            return await self._invoke_checked(channel, proposal, name, arguments, simulator)
        except ChaincodeError as error:
            raise ChaincodeError(
                f"failed to execute transaction {proposal.transaction_id}: {error}"
            ) from error

    async def _invoke_checked(
        self,
        channel: PeerChannel | None,
        proposal: Proposal,
        name: str,
        arguments: Any,
        simulator: Simulator | None,
    ) -> Any:
        if name in SYSTEM_CHAINCODES:
            response = run_system_chaincode(
                self._peer, name, channel, proposal, list(arguments.args), simulator
            )
            return Message(type=Message.COMPLETED, payload=response.SerializeToString())
        runnable = find_runnable(self._peer, channel, name, simulator)
        if channel is None or simulator is None:
            raise ChaincodeError("invalid channel-less operation")
        is_init = _check_initialization(name, arguments, runnable, simulator)
        context = TransactionContext(
            channel_id=channel.channel_id,
            transaction_id=proposal.transaction_id,
            namespace=name,
            proposal=proposal,
            simulator=simulator,
            history=channel.history,
            may_access=lambda collection: _may_access(channel, proposal, simulator, name, collection),
            invoke=self._invoke_from_chaincode,
            is_init=is_init,
            rich_queries=self._rich_queries,
        )
        message = Message(
            type=Message.INIT if is_init else Message.TRANSACTION,
            payload=arguments.SerializeToString(),
            txid=proposal.transaction_id,
            channel_id=channel.channel_id,
            proposal=proposal.signed,
        )
        link = self.link(runnable.package_id)
        return await link.execute(message, lambda request: answer(context, request), self._execute_timeout_s)

    def link(self, package_id: str) -> ChaincodeLink:
        link = self._links.get(package_id)
        if link is None:
            package = self._peer.packages.installed[package_id]
            address = self._other_server(package_id) if self._other_server else None
            if address is not None:
                connection = package.connection.model_copy(update={"address": address})
                package = replace(package, connection=connection)
            link = self._links[package_id] = ChaincodeLink(package)
        return link

    async def _invoke_from_chaincode(
        self, caller: TransactionContext, name: str, channel_id: str, arguments: Any
    ) -> Any:
        """One chaincode calls another: in the same transaction on the same channel, read-only on any other."""
        channel = self._peer.channels.get(channel_id)
        signed = caller.proposal.signed
        if name not in SYSTEM_CHAINCODES:
            if channel is None:
                raise RequestError(f"Failed to get policy manager for channel [{channel_id}]")
            evidence = SignedData(signed.proposal_bytes, caller.proposal.creator, signed.signature)
            try:
                check_channel_access("peer/ChaincodeToChaincode", channel.config, evidence)
            except AccessDenied as error:
                raise RequestError(str(error)) from error
        if channel is None:
            raise RequestError(f"failed to find ledger for channel: {channel_id}")
        elsewhere = channel_id != caller.channel_id
        simulator = channel.simulator(caller.transaction_id) if elsewhere else caller.simulator
        try:
            return await self._invoke_checked(channel, caller.proposal, name, arguments, simulator)
        except ChaincodeError as error:
            raise RequestError(f"execute failed: {error}") from error
        finally:
            if elsewhere:
                simulator.close()

    async def close(self) -> None:
        for link in self._links.values():
            await link.close()


def _check_initialization(name: str, arguments: Any, runnable: Runnable, simulator: Simulator) -> bool:
    """Whether the call is the chaincode's Init, which must come once per version where it is required."""
    needed = False
    if runnable.init_required:
        needed = simulator.get_state(name, INITIALIZED_KEY) != runnable.version.encode()
    if arguments.is_init:
        if not runnable.init_required:
            raise ChaincodeError(
                f"invalid invocation: chaincode '{name}' does not require initialization but called as init"
            )
        if not needed:
            raise ChaincodeError(
                f"invalid invocation: chaincode '{name}' is already initialized but called as init"
            )
        simulator.set_state(name, INITIALIZED_KEY, runnable.version.encode())
        return True
    if needed:
        raise ChaincodeError(
            f"invalid invocation: chaincode '{name}' has not been initialized for this version, must call as init "
            "first"
        )
    return False


def _may_access(
    channel: PeerChannel, proposal: Proposal, simulator: Simulator, namespace: str, collection: str
) -> tuple[bool, bool]:
    """(may read, may write) of the proposal's creator in a collection. Raises RequestError for an unknown one."""
    names = channel.collection_names(namespace, lambda key: simulator.get_state(NAMESPACE, key))
    found = channel.collection(namespace, collection)
    if found is None or names is None:
        raise RequestError(f"collection {channel.channel_id}/{namespace}/{collection} could not be found")
    if not found.member_only_read and not found.member_only_write:
        return True, True
    if channel.identity_is_member(proposal.creator, namespace, collection):
        return True, True
    return not found.member_only_read, not found.member_only_write
