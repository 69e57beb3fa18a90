# SPDX-License-Identifier: Apache-2.0
"""Envelopes as strangers may send them: certificates, read-write sets and whole messages with random mistakes."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

from commonwatt_network.trust.certificates import KeyPair
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding
from fabric_protos.common import common_pb2
from fabric_protos.ledger.rwset import rwset_pb2
from fabric_protos.ledger.rwset.kvrwset import kv_rwset_pb2 as kv
from fabric_protos.msp import identities_pb2

from .forged import Edit, Forged, Member, Parts, forge

UNCOMPRESSED_POINT = bytes.fromhex("03420004")  # what stands before a point of P-256
P256 = bytes.fromhex("06082a8648ce3d030107")
ECDSA_WITH_SHA256 = bytes.fromhex("300a06082a8648ce3d040302")
# One byte after another that means something in DER, protobuf or PEM.
TELLING = bytes(
    (0, 1, 2, 3, 4, 5, 6, 10, 12, 13, 19, 22, 23, 24, 28, 30, 45, 48, 49, 58, 61, 127, 128, 130, 160, 255)
)


@dataclass(frozen=True)
class Impostor:
    """Signs with a member's key and names itself by any bytes."""

    serialized: bytes
    key: Member

    def sign(self, message: bytes) -> bytes:
        return self.key.sign(message)


def mistaken(random: Random, content: bytes, most: int = 3) -> bytes:
    """The content with a few bits flipped, bytes replaced, taken out or put in, or its end cut off."""
    changed = bytearray(content)
    for _ in range(random.randint(1, most)):
        place = random.randrange(len(changed) + 1)
        kind = random.choice(("flip", "flip", "flip", "replace", "insert", "remove", "cut"))
        if kind == "insert":
            changed[place:place] = bytes([random.choice(TELLING)]) * random.choice((1, 1, 2, 100))
        elif kind == "cut" and random.random() < 0.3:
            del changed[place:]
        elif place == len(changed):
            continue
        elif kind == "flip":
            changed[place] ^= 1 << random.randrange(8)
        elif kind == "replace":
            changed[place] = random.choice(TELLING)
        else:
            del changed[place]
    return bytes(changed)


# Certificates


def der(tag: int, content: bytes) -> bytes:
    """An element of DER."""
    if len(content) < 0x80:
        return bytes((tag, len(content))) + content
    size = len(content).to_bytes((len(content).bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(size))) + size + content


def signed_by(authority: KeyPair, to_be_signed: bytes) -> bytes:
    """The certificate (DER) that an authority makes of anything."""
    signature = authority.key.sign(to_be_signed, ec.ECDSA(hashes.SHA256()))
    return der(0x30, to_be_signed + ECDSA_WITH_SHA256 + der(3, b"\0" + signature))


def pem_of(certificate: bytes) -> bytes:
    return b"-----BEGIN CERTIFICATE-----\n" + base64.encodebytes(certificate) + b"-----END CERTIFICATE-----\n"


def named_by(who: Member, certificate: bytes) -> Impostor:
    """A member that names itself by this certificate (DER)."""
    named = identities_pb2.SerializedIdentity(mspid=who.identity.mspid, id_bytes=pem_of(certificate))
    return Impostor(named.SerializeToString(), who)


def flipped_point(random: Random, content: bytes) -> bytes:
    """With one flipped bit in the point that is its public key."""
    place = content.index(UNCOMPRESSED_POINT) + len(UNCOMPRESSED_POINT) + random.randrange(64)
    changed = bytearray(content)
    changed[place] ^= 1 << random.randrange(8)
    return bytes(changed)


def unknown_curve(random: Random, content: bytes) -> bytes:
    """Of the same length, with the name of another curve or of none."""
    return content.replace(P256, P256[:-1] + bytes([random.choice((0, 1, 2, 3, 6, 8, 99, 255))]))


def unknown_version(random: Random, content: bytes) -> bytes:
    return content.replace(
        b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01" + bytes([random.choice((0, 1, 3, 7, 255))])
    )


def unknown_subject(random: Random, content: bytes) -> bytes:
    """With a name in another kind of string, or in bytes that are no text."""
    place = content.index(b"\x55\x04\x0b") + 3  # an organisational unit; the issuer has none
    changed = bytearray(content)
    if random.random() < 0.5:
        changed[place] = random.choice(TELLING)
    else:
        changed[place + 2] = random.choice((0x00, 0x7F, 0x80, 0xC0, 0xFF))
    return bytes(changed)


