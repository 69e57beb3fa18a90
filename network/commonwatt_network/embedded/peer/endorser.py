# SPDX-License-Identifier: Apache-2.0
"""The Endorser: check a proposal, simulate it, sign what it would do.

`ProposalError` and `ProposalFiltered` are raised for proposals that are refused; everything later, chaincode's own
refusals included, is told in the ProposalResponse (status 500 and Fabric's words).
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from typing import Any, Protocol

from fabric_protos.peer import proposal_pb2, proposal_response_pb2

from commonwatt_network.embedded.channels.proposals import (
    Proposal,
    ProposalError,
    check_proposal,
    filter_proposal,
)
from commonwatt_network.embedded.determinism import NotDeterministic, compare
from commonwatt_network.embedded.faults import PeerFaults
from commonwatt_network.embedded.lifecycle.records import RecordError
from commonwatt_network.embedded.peer.chaincode.link import ChaincodeError
from commonwatt_network.embedded.peer.chaincode.runtime import ChaincodeRuntime, find_runnable
from commonwatt_network.embedded.peer.channel import PeerChannel
from commonwatt_network.embedded.peer.interest import chaincode_interest
from commonwatt_network.embedded.peer.metrics import PeerMetrics
from commonwatt_network.embedded.peer.system.registry import SYSTEM_CHAINCODES, SystemPeer
from commonwatt_network.embedded.simulation import SimulationError, Simulator
from commonwatt_network.embedded.trust.access import AccessDenied
from commonwatt_network.embedded.trust.msp import IdentityRegistry
from commonwatt_network.embedded.trust.signing import SigningIdentity

WITHOUT_SIMULATOR = frozenset({"cscc", "qscc"})
ERROR_THRESHOLD, ERROR = 400, 500


class EndorsingPeer(SystemPeer, Protocol):
    """A peer as its endorser uses it: who signs, what runs chaincode, and what tests let go wrong."""

    @property
    def name(self) -> str: ...

    @property
    def local(self) -> IdentityRegistry: ...

    @property
    def signer(self) -> SigningIdentity: ...

    @property
    def clock(self) -> Callable[[], float]: ...

    @property
    def faults(self) -> PeerFaults: ...

    @property
    def metrics(self) -> PeerMetrics: ...

    @property
    def runtime(self) -> ChaincodeRuntime: ...

    @property
    def second_runtime(self) -> ChaincodeRuntime: ...

    def second_server(self, package_id: str) -> str | None:
        """Where the determinism guard runs a package's proposals once more, if it does."""

    def sign(self, message: bytes) -> bytes: ...

    def distribute_private(self, channel: PeerChannel, transaction_id: str, private: Any) -> str:
        """What went wrong, if anything did. Raises sqlite3.Error."""


