# SPDX-License-Identifier: Apache-2.0
"""Chaincode packages: the same bytes always, nothing in them that peers would stumble over later."""

import datetime

import pytest
from commonwatt_client.admin import ChaincodeConnection, InvalidInputError, package_ccaas, read_package
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st


def key_pair() -> tuple[str, str]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "tlsca.newtown.example")])
    start = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(start)
        .not_valid_after(start + datetime.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    return certificate.public_bytes(Encoding.PEM).decode(), pem


CERTIFICATE, KEY = key_pair()


def test_package_id_is_the_one_fabric_computed() -> None:
    # Installed on a peer of Fabric 3.1.5, which answered with this package id.
    package = package_ccaas("market_1.0", ChaincodeConnection("127.0.0.1:12699"))
    assert package.package_id == (
        "market_1.0:e1c470e86cba5593f42afd7497cb838e942306ec080768fd7bd3795e53069d19"
    )


def test_package_reads_back() -> None:
    connection = ChaincodeConnection(
        "market.newtown.example:9999",
        tls_required=True,
        root_cert=CERTIFICATE,
        client_auth_required=True,
        client_cert=CERTIFICATE,
        client_key=KEY,
    )
    package, fields = read_package(package_ccaas("market-2", connection).content)
    assert package == package_ccaas("market-2", connection)
    assert fields == {
        "address": "market.newtown.example:9999",
        "dial_timeout": "10s",
        "tls_required": True,
        "root_cert": CERTIFICATE,
        "client_auth_required": True,
        "client_cert": CERTIFICATE,
        "client_key": KEY,
    }


def test_certificates_with_marks_are_packaged_without() -> None:
    """Peers read a root certificate that they cannot find as none, and fail at the first transaction."""

    def package_id(mark: str) -> str:
        return package_ccaas(
            "market",
            ChaincodeConnection(
                "h:1",
                tls_required=True,
                root_cert=mark + CERTIFICATE,
                client_auth_required=True,
                client_cert=mark + CERTIFICATE,
                client_key=mark + KEY,
            ),
        ).package_id

    assert package_id("\ufeff") == package_id("  ") == package_id("")


def test_metadata_files_are_packaged() -> None:
    index = {"META-INF/statedb/couchdb/indexes/trade.json": b"{}"}
    plain = package_ccaas("market", ChaincodeConnection("h:1"))
    assert package_ccaas("market", ChaincodeConnection("h:1"), index).package_id != plain.package_id
    with pytest.raises(InvalidInputError, match="META-INF"):
        package_ccaas("market", ChaincodeConnection("h:1"), {"META-INF/../connection.json": b"{}"})


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"address": "no port"}, "host:port"),
        ({"address": "h:0"}, "host:port"),
        ({"address": "h:70000"}, "host:port"),
        ({"dial_timeout_s": 0}, "dial_timeout"),
        ({"tls_required": True}, "root_cert"),
        ({"root_cert": CERTIFICATE}, "tls_required"),
        ({"tls_required": True, "root_cert": CERTIFICATE, "client_auth_required": True}, "client_cert"),
        (
            {"tls_required": True, "root_cert": CERTIFICATE, "client_cert": CERTIFICATE},
            "client_auth_required",
        ),
        (
            {
                "tls_required": True,
                "root_cert": CERTIFICATE,
                "client_auth_required": True,
                "client_cert": CERTIFICATE,
                "client_key": key_pair()[1],
            },
            "not the key",
        ),
    ],
)
def test_connections_that_peers_accept_and_then_fail_with(fields: dict[str, object], reason: str) -> None:
    with pytest.raises(InvalidInputError, match=reason):
        ChaincodeConnection(**{"address": "127.0.0.1:9999", **fields})  # type: ignore[arg-type]


@pytest.mark.parametrize("label", ["", "z 4", "-x", "a/b", "ä"])
def test_labels_that_peers_refuse(label: str) -> None:
    with pytest.raises(InvalidInputError, match="label"):
        package_ccaas(label, ChaincodeConnection("h:1"))


@given(st.binary(max_size=200), st.integers(0, 400))
def test_reading_any_bytes_gives_a_package_or_a_typed_error(noise: bytes, position: int) -> None:
    content = package_ccaas("market", ChaincodeConnection("h:1")).content
    for candidate in (noise, content[:position], content[:position] + noise + content[position:]):
        try:
            read_package(candidate)
        except InvalidInputError:
            continue
