# SPDX-License-Identifier: Apache-2.0
"""Service discovery, as a peer sees its channel: who is there, with which configuration, and who can endorse."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fabric_protos.discovery import protocol_pb2
from fabric_protos.gossip import message_pb2
from fabric_protos.peer import proposal_response_pb2

from commonwatt_client.admin.refusals import refusal
from commonwatt_client.admin.signing import Signatory
from commonwatt_client.errors import UnexpectedAnswerError
from commonwatt_client.ledger.transaction import decode_creator
from commonwatt_client.ledger.wire import parse, serialize


@dataclass(frozen=True)
class DiscoveredPeer:
    """A peer of the channel as known by gossip.

    endpoint: ``host:port``, empty where it publishes none. ledger_height: blocks it has. chaincodes: those it
    has installed and in force, by name, each with its definition's sequence (what gossip calls its version).

    ::

        for each in await peer.discover_peers("newtown"):
            print(each.mspid, each.endpoint, each.ledger_height, each.chaincodes)
    """

    mspid: str
    endpoint: str
    ledger_height: int
    chaincodes: Mapping[str, str]
    certificate: bytes = field(repr=False)


@dataclass(frozen=True)
class DiscoveredConfig:
    """A channel's organisations and orderers, from discovery: by MSP id, root certificates (PEM) and addresses.

    ::

        print((await peer.discover_config("newtown")).orderers)
    """

    root_certificates: Mapping[str, tuple[bytes, ...]] = field(repr=False)
    tls_root_certificates: Mapping[str, tuple[bytes, ...]] = field(repr=False)
    orderers: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class Endorsers:
    """The peers that can endorse for a chaincode.

    layouts: alternatives; each says how many endorsements of each group satisfy the policy together.
    groups: the peers of each group, highest ledger first.

    ::

        endorsers = await peer.discover_endorsers("newtown", "market")
        print(endorsers.layouts, {name: len(peers) for name, peers in endorsers.groups.items()})
    """

    chaincode: str
    layouts: tuple[Mapping[str, int], ...]
    groups: Mapping[str, tuple[DiscoveredPeer, ...]]


def peers_query(channel: str) -> Any:
    """A ``discovery.Query`` for the peers of a channel."""
    query = protocol_pb2.Query(channel=channel)
    query.peer_query.SetInParent()
    return query


def config_query(channel: str) -> Any:
    """A ``discovery.Query`` for a channel's configuration."""
    query = protocol_pb2.Query(channel=channel)
    query.config_query.SetInParent()
    return query


def endorsers_query(channel: str, chaincode: str, collections: tuple[str, ...]) -> Any:
    """A ``discovery.Query`` for the endorsers of a chaincode, and of these of its collections."""
    call = proposal_response_pb2.ChaincodeCall(name=chaincode, collection_names=collections)
    interest = proposal_response_pb2.ChaincodeInterest(chaincodes=[call])
    return protocol_pb2.Query(channel=channel, cc_query=protocol_pb2.ChaincodeQuery(interests=[interest]))


async def signed_request(signatory: Signatory, query: Any, tls_certificate_hash: bytes) -> Any:
    """A ``discovery.SignedRequest`` of one query."""
    request = protocol_pb2.Request(
        authentication=protocol_pb2.AuthInfo(
            client_identity=signatory.identity.creator, client_tls_cert_hash=tls_certificate_hash
        ),
        queries=[query],
    )
    payload = serialize(request)
    return protocol_pb2.SignedRequest(payload=payload, signature=await signatory.sign(payload))


def read_result(party: str, response: Any, wanted: str) -> Any:
    """The one result of a ``discovery.Response``, of the kind wanted. Raises what the peer's error text means."""
    if len(response.results) != 1:
        raise UnexpectedAnswerError(f"{len(response.results)} results to one query", party=party)
    result = response.results[0]
    kind = result.WhichOneof("result")
    if kind == "error":
        raise refusal("discover", party, None, result.error.content)
    if kind != wanted:
        raise UnexpectedAnswerError(f"the answer is {kind}, not {wanted}", party=party)
    return getattr(result, wanted)


def read_peers(members: Any) -> tuple[DiscoveredPeer, ...]:
    """A ``discovery.PeerMembershipResult``, ordered by MSP id and endpoint."""
    found = [_peer(mspid, peer) for mspid, peers in members.peers_by_org.items() for peer in peers.peers]
    return tuple(sorted(found, key=lambda peer: (peer.mspid, peer.endpoint)))


def read_config(result: Any) -> DiscoveredConfig:
    """A ``discovery.ConfigResult``."""
    return DiscoveredConfig(
        {mspid: tuple(msp.root_certs) for mspid, msp in result.msps.items()},
        {mspid: tuple(msp.tls_root_certs) for mspid, msp in result.msps.items()},
        {
            mspid: tuple(f"{endpoint.host}:{endpoint.port}" for endpoint in endpoints.endpoint)
            for mspid, endpoints in result.orderers.items()
        },
    )


def read_endorsers(result: Any) -> Endorsers:
    """A ``discovery.ChaincodeQueryResult`` of one chaincode."""
    if len(result.content) != 1:
        raise UnexpectedAnswerError(f"{len(result.content)} descriptions of one chaincode's endorsers")
    described = result.content[0]
    groups = {}
    for name, peers in described.endorsers_by_groups.items():
        found = [_peer(decode_creator(peer.identity).mspid, peer) for peer in peers.peers]
        groups[name] = tuple(sorted(found, key=lambda peer: (-peer.ledger_height, peer.endpoint)))
    return Endorsers(
        described.chaincode, tuple(dict(layout.quantities_by_group) for layout in described.layouts), groups
    )


def _peer(mspid: str, peer: Any) -> DiscoveredPeer:
    alive = parse(message_pb2.GossipMessage, peer.membership_info.payload).alive_msg
    state = parse(message_pb2.GossipMessage, peer.state_info.payload).state_info
    return DiscoveredPeer(
        mspid=mspid,
        endpoint=alive.membership.endpoint,
        ledger_height=state.properties.ledger_height,
        chaincodes={chaincode.name: chaincode.version for chaincode in state.properties.chaincodes},
        certificate=decode_creator(peer.identity).certificate,
    )
