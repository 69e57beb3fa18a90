# SPDX-License-Identifier: Apache-2.0
"""The sender: an organisation's MSP id and an X.509 certificate."""

import codecs
import re
from dataclasses import dataclass, field
from hashlib import sha256
from os import PathLike
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding
from fabric_protos.msp import identities_pb2

from commonwatt_client.errors import ConfigurationError

Pem = bytes | str | PathLike[str]
"""PEM text as bytes (or str), or the path of a file that holds it."""


_BEFORE_LINES = re.compile(rb"^(?:" + codecs.BOM_UTF8 + rb"|[ \t])+", re.MULTILINE)


def normal_pem(pem: bytes) -> bytes:
    """PEM as Go and OpenSSL read it, without the byte order marks and the indentation that editors add.

    Both look for `-----BEGIN` at the start of a line only: other parties would find no certificate, or not all of
    several. Sound PEM stays byte for byte what it is.
    """
    if pem.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        pem = pem.decode("utf-16", "replace").encode()
    return _BEFORE_LINES.sub(b"", pem)


def _first_certificate(pem: bytes) -> bytes:
    """The first certificate of a file. Raises ValueError."""
    _, begin, rest = pem.partition(b"-----BEGIN CERTIFICATE-----")
    content, end, _ = rest.partition(b"-----END CERTIFICATE-----")
    if not end:
        raise ValueError("it holds no certificate from -----BEGIN to -----END")
    return (begin + content + end).replace(b"\r\n", b"\n") + b"\n"


def read_pem(source: Pem, what: str) -> bytes:
    """PEM bytes (`normal_pem`) from themselves, from text, or from the file at a path.

    Raises ConfigurationError naming `what`.
    """
    if isinstance(source, bytes):
        return normal_pem(source)
    if isinstance(source, str) and "-----BEGIN" in source:
        return normal_pem(source.encode())
    try:
        return normal_pem(Path(source).read_bytes())
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ConfigurationError(f"cannot read {what} {source}: {reason}; check the path") from error


@dataclass(frozen=True, slots=True)
class Identity:
    """An organisation's MSP id and the PEM certificate it issued to this user.

    Of a file that holds more (its authorities, even the private key) only the first certificate is kept and sent.

    ::

        with open(".commonwatt/organizations/newtown/users/operator/certificate.pem", "rb") as file:
            print(Identity("NewtownMSP", file.read()).signs_messages)
    """

    mspid: str
    certificate_pem: bytes
    creator: bytes = field(init=False, repr=False, compare=False)
    """The serialised identity that Fabric calls the creator of a proposal."""
    signs_messages: bool = field(init=False, repr=False, compare=False)
    """Whether this identity's key signs whole messages (Ed25519) and not their SHA-256 digests (ECDSA)."""

    def __post_init__(self) -> None:
        try:
            pem = _first_certificate(normal_pem(self.certificate_pem))
            key = x509.load_pem_x509_certificate(pem).public_key()
        except Exception as error:  # the parser raises more than ValueError for hostile input
            raise ConfigurationError(
                f"the certificate of this {self.mspid} identity is not an X.509 certificate in PEM: {error}"
            ) from error
        if not self.mspid:
            raise ConfigurationError("an identity needs the MSP id of its organisation, such as NewtownMSP")
        # Fabric reads the first PEM block, whatever it is, and a creator is there for all to read.
        object.__setattr__(self, "certificate_pem", pem)
        creator = identities_pb2.SerializedIdentity(mspid=self.mspid, id_bytes=self.certificate_pem)
        object.__setattr__(self, "creator", creator.SerializeToString())
        object.__setattr__(self, "signs_messages", isinstance(key, Ed25519PublicKey))

    def digest(self, message: bytes) -> bytes:
        """The bytes that a signer of this identity signs: SHA-256 of the message, or the message itself for Ed25519.

        Fabric's MSP hashes with SHA-256 whatever the curve, so P-384 keys sign a SHA-256 digest as well.
        """
        return message if self.signs_messages else sha256(message).digest()


def load_identity(mspid: str, certificate: Pem) -> Identity:
    """An identity whose certificate is PEM text or a file's path; raises ConfigurationError.

    ::

        load_identity("NewtownMSP", ".commonwatt/organizations/newtown/users/operator/certificate.pem")
    """
    return Identity(mspid, read_pem(certificate, f"the certificate of an identity of {mspid}"))


def certificate_hash(certificate_pem: bytes) -> bytes:
    """SHA-256 of a TLS client certificate's DER, by which Fabric binds event requests to a mutual TLS connection."""
    try:
        certificate = x509.load_pem_x509_certificate(normal_pem(certificate_pem))
    except ValueError as error:
        raise ConfigurationError(
            f"the TLS client certificate is not an X.509 certificate in PEM: {error}"
        ) from error
    return sha256(certificate.public_bytes(Encoding.DER)).digest()
