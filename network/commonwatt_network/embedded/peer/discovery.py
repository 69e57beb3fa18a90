# SPDX-License-Identifier: Apache-2.0
"""The Discovery service: a channel's peers, configuration and endorsers, and the peers that a peer knows.

Real peers learn of each other by gossip; these know the peers of their process. Messages have the shape of gossip's
(AliveMessage, StateInfo), signed by the peer that they tell of. A real peer also demands that a request names the
client's TLS certificate; this one does where it demands such a certificate at all, else the signature is enough.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any, Protocol

import grpc
from fabric_protos.discovery import protocol_pb2, protocol_pb2_grpc
from fabric_protos.gossip import message_pb2
from fabric_protos.msp import identities_pb2
from google.protobuf import text_format
from google.protobuf.message import DecodeError

from commonwatt_network.embedded.channels.blocks import WIRE_ERROR
from commonwatt_network.embedded.config import PeerConfig
from commonwatt_network.embedded.peer.channel import PeerChannel
from commonwatt_network.embedded.peer.views import NeighbourView, may_read
from commonwatt_network.embedded.trust.msp import MEMBER, IdentityError, IdentityRegistry, role_principal
from commonwatt_network.embedded.trust.policies import PolicyError, SignedData, compile_signature_policy
from commonwatt_network.embedded.trust.principal_sets import (
    Principal,
    PrincipalSet,
    merged_sets,
    satisfying_sets,
    signature_policy_of,
)

ACCESS_POLICY = "/Channel/Application/Writers"
LIFECYCLE_VERSION = "1"
MOST_QUERIES, MOST_CHAINCODES = 100, 50


class DiscoveryError(Exception):
    """A query cannot be answered; the message is Fabric's."""


class DiscoveringPeer(NeighbourView, Protocol):
    """The peer that serves discovery, and the peers that it knows."""

    @property
    def config(self) -> PeerConfig: ...

    @property
    def local(self) -> IdentityRegistry: ...

    @property
    def peers(self) -> Sequence[NeighbourView]: ...