class Endorser:
    """One peer's endorser."""

    def __init__(self, peer: EndorsingPeer) -> None:
        self._peer = peer

    async def process(self, proposal: Proposal) -> Any:
        """The ProposalResponse. Raises ProposalError or ProposalFiltered.

        The state view is opened before the first wait, so that peers called in one go see one height.
        """
        peer = self._peer
        peer.metrics.proposals_received += 1
        now_s = peer.clock()
        channel = peer.channels.get(proposal.channel_id) if proposal.channel_id else None
        filter_proposal(proposal, now_s, channel.registry if channel else peer.local)
        if proposal.channel_id and channel is None:
            return _failure(f"channel '{proposal.channel_id}' not found")
        self._check(proposal, channel)
        started_s = time.perf_counter()
        try:
            response = await self._simulate(proposal, channel)
        except (ChaincodeError, SimulationError, RecordError) as error:
            return _failure(str(error))
        if response.HasField("endorsement") or channel is None:
            peer.metrics.proposals_endorsed += 1
            peer.metrics.proposal_duration_s += time.perf_counter() - started_s
        return response

    def _check(self, proposal: Proposal, channel: PeerChannel | None) -> None:
        peer = self._peer
        try:
            check_proposal(proposal, channel.registry if channel else peer.local)
        except ProposalError as error:
            raise ProposalError(f"error validating proposal: {error}") from error
        if channel is None:
            return
        if channel.ledger.transaction(proposal.transaction_id) is not None:
            raise ProposalError(
                f"duplicate transaction found [{proposal.transaction_id}]. Creator [{proposal.creator.hex()}]"
            )
        if proposal.chaincode_name not in SYSTEM_CHAINCODES:
            try:
                peer.check_channel_access("peer/Propose", channel, proposal)
            except AccessDenied as error:
                raise ProposalError(str(error)) from error

    async def _simulate(self, proposal: Proposal, channel: PeerChannel | None) -> Any:
        if channel is None or proposal.chaincode_name in WITHOUT_SIMULATOR:
            return await self._run(proposal, channel, None)
        simulator = channel.simulator(proposal.transaction_id)
        try:
            return await self._run(proposal, channel, simulator)
        finally:
            simulator.close()

    async def _run(self, proposal: Proposal, channel: PeerChannel | None, simulator: Simulator | None) -> Any:
        peer, name = self._peer, proposal.chaincode_name
        try:
            runnable = find_runnable(peer, channel, name, simulator)
        except ChaincodeError as error:
            raise ChaincodeError(
                f"make sure the chaincode {name} has been successfully defined on channel {proposal.channel_id} and "
                f"try again: {error}"
            ) from error
        try:
            response, event = await peer.runtime.run(channel, proposal, name, proposal.input, simulator)
        except (ChaincodeError, SimulationError, RecordError) as error:
            raise ChaincodeError(f"error in simulation: {error}") from error
        if response.status >= ERROR_THRESHOLD:
            event = None
        result = simulator.result() if simulator is not None else None
        if result is not None and channel is not None and simulator is not None:
            await self._guard(proposal, channel, runnable.package_id, simulator, (response, event, result))
        if peer.faults.mismatching:
            response.message += f" (as {peer.name} sees it)"
        if result is not None and result.private is not None and channel is not None:
            try:
                problem = peer.distribute_private(channel, proposal.transaction_id, result.private)
            except sqlite3.Error as error:
                problem = f"private data could not be kept: {error}"
            if problem:
                raise ChaincodeError(f"error in simulation: {problem}")
        action = proposal_pb2.ChaincodeAction(
            results=result.public if result else b"",
            events=event.SerializeToString() if event is not None else b"",
            response=response,
        )
        action.chaincode_id.name, action.chaincode_id.version = name, runnable.version
        payload = proposal_response_pb2.ProposalResponsePayload(
            proposal_hash=proposal.hash, extension=action.SerializeToString()
        ).SerializeToString()
        answer = proposal_response_pb2.ProposalResponse(response=response)
        if channel is None:
            if response.status >= ERROR:
                answer.payload = payload
            return answer
        if result is not None:
            answer.interest.CopyFrom(chaincode_interest(result))
        if response.status >= ERROR:
            answer.payload = payload
        elif response.status >= ERROR_THRESHOLD:
            answer.ClearField("interest")
        else:
            answer.version = 1
            answer.payload = payload
            answer.endorsement.endorser = peer.signer.creator
            answer.endorsement.signature = peer.sign(payload + peer.signer.creator)
        return answer

    async def _guard(
        self,
        proposal: Proposal,
        channel: PeerChannel,
        package_id: str,
        simulator: Simulator,
        first: tuple[Any, Any, Any],
    ) -> None:
        """Run the proposal again on the chaincode's second server, where there is one, and compare."""
        peer = self._peer
        if proposal.chaincode_name in SYSTEM_CHAINCODES or peer.second_server(package_id) is None:
            return
        again = simulator.again()
        runtime = peer.second_runtime
        response, event = await runtime.run(channel, proposal, proposal.chaincode_name, proposal.input, again)
        if response.status >= ERROR_THRESHOLD:
            event = None
        try:
            compare(first, (response, event, again.result()))
        except NotDeterministic as error:
            raise ChaincodeError(str(error)) from error


def _failure(message: str) -> Any:
    return proposal_response_pb2.ProposalResponse(
        response=proposal_response_pb2.Response(status=500, message=message)
    )
