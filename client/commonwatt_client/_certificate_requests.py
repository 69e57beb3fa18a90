# SPDX-License-Identifier: Apache-2.0
"""What a certificate authority is asked with: keys made here, requests to certify them, and the caller's token."""

import base64
from collections.abc import Sequence
from hashlib import sha256
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from commonwatt_client.errors import ConfigurationError
from commonwatt_client.identity import normal_pem
from commonwatt_client.signers import private_key_signer


def private_key(pem: bytes | None) -> ec.EllipticCurvePrivateKey:
    """The key in a PEM, or a new one on P-256. Raises ConfigurationError."""
    if pem is None:
        return ec.generate_private_key(ec.SECP256R1())
    try:
        key = serialization.load_pem_private_key(normal_pem(pem), None)
    except (ValueError, TypeError) as error:
        raise ConfigurationError(f"the private key to be certified cannot be loaded: {error}") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ConfigurationError("the private key to be certified is not an elliptic curve key")
    return key


def key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    """A key as PEM (PKCS#8), not encrypted."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def certificate_request(key: ec.EllipticCurvePrivateKey, name: str, hosts: Sequence[str]) -> str:
    """A request (PEM) to certify a key for a name, and for the hosts that a TLS certificate answers to."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    )
    if hosts:
        builder = builder.add_extension(
            x509.SubjectAlternativeName([_general_name(host) for host in hosts]), critical=False
        )
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def common_name(certificate_pem: bytes) -> str:
    """Whose a certificate is; empty where it does not say."""
    names = x509.load_pem_x509_certificate(normal_pem(certificate_pem)).subject.get_attributes_for_oid(
        NameOID.COMMON_NAME
    )
    return str(names[0].value) if names else ""


def token(method: str, uri: str, body: bytes, certificate_pem: bytes, private_key_pem: bytes) -> str:
    """Fabric CA's authorization token: the certificate, and a signature that covers method, address and body."""
    certificate = base64.b64encode(normal_pem(certificate_pem)).decode()
    covered = ".".join(
        (method, base64.b64encode(uri.encode()).decode(), base64.b64encode(body).decode(), certificate)
    )
    signature = private_key_signer(private_key_pem).sign(sha256(covered.encode()).digest())
    return f"{certificate}.{base64.b64encode(signature).decode()}"
