# SPDX-License-Identifier: Apache-2.0
"""Callers of every kind, and one way for each to ask a running node what it guards."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
from commonwatt_client import Identity, Peer, private_key_signer
from commonwatt_client.admin.signing import Signatory
from commonwatt_client.admin.transport import NodeChannel
from commonwatt_client.identity import load_identity
from commonwatt_client.signers import Signer
from commonwatt_network.model.nodes import Nodes
from commonwatt_network.trust.certificates import KeyPair, create_authority, issue_enrolment, read_key_pair
from fabric_protos.common import common_pb2
from fabric_protos.discovery import protocol_pb2, protocol_pb2_grpc
from fabric_protos.gateway import gateway_pb2, gateway_pb2_grpc
from fabric_protos.orderer import ab_pb2, ab_pb2_grpc
from fabric_protos.peer import events_pb2_grpc, peer_pb2_grpc, snapshot_pb2, snapshot_pb2_grpc

TIMEOUT_S = 10.0
_QUIET_S = 3.0  # a stream that neither refuses nor tells anything for so long is given
DENIED = ("access denied", "failed ACL check")  # as peers and `_lifecycle` say it
OPERATOR = {"role": "operator", "hf.Affiliation": "operator"}


@dataclass(frozen=True)
class Caller:
    """Somebody with a certificate and its key."""

    identity: Identity
    signer: Signer

    @property
    def signatory(self) -> Signatory:
        return Signatory(self.identity, self.signer)


def caller_of(mspid: str, certificate: Path, key: Path) -> Caller:
    return Caller(load_identity(mspid, certificate), private_key_signer(key))


def caller_with(mspid: str, pair: KeyPair) -> Caller:
    return Caller(Identity(mspid, pair.certificate_pem), private_key_signer(pair.key_pem.decode()))


def issued(nodes: Nodes, organization: str, name: str, role: str, attributes: Mapping[str, str]) -> Caller:
    """Somebody to whom an organisation's own authority has just given a certificate."""
    folder = nodes.layout.organization(organization) / "ca"
    authority = read_key_pair(folder / "ca.crt", folder / "ca.key")
    return caller_with(
        nodes.topology.mspid(organization), issue_enrolment(authority, name, role, attributes, 1)
    )


def callers(nodes: Nodes) -> dict[str, Caller]:
    """One of each kind: of newtown, of the other member, of the orderers, and of nobody whom a channel knows."""

    def user(organization: str, name: str) -> Caller:
        folder = nodes.layout.user(organization, name)
        mspid = nodes.topology.mspid(organization)
        return caller_of(mspid, folder / "certificate.pem", folder / "private_key.pem")

    def node(entry: Any) -> Caller:
        msp = entry.directory / "msp"
        return caller_of(entry.mspid, msp / "signcerts" / "cert.pem", msp / "keystore" / "key.pem")

    [ordering] = nodes.topology.orderers.organizations
    stranger = create_authority("ca.stranger", "stranger")
    own = "NewtownMSP"
    return {
        "home": user("newtown", "home001"),
        "operator": user("newtown", "operator"),
        "admin": user("newtown", "admin"),
        "peer": node(nodes.gateway_peer("newtown")),
        "client without a role": user("newtown", "stranger"),
        "grid's operator": user("grid", "operator"),
        "grid's admin": user("grid", "admin"),
        "grid's peer": node(nodes.gateway_peer("grid")),
        "orderer": node(nodes.orderers[0]),
        "orderers' admin": user(ordering, "admin"),
        "says it is an operator": caller_with(own, issue_enrolment(stranger, "x", "client", OPERATOR, 1)),
        "of an unknown organisation": caller_with(
            "StrangerMSP", issue_enrolment(stranger, "x", "client", OPERATOR, 1)
        ),
        "operator as a role's attribute alone": issued(nodes, "newtown", "x", "client", {"role": "operator"}),
    }