def mistaken_identity(random: Random, who: Member, authority: KeyPair, *, exotic: bool = True) -> Impostor:
    """A member who names itself by a certificate with mistakes; its authority may have signed these.

    exotic: among them mistakes of an authority that Go and the cryptography library see differently: versions, kinds of
    strings, bytes after an element's end. No authority signs other dates here: peers do not look at an endorser's, and
    the audit tells of them.
    """
    changes: list[Callable[[Random, bytes], bytes]] = [flipped_point, unknown_curve]
    others: list[Callable[[Random, bytes], bytes]] = [mistaken, unknown_version, unknown_subject]
    mspid, pem = who.identity.mspid, who.identity.certificate_pem
    kind = random.choice(("whole", "whole", "signed", "signed", "pem", "identity"))
    if kind == "whole":
        change = random.choice(changes + others)
        pem = pem_of(change(random, who.certificate.public_bytes(Encoding.DER)))
    elif kind == "signed":
        change = random.choice(changes + others if exotic else changes)
        to_be_signed = change(random, who.certificate.tbs_certificate_bytes)
        while any(date not in to_be_signed for date in dates_of(who.certificate)):
            to_be_signed = change(random, who.certificate.tbs_certificate_bytes)
        pem = pem_of(signed_by(authority, to_be_signed))
    elif kind == "pem":
        pem = mistaken_pem(random, pem)
    else:
        mspid = random.choice((mspid, "", "NobodyMSP", "GridMSP"))
    named: bytes = identities_pb2.SerializedIdentity(mspid=mspid, id_bytes=pem).SerializeToString()
    if kind == "identity" and random.random() < 0.5:
        named = mistaken(random, named)
    return Impostor(named, who)


def dates_of(certificate: x509.Certificate) -> list[bytes]:
    """A certificate's two dates as it holds them (UTCTime)."""
    dates = (certificate.not_valid_before_utc, certificate.not_valid_after_utc)
    return [date.strftime("%y%m%d%H%M%SZ").encode() for date in dates]


def mistaken_pem(random: Random, pem: bytes) -> bytes:
    return random.choice(
        (
            mistaken(random, pem),
            pem.replace(b"CERTIFICATE", b"ANYTHING"),
            pem.replace(b"\n", b"\r\n"),
            b"\xef\xbb\xbf" + pem,
            b"Any: header\n" + pem,
            pem.replace(b"-----\nM", b"-----\nKey: value\n\nM"),
            pem * 2,
            b"-----BEGIN CERTIFICATE-----\n" * 50,
            b"\x30\x82",
        )
    )


def twin(who: Member) -> Impostor:
    """The member by its certificate with the other S in its authority's signature, which the member itself can make."""
    r, s = decode_dss_signature(who.certificate.signature)
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    signature = b"\0" + encode_dss_signature(r, order - s)
    return named_by(
        who, der(0x30, who.certificate.tbs_certificate_bytes + ECDSA_WITH_SHA256 + der(3, signature))
    )


# Read-write sets


def some_key(random: Random) -> str:
    return random.choice(("", "a", "b", "k\0", "ключ", "a" * 300, f"k{random.randrange(1000)}"))


def some_number(random: Random) -> int:
    return random.choice((0, 1, 2, 3, random.randrange(50), 2**31, 2**32, 2**63, 2**64 - 1))


def some_version(random: Random) -> Any:
    if random.random() < 0.5:
        return None
    return kv.Version(block_num=some_number(random), tx_num=some_number(random))


def some_metadata(random: Random) -> list[Any]:
    name = random.choice(("VALIDATION_PARAMETER", "", "other"))
    return [kv.KVMetadataEntry(name=name, value=random.randbytes(random.randrange(9)))] * random.randrange(3)


def some_query(random: Random, *, harmless: bool) -> Any:
    """A range query that may not have been, with summaries of degrees and levels that no peer makes."""
    query = kv.RangeQueryInfo(
        start_key=random.choice(("", some_key(random))),
        end_key=some_key(random),
        itr_exhausted=random.random() < 0.5,
    )
    if not harmless and random.random() < 0.5:
        query.reads_merkle_hashes.max_degree = some_number(random) % 2**32
        query.reads_merkle_hashes.max_level = some_number(random) % 2**32
        query.reads_merkle_hashes.max_level_hashes.extend([b"hash"] * random.randrange(3))
    else:
        for _ in range(random.randrange(3)):
            seen = kv.Version(block_num=some_number(random)) if harmless else some_version(random)
            query.raw_reads.kv_reads.add(key=some_key(random), version=seen)
    return query


