# SPDX-License-Identifier: Apache-2.0
"""A chaincode server for a network that others made: its certificates, the package that names it, its environment.

The organisation's peers dial the server with mutual TLS. Both ends' certificates are of an authority made for this
chaincode alone, so that no key of the network is needed. They are made once, so that the package stays the same.
"""

from __future__ import annotations

import ipaddress
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from commonwatt_client.admin import ChaincodeConnection, ChaincodePackage, package_ccaas

from commonwatt_network.errors import UsageError
from commonwatt_network.model.layout import write_atomically
from commonwatt_network.programs.chaincode_servers import settled_variables, write_in_base64
from commonwatt_network.trust.certificates import (
    KeyPair,
    create_authority,
    days_left,
    issue_tls,
    read_key_pair,
)

DAYS = 3650
DIAL_TIMEOUT_S = 10


@dataclass(frozen=True)
class ServerFiles:
    """What was written for one chaincode of one organisation."""

    package: ChaincodePackage
    package_file: Path
    environment_file: Path


def server_files(
    folder: Path, label: str, address: str, mspid: str, environment: Mapping[str, str] | None = None
) -> ServerFiles:
    """Write the certificates, once, then the package and the environment. Raises UsageError, InvalidInputError."""
    ChaincodeConnection(address)  # refuses what is no address
    host = address.rpartition(":")[0].strip("[]")
    tls = folder / "tls"
    _ensure_certificates(tls, host)
    package = package_ccaas(
        label,
        ChaincodeConnection(
            address=address,
            dial_timeout_s=DIAL_TIMEOUT_S,
            tls_required=True,
            root_cert=(tls / "ca.crt").read_text(),
            client_auth_required=True,
            client_cert=(tls / "peer.crt").read_text(),
            client_key=(tls / "peer.key").read_text(),
        ),
    )
    package_file = folder / f"{label}.tar.gz"
    write_atomically(package_file, package.content, 0o600)  # it holds the key with which peers dial
    variables = settled_variables(
        tls, tls / "ca.crt", tls / "peer.crt", mspid=mspid, address=address, package_id=package.package_id
    )
    variables |= environment or {}
    write_in_base64(tls)
    environment_file = folder / f"{label}.env"
    text = "".join(f"{name}={shlex.quote(value)}\n" for name, value in variables.items())
    write_atomically(environment_file, text, 0o600)
    return ServerFiles(package, package_file, environment_file)


def _ensure_certificates(tls: Path, host: str) -> None:
    """An authority, the server's pair for `host`, and the pair that the peers show. Raises UsageError."""
    try:
        if not (tls / "ca.key").exists():
            _write(tls, "ca", create_authority(f"chaincode servers at {host}"[:64], "chaincode"))
        authority = read_key_pair(tls / "ca.crt", tls / "ca.key")
        if not (tls / "peer.crt").exists():
            _write(tls, "peer", issue_tls(authority, "peer", ["peer"], DAYS))
        if not _good_for(tls / "server.crt", tls / "server.key", host):
            _write(tls, "server", issue_tls(authority, _common_name(host), [host], DAYS))
    except (OSError, ValueError) as error:
        raise UsageError(
            f"{tls}: {error}; delete the folder, and the next deployment makes it anew"
        ) from error


def _good_for(certificate: Path, key: Path, host: str) -> bool:
    from commonwatt_network.channels.genesis import hosts_of

    if not certificate.exists():
        return False
    pair = read_key_pair(certificate, key)
    return host in hosts_of(pair.certificate) and days_left(pair.certificate) > 0


def _common_name(host: str) -> str:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return host[:64]
    return "chaincode"


def _write(folder: Path, name: str, pair: KeyPair) -> None:
    """The key first: a certificate without its key would be taken for whole."""
    write_atomically(folder / f"{name}.key", pair.key_pem, 0o600)
    write_atomically(folder / f"{name}.crt", pair.certificate_pem)
