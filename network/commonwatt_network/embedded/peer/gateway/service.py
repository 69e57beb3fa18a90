# SPDX-License-Identifier: Apache-2.0
"""The Gateway's methods on one peer. Decisions, their order and the texts are Fabric's (`internal/pkg/gateway`)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from hashlib import sha256
from typing import Any, Protocol

import grpc
from fabric_protos.common import common_pb2
from fabric_protos.gateway import gateway_pb2
from fabric_protos.peer import proposal_pb2, proposal_response_pb2
from google.protobuf.message import DecodeError

from commonwatt_network.embedded.channels.proposals import (
    Proposal,
    ProposalError,
    prepare_transaction,
    unpack_proposal,
)
from commonwatt_network.embedded.config import PeerConfig
from commonwatt_network.embedded.orderer.admission import Rejection
from commonwatt_network.embedded.peer.channel import PeerChannel
from commonwatt_network.embedded.peer.gateway.calls import CalledPeer, Outcome, call_endorser
from commonwatt_network.embedded.peer.gateway.errors import GatewayError, error_detail
from commonwatt_network.embedded.peer.gateway.events import events_from, start_block
from commonwatt_network.embedded.peer.gateway.plans import (
    PlanError,
    able_peers,
    choose_endorsers,
    required_policies,
)
from commonwatt_network.embedded.trust.access import AccessDenied, check_channel_access
from commonwatt_network.embedded.trust.policies import SignedData

Status = grpc.StatusCode
ENDORSE_FAILED = "failed to endorse transaction, see attached details for more info"
COLLECT_FAILED = "failed to collect enough transaction endorsements, see attached details for more info"
NO_COMBINATION = "no combination of peers can be derived which satisfy the endorsement policy: "
ALIGNMENT_TIMEOUT_S = 0.2
REMEMBERED_PLANS = 500


class Broadcasting(Protocol):
    def broadcast(self, envelope: Any, address: str | None = None) -> None:
        """Give an envelope to an orderer. Raises Rejection."""


class GatewayPeer(CalledPeer, Protocol):
    """The peer that serves a Gateway: the peers and orderers that it knows, and its limits."""

    @property
    def config(self) -> PeerConfig: ...

    @property
    def peers(self) -> Sequence[CalledPeer]: ...

    @property
    def ordering(self) -> Broadcasting: ...


class Gateway:
    """The Gateway of one peer."""

    def __init__(self, peer: GatewayPeer) -> None:
        self._peer = peer
        self._chosen: dict[tuple[Any, ...], list[CalledPeer] | None] = {}
        self._last_endorsers: dict[tuple[str, str], tuple[CalledPeer, ...]] = {}

    # Evaluate

    async def evaluate(self, request: Any) -> Any:
        """EvaluateResponse. Raises GatewayError."""
        try:
            proposal = _unpack(request.proposed_transaction, "a signed proposal is required")
            _demand_target(proposal)
        except GatewayError as error:
            text = f"failed to unpack transaction proposal: {error}"
            raise GatewayError(Status.INVALID_ARGUMENT, text) from error
        if proposal.channel_id not in self._peer.channels:
            raise GatewayError(Status.UNAVAILABLE, _no_config(proposal.channel_id))
        targets = list(request.target_organizations)
        protected = proposal.has_transient_data and not targets
        if protected:
            targets = [self._peer.mspid]
        details = []
        failed: Outcome | None = None
        for peer in self._evaluators(proposal, targets, protected):
            outcome = await self._call(peer, proposal)
            if outcome.ok:
                response = proposal_response_pb2.Response()
                response.CopyFrom(outcome.response.response)
                if outcome.response.payload:
                    response.payload = _result_payload(outcome.response.payload)
                return gateway_pb2.EvaluateResponse(result=response)
            details.append(outcome.detail)
            if not outcome.retry:
                text = f"evaluate call to endorser returned error: {outcome.message}"
                raise GatewayError(outcome.code, text, details)
            failed = outcome
        assert failed is not None
        raise GatewayError(
            failed.code, "failed to evaluate transaction, see attached details for more info", details
        )

    def _evaluators(self, proposal: Proposal, targets: list[str], protected: bool) -> list[CalledPeer]:
        name, channel_id = proposal.chaincode_name, proposal.channel_id
        peers = [
            peer
            for peer in self._peer.peers
            if peer.has_chaincode(channel_id, name) and (not targets or peer.mspid in targets)
        ]
        if not peers:
            text = f"no peers available to evaluate chaincode {name} in channel {channel_id}"
            if protected:
                text = (
                    "no endorsers found in the gateway's organization; retry specifying target organization(s) to "
                    f"protect transient data: {text}"
                )
            raise GatewayError(Status.FAILED_PRECONDITION, text)
        return sorted(peers, key=self._distance)

    def _distance(self, peer: CalledPeer) -> tuple[bool, bool]:
        return peer.mspid != self._peer.mspid, peer is not self._peer

    # Endorse

    async def endorse(self, request: Any) -> Any:
        """EndorseResponse. Raises GatewayError."""
        unsigned = "the proposed transaction must contain a signed proposal"
        proposal = _unpack(request.proposed_transaction, unsigned)
        if request.endorsing_organizations:
            outcomes = await self._endorse_by_organizations(proposal, list(request.endorsing_organizations))
        else:
            outcomes = await self._endorse_by_policy(proposal)
        endorsements = [outcome.response.endorsement for outcome in outcomes]
        envelope = prepare_transaction(proposal, outcomes[0].response.payload, endorsements)
        return gateway_pb2.EndorseResponse(prepared_transaction=envelope)

    async def _endorse_by_organizations(self, proposal: Proposal, mspids: list[str]) -> list[Outcome]:
        by_organization: dict[str, list[CalledPeer]] = {mspid: [] for mspid in mspids}
        for peer in sorted(self._peer.peers, key=self._distance):
            able = peer.has_chaincode(proposal.channel_id, proposal.chaincode_name)
            if able and peer.mspid in by_organization:
                by_organization[peer.mspid].append(peer)
        missing = [mspid for mspid, peers in by_organization.items() if not peers]
        if missing:
            text = f"failed to find any endorsing peers for org(s): {', '.join(missing)}"
            raise GatewayError(Status.UNAVAILABLE, text)
        chosen = [peers[0] for peers in by_organization.values()]
        await self._align(chosen, proposal.channel_id)
        outcomes = await self._call_all(chosen, proposal)
        details = _failures(outcomes)
        if details:
            raise GatewayError(Status.ABORTED, COLLECT_FAILED, details)
        return outcomes

    async def _endorse_by_policy(self, proposal: Proposal) -> list[Outcome]:
        first_peer, guesses = self._first_endorsers(proposal)
        await self._align([first_peer, *guesses], proposal.channel_id)
        first, *guessed = await self._call_all([first_peer, *guesses], proposal)
        if not first.ok:
            raise GatewayError(Status.ABORTED, ENDORSE_FAILED, [first.detail])
        channel = first_peer.channels[proposal.channel_id]
        interest = first.response.interest
        if not interest.chaincodes:
            interest = proposal_response_pb2.ChaincodeInterest()
            interest.chaincodes.add(name=proposal.chaincode_name)
        policies, able = self._plan(channel, proposal, interest)
        done = {outcome.peer.address: outcome for outcome in (first, *guessed)}
        while True:
            good = [peer for peer in able if peer.address not in done or done[peer.address].ok]
            chosen = self._choose(channel, interest, good, [first_peer, *guesses], policies)
            if chosen is None:
                if all(outcome.ok for outcome in done.values()):
                    raise _no_plan(channel, self._peer.peers, policies)
                raise GatewayError(Status.ABORTED, COLLECT_FAILED, _failures(list(done.values())))
            fresh = [peer for peer in chosen if peer.address not in done]
            if not fresh:
                break
            for outcome in await self._call_all(fresh, proposal):
                done[outcome.peer.address] = _matched(outcome, first)
        self._remember(proposal, first_peer, chosen)
        return sorted(
            (done[peer.address] for peer in chosen), key=lambda outcome: outcome.peer is not first_peer
        )

    def _first_endorsers(self, proposal: Proposal) -> tuple[CalledPeer, list[CalledPeer]]:
        """The peer that endorses first, of this organisation if possible, and peers to ask at the same time.

        Asking at the same time saves a round trip, and both see the same height. It is not done with transient
        data, which only the organisations that need it may see.
        """
        name, channel_id = proposal.chaincode_name, proposal.channel_id
        able = sorted((p for p in self._peer.peers if p.has_chaincode(channel_id, name)), key=self._distance)
        own = [peer for peer in able if peer.mspid == self._peer.mspid]
        if not own and proposal.has_transient_data:
            raise GatewayError(
                Status.FAILED_PRECONDITION,
                "no endorsers found in the gateway's organization; retry specifying endorsing organization(s) to "
                "protect transient data",
            )
        if not able:
            channel = self._peer.channels.get(channel_id)
            problem = f"No metadata was found for chaincode {name} in channel {channel_id}"
            if channel is not None and channel.definition(name) is not None:
                problem = "required chaincodes are not installed on sufficient peers"
            raise GatewayError(Status.FAILED_PRECONDITION, NO_COMBINATION + problem)
        first = (own or able)[0]
        if proposal.has_transient_data:
            return first, []
        known = self._last_endorsers.get((channel_id, name), ())
        return first, [peer for peer in known if peer is not first and peer in able]

    def _plan(
        self, channel: PeerChannel, proposal: Proposal, interest: Any
    ) -> tuple[list[Any], list[CalledPeer]]:
        peers = self._peer.peers
        try:
            policies = required_policies(channel, interest)
        except PlanError as error:
            raise GatewayError(Status.FAILED_PRECONDITION, f"{NO_COMBINATION}{error}") from error
        protected = [
            name for call in interest.chaincodes if call.no_private_reads for name in call.collection_names
        ]
        if not proposal.has_transient_data or not protected:
            return policies, able_peers(peers, channel, interest)
        careful = proposal_response_pb2.ChaincodeInterest()
        careful.CopyFrom(interest)
        for call in careful.chaincodes:
            call.no_private_reads = False
        able = able_peers(peers, channel, careful)
        if choose_endorsers(channel, able, (), policies) is None and choose_endorsers(
            channel, able_peers(peers, channel, interest), (), policies
        ):
            raise GatewayError(
                Status.FAILED_PRECONDITION,
                "requires endorsement from organisation(s) that are not in the distribution policy of the private "
                f"data collection(s): [{' '.join(protected)}]; retry specifying trusted endorsing organizations to "
                "protect transient data",
            )
        return policies, able

    def _choose(
        self,
        channel: PeerChannel,
        interest: Any,
        peers: list[CalledPeer],
        preferred: list[CalledPeer],
        policies: list[Any],
    ) -> list[CalledPeer] | None:
        """As `choose_endorsers`, remembered for as long as the channel's rules stay what they are."""
        key = (
            channel.channel_id,
            channel.rules_version,
            sha256(interest.SerializeToString(deterministic=True)).digest(),
            tuple(peer.address for peer in peers),
            tuple(peer.address for peer in preferred),
        )
        if key not in self._chosen:
            if len(self._chosen) >= REMEMBERED_PLANS:
                self._chosen.clear()
            self._chosen[key] = choose_endorsers(channel, peers, preferred, policies)
        return self._chosen[key]

    def _remember(self, proposal: Proposal, first: CalledPeer, chosen: list[CalledPeer]) -> None:
        others = tuple(peer for peer in chosen if peer is not first)
        self._last_endorsers[(proposal.channel_id, proposal.chaincode_name)] = others

    async def _align(self, peers: list[CalledPeer], channel_id: str) -> None:
        """Let peers that are a block behind the others catch up, so that all simulate at one height."""
        channels = [peer.channels[channel_id] for peer in peers if channel_id in peer.channels]
        highest = max((channel.height for channel in channels), default=0)
        if all(channel.height == highest for channel in channels):
            return
        try:
            async with asyncio.timeout(ALIGNMENT_TIMEOUT_S):
                for channel in channels:
                    await channel.wait_for_height(highest)
        except TimeoutError:
            return

    async def _call(self, peer: CalledPeer, proposal: Proposal) -> Outcome:
        return await call_endorser(peer, proposal, self._peer.config.endorsement_timeout_s)

    async def _call_all(self, peers: list[CalledPeer], proposal: Proposal) -> list[Outcome]:
        if len(peers) == 1:
            return [await self._call(peers[0], proposal)]
        outcomes = await asyncio.gather(*(self._call(peer, proposal) for peer in peers))
        return [outcomes[0], *(_matched(outcome, outcomes[0]) for outcome in outcomes[1:])]

    # Submit and status

    async def submit(self, request: Any) -> Any:
        """SubmitResponse once the ordering service has taken the transaction. Raises GatewayError."""
        if not request.HasField("prepared_transaction"):
            raise GatewayError(Status.INVALID_ARGUMENT, "a prepared transaction is required")
        if not request.prepared_transaction.signature:
            raise GatewayError(Status.INVALID_ARGUMENT, "prepared transaction must be signed")
        channel = self._peer.channels.get(request.channel_id)
        if channel is None:
            raise GatewayError(Status.FAILED_PRECONDITION, _no_config(request.channel_id))
        addresses = channel.config.orderer_endpoints
        if not addresses:
            raise GatewayError(Status.UNAVAILABLE, "no orderer nodes available")
        details = []
        mspid = next(iter(org.mspid for org in channel.config.orderer_organizations.values()), "")
        for address in addresses:
            try:
                self._peer.ordering.broadcast(request.prepared_transaction, address)
            except Rejection as error:
                name = common_pb2.Status.Name(error.status)
                text = f"received unsuccessful response from orderer: status={name}, info={error.info}"
                if 400 <= error.status < 500:
                    raise GatewayError(Status.ABORTED, text) from error
                details.append(error_detail(address, mspid, text))
            else:
                return gateway_pb2.SubmitResponse()
        text = "no orderers could successfully process transaction"
        raise GatewayError(Status.UNAVAILABLE, text, details)

    async def commit_status(self, signed: Any) -> Any:
        """CommitStatusResponse once the transaction is in a block of this peer. Raises GatewayError."""
        if not signed.request:
            raise GatewayError(Status.INVALID_ARGUMENT, "a commit status request is required")
        try:
            request = gateway_pb2.CommitStatusRequest.FromString(signed.request)
        except DecodeError as error:
            raise GatewayError(Status.INVALID_ARGUMENT, f"invalid status request: {error}") from error
        for value, text in (
            (request.identity, "no identity provided"),
            (request.channel_id, "no channel ID provided"),
            (request.transaction_id, "transaction ID should not be empty"),
        ):
            if not value:
                raise GatewayError(Status.INVALID_ARGUMENT, text)
        channel = self._authorized("gateway/CommitStatus", request, signed)
        found = await channel.committed(request.transaction_id)
        return gateway_pb2.CommitStatusResponse(result=found.code, block_number=found.block_number)

    def _authorized(self, resource: str, request: Any, signed: Any) -> PeerChannel:
        """The request's channel, if the requester may read it."""
        channel = self._peer.channels.get(request.channel_id)
        if channel is None:
            text = f"Failed to get policy manager for channel [{request.channel_id}]"
            raise GatewayError(Status.PERMISSION_DENIED, text)
        try:
            evidence = SignedData(signed.request, request.identity, signed.signature)
            check_channel_access(resource, channel.config, evidence)
        except AccessDenied as error:
            raise GatewayError(Status.PERMISSION_DENIED, str(error)) from error
        return channel

    # Events

    def chaincode_events(self, signed: Any) -> AsyncIterator[Any]:
        """ChaincodeEventsResponses, one per block with matching events, without end. Raises GatewayError."""
        if not signed.request:
            raise GatewayError(Status.INVALID_ARGUMENT, "a chaincode events request is required")
        try:
            request = gateway_pb2.ChaincodeEventsRequest.FromString(signed.request)
        except DecodeError as error:
            text = f"invalid chaincode events request: {error}"
            raise GatewayError(Status.INVALID_ARGUMENT, text) from error
        channel = self._authorized("gateway/ChaincodeEvents", request, signed)
        return events_from(channel, request, start_block(channel, request))


