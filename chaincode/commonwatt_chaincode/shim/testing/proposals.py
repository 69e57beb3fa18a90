# SPDX-License-Identifier: Apache-2.0
"""Proposals and callers made up for tests: real structures, throwaway certificates, no valid signatures."""

import datetime
import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from fabric_protos.common import common_pb2
from fabric_protos.msp import identities_pb2
from fabric_protos.peer import proposal_pb2

from ..identity import ATTRIBUTES_OID
from ..results import Timestamp


def caller(
    common_name: str = "user",
    mspid: str = "Org1MSP",
    attributes: Mapping[str, str] | None = None,
    **more_attributes: str,
) -> bytes:
    """A serialized identity with certificate attributes, for ``creator=``: ``caller(role="operator")``."""
    named = {**(attributes or {}), **more_attributes}
    return _caller(common_name, mspid, tuple(sorted(named.items())))


@lru_cache(maxsize=1024)
def _caller(common_name: str, mspid: str, attributes: tuple[tuple[str, str], ...]) -> bytes:
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"ca.{mspid}")]))
        .public_key(_key().public_key())
        .serial_number(1)
        .not_valid_before(datetime.datetime(2020, 1, 1))
        .not_valid_after(datetime.datetime(2099, 1, 1))
    )
    if attributes:
        text = json.dumps({"attrs": dict(attributes)}, separators=(",", ":")).encode()
        builder = builder.add_extension(x509.UnrecognizedExtension(ATTRIBUTES_OID, text), critical=False)
    certificate = builder.sign(_key(), hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    identity = identities_pb2.SerializedIdentity(mspid=mspid, id_bytes=certificate)
    return bytes(identity.SerializeToString())


@lru_cache(maxsize=1)
def _key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def signed_proposal(
    channel_id: str, creator: bytes, timestamp: Timestamp, transient: Mapping[str, bytes]
) -> Any:
    """A peer.SignedProposal as a chaincode is given it."""
    channel = common_pb2.ChannelHeader(type=common_pb2.ENDORSER_TRANSACTION, channel_id=channel_id)
    channel.timestamp.seconds, channel.timestamp.nanos = timestamp
    signature = common_pb2.SignatureHeader(creator=creator, nonce=b"nonce")
    header = common_pb2.Header(
        channel_header=channel.SerializeToString(), signature_header=signature.SerializeToString()
    )
    payload = proposal_pb2.ChaincodeProposalPayload(TransientMap=dict(transient))
    proposal = proposal_pb2.Proposal(header=header.SerializeToString(), payload=payload.SerializeToString())
    return proposal_pb2.SignedProposal(proposal_bytes=proposal.SerializeToString(), signature=b"signature")
