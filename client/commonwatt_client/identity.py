"""Who sends: an organisation's MSP id and an X.509 certificate."""

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


def read_pem(source: Pem, what: str) -> bytes:
    """PEM bytes from themselves, from text, or from the file at a path; raises ConfigurationError naming `what`."""
    if isinstance(source, bytes):
        return source
    if isinstance(source, str) and source.lstrip().startswith("-----BEGIN"):
        return source.encode()
    path = Path(source)
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"cannot read {what} {path}: {error.strerror}; check the path") from error


@dataclass(frozen=True, slots=True)
class Identity:
    """An organisation's MSP id and the PEM certificate it issued to this user.

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
            key = x509.load_pem_x509_certificate(self.certificate_pem).public_key()
        except Exception as error:  # the parser raises more than ValueError for hostile input
            raise ConfigurationError(
                f"the certificate of this {self.mspid} identity is not an X.509 certificate in PEM: {error}"
            ) from error
        if not self.mspid:
            raise ConfigurationError("an identity needs the MSP id of its organisation, such as NewtownMSP")
        creator = identities_pb2.SerializedIdentity(mspid=self.mspid, id_bytes=self.certificate_pem)
        object.__setattr__(self, "creator", creator.SerializeToString())
        object.__setattr__(self, "signs_messages", isinstance(key, Ed25519PublicKey))

    def digest(self, message: bytes) -> bytes:
        """What a signer of this identity signs: SHA-256 of the message, or the message itself for Ed25519.

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
        certificate = x509.load_pem_x509_certificate(certificate_pem)
    except ValueError as error:
        raise ConfigurationError(
            f"the TLS client certificate is not an X.509 certificate in PEM: {error}"
        ) from error
    return sha256(certificate.public_bytes(Encoding.DER)).digest()