class Node:
    """A peer of newtown and an orderer, as anybody may reach them."""

    def __init__(self, nodes: Nodes, channel: str) -> None:
        self.nodes, self.channel = nodes, channel
        peer, orderer = nodes.gateway_peer("newtown"), nodes.orderers[0]
        self._peer = NodeChannel(
            Peer(
                peer.address,
                nodes.layout.tls_ca_certificate(peer.organization).read_bytes(),
                tls_server_name=peer.name,
            )
        )
        self._orderer = NodeChannel(
            Peer(
                orderer.address,
                nodes.layout.tls_ca_certificate(orderer.organization).read_bytes(),
                tls_server_name=orderer.name,
            )
        )

    async def close(self) -> None:
        await self._peer.close()
        await self._orderer.close()

    async def __aenter__(self) -> Node:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def invoke(
        self, caller: Caller, chaincode: str, function: str, *arguments: bytes, channel: str | None = None
    ) -> tuple[bool, Any]:
        """Whether the peer lets the caller ask a chaincode, and what it answers."""
        where = self.channel if channel is None else channel
        _, proposal = await caller.signatory.signed_proposal(where, chaincode, function, arguments)
        try:
            answer = await peer_pb2_grpc.EndorserStub(self._peer.open()).ProcessProposal(
                proposal, timeout=TIMEOUT_S
            )
        except grpc.aio.AioRpcError as error:
            return False, error.details()
        text = answer.response.message
        return not any(words in text for words in DENIED), answer.response.payload or text

    async def deliver(self, caller: Caller, kind: str) -> tuple[bool, list[Any]]:
        """All blocks that are there, by one of a peer's three streams or the orderer's; whether they come."""
        if kind == "orderer":
            stream = ab_pb2_grpc.AtomicBroadcastStub(self._orderer.open()).Deliver(timeout=TIMEOUT_S)
        else:
            stream = getattr(events_pb2_grpc.DeliverStub(self._peer.open()), kind)(timeout=TIMEOUT_S)
        seek = ab_pb2.SeekInfo(behavior=ab_pb2.SeekInfo.FAIL_IF_NOT_READY)
        seek.start.oldest.SetInParent()
        seek.stop.newest.SetInParent()
        envelope = await caller.signatory.signed_envelope(
            common_pb2.DELIVER_SEEK_INFO, self.channel, seek.SerializeToString(), b""
        )
        got = []
        await stream.write(envelope)
        async for response in stream:
            if response.WhichOneof("Type") == "status":
                stream.cancel()
                return response.status == common_pb2.SUCCESS, got
            got.append(response)
        return False, got

    async def commit_status(self, caller: Caller, transaction_id: str) -> tuple[bool, Any]:
        request = gateway_pb2.CommitStatusRequest(
            transaction_id=transaction_id, channel_id=self.channel, identity=caller.identity.creator
        ).SerializeToString()
        signed = gateway_pb2.SignedCommitStatusRequest(
            request=request, signature=await caller.signatory.sign(request)
        )
        stub = gateway_pb2_grpc.GatewayStub(self._peer.open())
        try:
            return True, await stub.CommitStatus(signed, timeout=TIMEOUT_S)
        except grpc.aio.AioRpcError as error:
            return False, error.details()

    async def chaincode_events(self, caller: Caller, chaincode: str) -> tuple[bool, Any]:
        """The first events of a chaincode since block 0; whether the stream is given, with or without any."""
        request = gateway_pb2.ChaincodeEventsRequest(
            channel_id=self.channel, chaincode_id=chaincode, identity=caller.identity.creator
        )
        request.start_position.specified.number = 0
        content = request.SerializeToString()
        signed = gateway_pb2.SignedChaincodeEventsRequest(
            request=content, signature=await caller.signatory.sign(content)
        )
        stream = gateway_pb2_grpc.GatewayStub(self._peer.open()).ChaincodeEvents(signed)
        try:
            response = await asyncio.wait_for(stream.read(), _QUIET_S)
        except TimeoutError:
            return True, "no event yet"
        except grpc.aio.AioRpcError as error:
            return False, error.details()
        finally:
            stream.cancel()
        return response is not grpc.aio.EOF, response

    async def discover(self, caller: Caller) -> tuple[bool, Any]:
        query = protocol_pb2.Query(channel=self.channel)
        query.config_query.SetInParent()
        request = protocol_pb2.Request(queries=[query])
        request.authentication.client_identity = caller.identity.creator
        content = request.SerializeToString()
        signed = protocol_pb2.SignedRequest(payload=content, signature=await caller.signatory.sign(content))
        try:
            answer = await protocol_pb2_grpc.DiscoveryStub(self._peer.open()).Discover(
                signed, timeout=TIMEOUT_S
            )
        except grpc.aio.AioRpcError as error:
            return False, error.details()
        return answer.results[0].WhichOneof("result") != "error", answer

    async def snapshots(self, caller: Caller) -> tuple[bool, Any]:
        """Which snapshots are asked for."""
        query = snapshot_pb2.SnapshotQuery(channel_id=self.channel)
        query.signature_header.creator = caller.identity.creator
        query.signature_header.nonce = b"nonce"
        content = query.SerializeToString()
        signed = snapshot_pb2.SignedSnapshotRequest(
            request=content, signature=await caller.signatory.sign(content)
        )
        try:
            return True, await snapshot_pb2_grpc.SnapshotStub(self._peer.open()).QueryPendings(
                signed, timeout=TIMEOUT_S
            )
        except grpc.aio.AioRpcError as error:
            return False, error.details()