class DiscoveryServicer(protocol_pb2_grpc.DiscoveryServicer):  # type: ignore[misc]
    """Discovery as seen from one peer."""

    def __init__(self, peer: DiscoveringPeer) -> None:
        self._peer = peer
        self._started_ns = time.time_ns()

    async def Discover(self, request: Any, context: Any) -> Any:
        try:
            parsed = protocol_pb2.Request.FromString(request.payload)
        except DecodeError:
            await context.abort(grpc.StatusCode.UNKNOWN, f"failed parsing request: {WIRE_ERROR}")
        if not parsed.HasField("authentication"):
            await context.abort(grpc.StatusCode.UNKNOWN, "access denied, no authentication info in request")
        identity = parsed.authentication.client_identity
        if not identity:
            await context.abort(grpc.StatusCode.UNKNOWN, "access denied, client identity wasn't supplied")
        named = parsed.authentication.client_tls_cert_hash
        if self._peer.config.client_authentication and named != context.client_certificate_hash():
            await context.abort(
                grpc.StatusCode.UNKNOWN,
                "client claimed TLS hash doesn't match computed TLS hash from gRPC stream",
            )
        if len(parsed.queries) > MOST_QUERIES:
            await context.abort(grpc.StatusCode.UNKNOWN, f"a request has {MOST_QUERIES} queries at most")
        signed = SignedData(request.payload, identity, request.signature)
        response = protocol_pb2.Response()
        for query in parsed.queries:
            await asyncio.sleep(0)  # many queries must not keep the others waiting
            try:
                response.results.append(self._answer(query, signed))
            except DiscoveryError as error:
                response.results.append(
                    protocol_pb2.QueryResult(error=protocol_pb2.Error(content=str(error)))
                )
        return response

    def _answer(self, query: Any, signed: SignedData) -> Any:
        kind = query.WhichOneof("query")
        if not query.channel:
            self._demand_local_member(signed)
            if kind != "local_peers":
                raise DiscoveryError("unknown or missing request type")
            return protocol_pb2.QueryResult(members=self._local_members())
        channel = self._peer.channels.get(query.channel)
        if channel is None:
            raise DiscoveryError("access denied")
        try:
            channel.config.policies.get(ACCESS_POLICY).evaluate([signed])
        except PolicyError as error:
            raise DiscoveryError("access denied") from error
        if kind == "peer_query":
            interest = query.peer_query.filter
            return protocol_pb2.QueryResult(members=self._channel_members(channel, interest))
        if kind == "config_query":
            return protocol_pb2.QueryResult(config_result=channel_configuration(channel))
        if kind == "cc_query":
            return protocol_pb2.QueryResult(cc_query_res=self._endorsers(channel, query.cc_query))
        raise DiscoveryError("unknown or missing request type")

    def _demand_local_member(self, signed: SignedData) -> None:
        """As with `peer.discovery.orgMembersAllowedAccess`, which the kit's real peers are set to."""
        try:
            identity = self._peer.local.deserialize(signed.identity)
            identity.verify(signed.data, signed.signature)
            identity.satisfies(role_principal(self._peer.mspid, MEMBER))
        except IdentityError as error:
            raise DiscoveryError("access denied") from error

    def _known_peers(self) -> list[NeighbourView]:
        return [peer for peer in self._peer.peers if peer is self._peer or not peer.faults.down]

    def _local_members(self) -> Any:
        result = protocol_pb2.PeerMembershipResult()
        for peer in self._known_peers():
            entry = result.peers_by_org[peer.mspid].peers.add(identity=peer.signer.creator)
            entry.membership_info.CopyFrom(alive_message(peer, self._started_ns))
        return result

    def _channel_members(self, channel: PeerChannel, interest: Any) -> Any:
        result = protocol_pb2.PeerMembershipResult()
        for mspid in {
            organization.mspid for organization in channel.config.application_organizations.values()
        }:
            result.peers_by_org[mspid].SetInParent()
        for peer in able_peers(self._known_peers(), channel, interest):
            members = result.peers_by_org[peer.mspid]
            members.peers.append(describe_peer(peer, channel.channel_id, self._started_ns))
        return result

    def _endorsers(self, channel: PeerChannel, query: Any) -> Any:
        if sum(len(interest.chaincodes) for interest in query.interests) > MOST_CHAINCODES:
            raise DiscoveryError(f"a query is about {MOST_CHAINCODES} chaincodes at most")
        if not query.interests:
            raise DiscoveryError("chaincode query must have at least one chaincode interest")
        for interest in query.interests:
            if not interest.chaincodes:
                raise DiscoveryError("chaincode interest must contain at least one chaincode")
            if not all(call.name for call in interest.chaincodes):
                raise DiscoveryError("chaincode name in interest cannot be empty")
        result = protocol_pb2.ChaincodeQueryResult()
        for interest in query.interests:
            try:
                result.content.append(self._descriptor(channel, interest))
            except (DiscoveryError, PolicyError) as error:
                raise DiscoveryError(f"failed constructing descriptor for {_go_text(interest)}") from error
        return result

    def _descriptor(self, channel: PeerChannel, interest: Any) -> Any:
        """An EndorsementDescriptor: groups of peers by principal, and how many of each group may endorse."""
        joined = [peer for peer in self._known_peers() if channel.channel_id in peer.channels]
        able = able_peers(joined, channel, interest)
        sets = principal_sets(channel, interest)
        groups = {principal: f"G{index}" for index, principal in enumerate(_principals(sets))}
        members = {principal: _meeting(principal, able, channel) for principal in groups}
        everybody = {principal: _meeting(principal, joined, channel) for principal in groups}
        possible = [one for one in sets if _is_met(one, everybody)]
        if not possible:
            raise DiscoveryError("no peer combination can satisfy the endorsement policy")
        met = [one for one in possible if _is_met(one, members)]
        if not met:
            raise DiscoveryError("required chaincodes are not installed on sufficient peers")
        descriptor = protocol_pb2.EndorsementDescriptor(chaincode=interest.chaincodes[0].name)
        for one in met:
            layout = descriptor.layouts.add()
            for principal in one:
                layout.quantities_by_group[groups[principal]] += 1
        for principal in _principals(possible):
            for peer in members[principal]:
                entry = describe_peer(peer, channel.channel_id, self._started_ns)
                descriptor.endorsers_by_groups[groups[principal]].peers.append(entry)
        return descriptor


def _go_text(message: Any) -> str:
    """A message on one line as Go prints it: `chaincodes:{name:"market"}`."""
    text = text_format.MessageToString(message, as_one_line=True)
    return text.replace(" { ", ":{").replace(" }", "}").replace(": ", ":")


def principal_sets(channel: PeerChannel, interest: Any) -> list[PrincipalSet]:
    """The combinations of principals whose endorsements the interest calls for. Raises DiscoveryError."""
    alternatives: list[list[PrincipalSet]] = []
    for call in interest.chaincodes:
        own = channel.chaincode_policy(call.name)
        if own is None:
            raise DiscoveryError("policy not found")
        policies = [] if call.disregard_namespace_policy else [own]
        policies += [channel.collection_policy(call.name, name) for name in call.collection_names]
        for encoded in filter(None, policies):
            alternatives.append(satisfying_sets(signature_policy_of(channel.compile(encoded))))
        for policy in call.key_policies:
            alternatives.append(satisfying_sets(compile_signature_policy(policy, channel.registry).envelope))
    if not alternatives:
        raise DiscoveryError("no principal sets remained after filtering")
    if not all(alternatives):
        raise DiscoveryError("endorsement policy cannot be satisfied")
    return merged_sets(alternatives)