def some_set(random: Random, *, harmless: bool) -> Any:
    """Reads, queries, writes and metadata of a namespace, keys twice among them.

    harmless: without what ends a real peer's process (summaries of no degree, results without a version) or keeps its
    validation waiting for ever (several changes of keys' metadata in one block).
    """
    several = range(random.choice((0, 1, 2, 5)))
    return kv.KVRWSet(
        reads=[kv.KVRead(key=some_key(random), version=some_version(random)) for _ in several],
        range_queries_info=[some_query(random, harmless=harmless) for _ in several],
        writes=[
            kv.KVWrite(key=some_key(random), is_delete=random.random() < 0.3, value=random.randbytes(3))
            for _ in several
        ],
        metadata_writes=[
            kv.KVMetadataWrite(key=some_key(random), entries=some_metadata(random))
            for _ in range(0 if harmless else random.choice((0, 0, 0, 2)))
        ],
    )


def some_hashed_set(random: Random) -> Any:
    def key_hash() -> bytes:
        return random.choice((b"", b"\xff\xfe", b"k" * 32, random.randbytes(32)))

    return kv.HashedRWSet(
        hashed_reads=[kv.KVReadHash(key_hash=key_hash(), version=some_version(random))] * random.randrange(2),
        hashed_writes=[
            kv.KVWriteHash(
                key_hash=key_hash(),
                value_hash=random.choice((b"", b"v", random.randbytes(32))),
                is_delete=random.random() < 0.3,
                is_purge=random.random() < 0.3,
            )
            for _ in range(random.randrange(3))
        ],
        metadata_writes=[kv.KVMetadataWriteHash(key_hash=key_hash(), entries=some_metadata(random))]
        * random.randrange(2),
    )


def mistaken_sets(random: Random) -> Edit:
    """An endorsed outcome that no chaincode can have had."""

    def edit(parts: Parts) -> None:
        own = parts.namespaces[0][0]
        names = [
            own,
            *random.sample(("_lifecycle", "lscc", "", "nobody", f"{own}$$hshared"), random.randrange(3)),
        ]
        outcome = rwset_pb2.TxReadWriteSet()
        for name in names:
            sets = outcome.ns_rwset.add(
                namespace=name, rwset=some_set(random, harmless=False).SerializeToString()
            )
            for collection in random.sample(
                ("shared", "nowhere", "_implicit_org_NewtownMSP", "_implicit_org_", ""),
                random.choice((0, 0, 1, 2)),
            ):
                sets.collection_hashed_rwset.add(
                    collection_name=collection,
                    hashed_rwset=some_hashed_set(random).SerializeToString(),
                    pvt_rwset_hash=random.choice((b"", b"hash", random.randbytes(32))),
                )
        content = outcome.SerializeToString()
        parts.raw["results"] = mistaken(random, content) if random.random() < 0.3 else content

    return edit


def harmless_sets(random: Random) -> Edit:
    """An outcome that no chaincode had, of kinds which real peers are known to outlive."""

    def edit(parts: Parts) -> None:
        parts.namespaces[0] = (parts.namespaces[0][0], some_set(random, harmless=True))

    return edit


# Envelopes


def mistaken_layer(random: Random) -> Edit:
    """One layer of the transaction is junk."""
    layers = ("extension", "rwset", "results", "event", "chaincode_action", "proposal", "proposal_hash")
    layer = random.choice((*layers, "response", "action_payload", "transaction"))
    return lambda parts: parts.raw.update({layer: random.randbytes(random.randrange(40))})


def mistaken_envelope(random: Random, envelope: bytes, creator: Member) -> bytes:
    """The envelope with mistakes that its creator signed, or did not."""
    if random.random() < 0.3:
        return mistaken(random, envelope)
    whole = common_pb2.Envelope.FromString(envelope)
    payload = mistaken(random, whole.payload)
    encoded: bytes = common_pb2.Envelope(payload=payload, signature=creator.sign(payload)).SerializeToString()
    return encoded


def hostile(random: Random, creator: Member, endorser: Member, chaincode: str, authority: KeyPair) -> Forged:
    """A transaction with mistakes of any of these kinds; `authority` is the creator's."""
    kind = random.choice(("endorser", "endorser", "creator", "sets", "sets", "layer", "envelope"))
    wrong = mistaken_identity(random, creator, authority)
    if kind == "endorser":
        return forge(creator, [endorser, wrong], chaincode, "k")
    if kind == "creator":
        return forge(wrong, [endorser, creator], chaincode, "k")
    if kind == "sets":
        return forge(creator, [endorser, creator], chaincode, "k", mistaken_sets(random))
    if kind == "layer":
        return forge(creator, [endorser, creator], chaincode, "k", mistaken_layer(random))
    honest = forge(creator, [endorser, creator], chaincode, "k")
    return Forged(honest.transaction_id, mistaken_envelope(random, honest.envelope, creator))
