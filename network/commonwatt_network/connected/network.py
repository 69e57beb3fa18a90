# SPDX-License-Identifier: Apache-2.0
"""A network that others made, as its network file tells it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from commonwatt_client import ClientCertificate, Gateway, Identity, connect_network_file, load_identity
from commonwatt_client import Peer as Endpoint
from commonwatt_client.admin import PeerAdmin
from commonwatt_client.network_file import CONNECTED
from commonwatt_client.profile import network_file_user
from commonwatt_client.signers import Signer
from commonwatt_client.timeouts import Timeouts

from commonwatt_network.errors import UsageError

LARGEST_FILE = 16 << 20


@dataclass(frozen=True)
class ConnectedNode:
    """A peer or orderer. `organization` is its name in the file, or an orderer's MSP id."""

    name: str
    kind: str
    organization: str
    mspid: str
    endpoint: Endpoint
    operations_address: str


@dataclass(frozen=True)
class ConnectedNetwork:
    """The file's content. `organization` and `user` are those of the identity that `commonwatt connect` was given."""

    file: Path
    name: str
    organization: str
    user: str
    nodes: tuple[ConnectedNode, ...]
    channels: Mapping[str, Mapping[str, Any]]
    organizations: Mapping[str, Mapping[str, Any]]

    @property
    def mspid(self) -> str:
        """The identity's MSP id."""
        return str(self.organizations[self.organization]["mspid"])

    def peers(self, organization: str | None = None, channel: str | None = None) -> tuple[ConnectedNode, ...]:
        """Peers of an organisation, or of a channel's organisations, or all."""
        members = self.channels[channel]["organizations"] if channel else self.organizations
        return tuple(
            node
            for node in self.nodes
            if node.kind == "peer"
            and node.organization in members
            and organization in (None, node.organization)
        )

    def orderers(self) -> tuple[ConnectedNode, ...]:
        return tuple(node for node in self.nodes if node.kind == "orderer")

    def who(self, user: str = "") -> tuple[Identity, Signer]:
        """Identity and signer of a user of the organisation, by default of who connected."""
        return network_file_user(self.file, self.organization, user or self.user)

    def administrator(self) -> str:
        """The user whose certificate has the role admin; where none has it, the user that connected."""
        users = self.organizations[self.organization]["users"]
        if users[self.user].get("role") == "admin":
            return self.user
        return next((name for name, about in users.items() if about.get("role") == "admin"), self.user)

    def admin(self, peer: ConnectedNode, user: str = "", timeouts: Timeouts | None = None) -> PeerAdmin:
        """The peer, asked as a user of the organisation."""
        identity, signer = self.who(user)
        return PeerAdmin(peer.endpoint, identity=identity, signer=signer, timeouts=timeouts)

    def gateway(self) -> Gateway:
        """A gateway as who connected."""
        return connect_network_file(self.file, self.organization, self.user)


def is_connected(file: Path) -> bool:
    """Whether this is the network file of a network that others made."""
    try:
        return bool(_content(file)["backend"] == CONNECTED)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def read_connected(file: Path) -> ConnectedNetwork:
    """Read the file. Raises UsageError."""
    try:
        content = _content(file)
        nodes = [
            ConnectedNode(
                peer["name"], "peer", name, each["mspid"], _endpoint(peer), peer.get("operations_address", "")
            )
            for name, each in content["organizations"].items()
            for peer in each["peers"]
        ] + [
            ConnectedNode(
                each["name"],
                "orderer",
                each["mspid"],
                each["mspid"],
                _endpoint(each),
                each.get("operations_address", ""),
            )
            for each in content["orderers"]
        ]
        own = content["identity"]
        found = ConnectedNetwork(
            file,
            content["name"],
            own["organization"],
            own["user"],
            tuple(nodes),
            content["channels"],
            content["organizations"],
        )
        load_identity(
            found.mspid, Path(found.organizations[found.organization]["users"][found.user]["certificate"])
        )
        return found
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(
            f"{file} cannot be read ({type(error).__name__}: {error}); write it anew with `commonwatt connect`"
        ) from error


def _content(file: Path) -> Any:
    if file.stat().st_size > LARGEST_FILE:
        raise ValueError(f"larger than {LARGEST_FILE >> 20} MiB")
    return json.loads(file.read_bytes())


def _endpoint(described: Mapping[str, Any]) -> Endpoint:
    authority, certificate = described["tls_ca_cert"], described.get("tls_client_certificate")
    return Endpoint(
        described["address"],
        Path(authority) if authority else None,
        tls_server_name=described.get("tls_server_name"),
        name=described["name"],
        plaintext=bool(described.get("plaintext")),
        client_certificate=ClientCertificate(Path(certificate), Path(described["tls_client_key"]))
        if certificate
        else None,
    )