def able_peers(peers: Sequence[NeighbourView], channel: PeerChannel, interest: Any) -> list[NeighbourView]:
    """The channel's peers that have the interest's chaincodes and may read the collections it reads."""
    return [
        peer
        for peer in peers
        if channel.channel_id in peer.channels
        and all(
            (call.name == "_lifecycle" or peer.has_chaincode(channel.channel_id, call.name))
            and may_read(peer, channel, call)
            for call in interest.chaincodes
        )
    ]


def _principals(sets: Sequence[PrincipalSet]) -> list[Principal]:
    return list(dict.fromkeys(principal for one in sets for principal in one))


def _meeting(
    principal: Principal, peers: Sequence[NeighbourView], channel: PeerChannel
) -> list[NeighbourView]:
    meeting = []
    for peer in peers:
        try:
            channel.registry.deserialize(peer.signer.creator).satisfies(principal.message())
        except IdentityError:
            continue
        meeting.append(peer)
    return meeting


def _is_met(one: PrincipalSet, members: dict[Principal, list[NeighbourView]]) -> bool:
    return all(len(members[principal]) >= count for principal, count in Counter(one).items())


def describe_peer(peer: NeighbourView, channel_id: str, started_ns: int) -> Any:
    """A discovery.Peer with membership and state of a channel."""
    entry = protocol_pb2.Peer(identity=peer.signer.creator)
    entry.membership_info.CopyFrom(alive_message(peer, started_ns))
    entry.state_info.CopyFrom(state_info(peer, channel_id, started_ns))
    return entry


def alive_message(peer: NeighbourView, started_ns: int) -> Any:
    """The gossip.Envelope of an AliveMessage."""
    message = message_pb2.GossipMessage(tag=message_pb2.GossipMessage.EMPTY)
    alive = message.alive_msg
    alive.membership.endpoint = peer.address
    alive.membership.pki_id = pki_id(peer.signer.creator)
    alive.timestamp.inc_num = started_ns
    alive.timestamp.seq_num = 1
    return _signed(peer, message)


def state_info(peer: NeighbourView, channel_id: str, started_ns: int) -> Any:
    """The gossip.Envelope of a StateInfo: ledger height and the chaincodes that the peer can endorse with."""
    channel = peer.channels[channel_id]
    message = message_pb2.GossipMessage(tag=message_pb2.GossipMessage.CHAN_OR_ORG)
    state = message.state_info
    state.pki_id = pki_id(peer.signer.creator)
    state.channel_MAC = hashlib.sha256(state.pki_id + channel_id.encode()).digest()
    state.timestamp.inc_num = started_ns
    state.timestamp.seq_num = channel.height
    state.properties.ledger_height = channel.height
    state.properties.chaincodes.add(name="_lifecycle", version=LIFECYCLE_VERSION)
    for name in channel.defined_chaincodes():
        definition = channel.definition(name)
        if definition is not None and peer.has_chaincode(channel_id, name):
            state.properties.chaincodes.add(name=name, version=definition.parameters.version)
    return _signed(peer, message)


def _signed(peer: NeighbourView, message: Any) -> Any:
    payload = message.SerializeToString()
    return message_pb2.Envelope(payload=payload, signature=peer.signer.sign(payload))


def pki_id(creator: bytes) -> bytes:
    """Gossip's name of a peer: SHA-256 of MSP id and certificate."""
    identity = identities_pb2.SerializedIdentity.FromString(creator)
    return hashlib.sha256(identity.mspid.encode() + identity.id_bytes).digest()


def channel_configuration(channel: PeerChannel) -> Any:
    """A ConfigResult: the MSPs of every organisation, and the orderers' endpoints by organisation."""
    config = channel.config
    result = protocol_pb2.ConfigResult()
    for mspid, msp in config.registry.msps.items():
        result.msps[mspid].CopyFrom(msp.config)
    own = any(organization.endpoints for organization in config.orderer_organizations.values())
    for organization in config.orderer_organizations.values():
        endpoints = result.orderers[organization.mspid]
        for address in organization.endpoints if own else config.orderer_addresses:
            host, _, port = address.rpartition(":")
            if host and port.isdigit():
                endpoints.endpoint.add(host=host, port=int(port))
    return result
