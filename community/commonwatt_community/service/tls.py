# SPDX-License-Identifier: Apache-2.0
"""The service's certificate: one that is given, or one of its own that homes pin."""

import ipaddress
import ssl
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from commonwatt_client.errors import ConfigurationError
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from ..secret_file import write_secret

VALID_D = 3_650


def server_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """TLS 1.2 or later with a chain and its key; ConfigurationError for files that are none."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(
            f"{certificate} and {key} are no certificate with its key: {error}"
        ) from error
    return context


def own_certificate(folder: Path, names: Sequence[str]) -> tuple[Path, Path]:
    """A certificate that signs itself, and its key of mode 0600, made where `folder` holds none for these names."""
    certificate, key = folder / "service.crt", folder / "service.key"
    hosts = sorted({name.rpartition(":")[0] or name for name in names})
    if certificate.exists() and key.exists():
        known = x509.load_pem_x509_certificate(certificate.read_bytes())
        try:
            said = known.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        except x509.ExtensionNotFound:
            said = x509.SubjectAlternativeName([])
        if {_host(one) for one in said} >= set(hosts):
            return certificate, key
        raise ConfigurationError(
            f"{certificate} is for {', '.join(sorted(map(_host, said)))}, not for {', '.join(hosts)}; homes pin it: "
            "move it away to make a new one, and hand the new one out"
        )
    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, hosts[0][:64])])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=VALID_D))
        .add_extension(x509.SubjectAlternativeName([_general_name(host) for host in hosts]), False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False)
        .sign(private, SHA256())
    )
    write_secret(key, private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    certificate.write_bytes(made.public_bytes(Encoding.PEM))
    return certificate, key


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host.strip("[]")))
    except ValueError:
        return x509.DNSName(host)


def _host(name: x509.GeneralName) -> str:
    return str(name.value)
