# SPDX-License-Identifier: Apache-2.0
"""A node's MSP folder: `cacerts`, `intermediatecerts`, `admincerts`, `crls`, `tlscacerts`, `config.yaml`, ..."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from commonwatt_client.bounded_yaml import UnreadableYamlError, read_yaml
from fabric_protos.msp import msp_config_pb2


class MspDirectoryError(Exception):
    """An MSP folder lacks what an MSP needs; the message is Fabric's."""


def read_msp_directory(directory: Path, mspid: str) -> Any:
    """The `FabricMSPConfig` that Fabric reads from an MSP folder. Raises MspDirectoryError."""

    def certificates(name: str) -> list[bytes]:
        folder = directory / name
        return (
            [path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()]
            if folder.is_dir()
            else []
        )

    if not certificates("cacerts"):
        raise MspDirectoryError(f"no ca certificate found in directory {directory / 'cacerts'}")
    config = msp_config_pb2.FabricMSPConfig(
        name=mspid,
        root_certs=certificates("cacerts"),
        intermediate_certs=certificates("intermediatecerts"),
        admins=certificates("admincerts"),
        revocation_list=certificates("crls"),
        tls_root_certs=certificates("tlscacerts"),
        tls_intermediate_certs=certificates("tlsintermediatecerts"),
    )
    settings = directory / "config.yaml"
    if not settings.is_file():
        return config
    try:
        node_units = (read_yaml(settings.read_text())[0] or {}).get("NodeOUs") or {}
    except (UnreadableYamlError, UnicodeDecodeError, AttributeError) as error:
        raise MspDirectoryError(
            f"failed unmarshalling configuration file at [{settings}]: {error}"
        ) from error
    if node_units.get("Enable"):
        config.fabric_node_ous.enable = True
        for key, field in (
            ("ClientOUIdentifier", "client_ou_identifier"),
            ("PeerOUIdentifier", "peer_ou_identifier"),
            ("AdminOUIdentifier", "admin_ou_identifier"),
            ("OrdererOUIdentifier", "orderer_ou_identifier"),
        ):
            unit: Mapping[str, str] | None = node_units.get(key)
            if unit and unit.get("OrganizationalUnitIdentifier"):
                target = getattr(config.fabric_node_ous, field)
                target.organizational_unit_identifier = unit["OrganizationalUnitIdentifier"]
                if unit.get("Certificate"):
                    target.certificate = (directory / unit["Certificate"]).read_bytes()
    return config