def _unpack(signed: Any, missing: str) -> Proposal:
    if not signed.proposal_bytes:
        raise GatewayError(Status.INVALID_ARGUMENT, missing)
    try:
        return unpack_proposal(signed)
    except ProposalError as error:
        raise GatewayError(Status.INVALID_ARGUMENT, str(error)) from error


def _demand_target(proposal: Proposal) -> None:
    if not proposal.channel_id:
        raise GatewayError(Status.INVALID_ARGUMENT, "no channel id provided")


def _no_config(channel_id: str) -> str:
    return (
        f"failed to get config for channel [{channel_id}]: could not get last config for channel {channel_id}"
    )


def _result_payload(payload: bytes) -> bytes:
    """The transaction's result within a ProposalResponsePayload."""
    extension = proposal_response_pb2.ProposalResponsePayload.FromString(payload).extension
    return bytes(proposal_pb2.ChaincodeAction.FromString(extension).response.payload)


def _matched(outcome: Outcome, first: Outcome) -> Outcome:
    """The outcome, or a failure where its payload is not what the first endorser made of the proposal."""
    if outcome.ok and first.ok and outcome.response.payload != first.response.payload:
        return Outcome(outcome.peer, code=Status.ABORTED, message="ProposalResponsePayloads do not match")
    return outcome


def _failures(outcomes: list[Outcome]) -> list[Any]:
    return [outcome.detail for outcome in outcomes if not outcome.ok]


def _no_plan(channel: PeerChannel, peers: Any, policies: list[Any]) -> GatewayError:
    present = [peer for peer in peers if channel.channel_id in peer.channels]
    problem = "no peer combination can satisfy the endorsement policy"
    if choose_endorsers(channel, present, (), policies) is not None:
        problem = "required chaincodes are not installed on sufficient peers"
    return GatewayError(Status.FAILED_PRECONDITION, NO_COMBINATION + problem)
