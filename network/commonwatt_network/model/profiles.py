# SPDX-License-Identifier: Apache-2.0
"""Connection profiles: Fabric's standard common one, and the dialect that fabric-sdk-py reads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from commonwatt_network.model.layout import write_atomically
from commonwatt_network.model.nodes import Nodes
from commonwatt_network.model.roster import ADMIN


def write_profiles(nodes: Nodes) -> None:
    """Write `profiles/<organisation>.yaml` and `profiles/<organisation>.fabric-sdk-py.json`."""
    for organization in nodes.topology.organizations:
        folder = nodes.layout.profiles
        write_atomically(folder / f"{organization}.yaml", yaml_of(common_profile(nodes, organization)))
        dialect = json.dumps(fabric_sdk_py_profile(nodes, organization), indent=2) + "\n"
        write_atomically(folder / f"{organization}.fabric-sdk-py.json", dialect)


def yaml_of(profile: dict[str, Any]) -> str:
    """A profile as YAML; certificates keep their lines."""
    return yaml.dump(profile, Dumper=_Dumper, sort_keys=False)


class _Dumper(yaml.SafeDumper):
    """Writes text of several lines as it stands."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)


def common_profile(nodes: Nodes, organization: str) -> dict[str, Any]:
    """The common connection profile of one organisation: every peer it may talk to, with URLs and TLS."""
    layout, topology = nodes.layout, nodes.topology
    channels = {
        name: entry for name, entry in topology.channels.items() if organization in entry.organizations
    }
    members = {member for entry in channels.values() for member in entry.organizations} | {organization}
    peers = [peer for peer in nodes.peers if peer.organization in members]
    return {
        "name": f"{topology.name}-{organization}",
        "version": "1.0.0",
        "client": {
            "organization": organization,
            "connection": {"timeout": {"peer": {"endorser": "300"}, "orderer": "300"}},
            **_client_pair(nodes, organization),
        },
        "channels": {
            name: {
                "orderers": [orderer.name for orderer in nodes.orderers],
                "peers": {
                    peer.name: {
                        "endorsingPeer": True,
                        "chaincodeQuery": True,
                        "ledgerQuery": True,
                        "eventSource": True,
                        "discover": True,
                    }
                    for peer in nodes.peers_of(name)
                },
            }
            for name in channels
        },
        "organizations": {
            member: {
                "mspid": topology.mspid(member),
                "peers": [peer.name for peer in peers if peer.organization == member],
                "certificateAuthorities": [
                    server.name for server in nodes.authorities if server.organization == member
                ],
            }
            for member in topology.organizations
            if member in members
        },
        "orderers": {
            orderer.name: _endpoint(
                f"grpcs://{orderer.address}", orderer.name, layout.tls_ca_certificate(orderer.organization)
            )
            for orderer in nodes.orderers
        },
        "peers": {
            peer.name: _endpoint(
                f"grpcs://{peer.address}", peer.name, layout.tls_ca_certificate(peer.organization)
            )
            for peer in peers
        },
        "certificateAuthorities": {
            server.name: {
                "url": f"https://{server.address}",
                "caName": server.name,
                "tlsCACerts": {"path": str(layout.tls_ca_certificate(server.organization))},
                "httpOptions": {"verify": True},
            }
            for server in nodes.authorities
            if server.organization in members
        },
    }


def inline_profile(nodes: Nodes, organization: str) -> dict[str, Any]:
    """The common connection profile with the certificates themselves in place of their paths, to be copied away."""

    def read(endpoint: dict[str, Any]) -> str:
        return Path(endpoint["tlsCACerts"]["path"]).read_text()

    profile = common_profile(nodes, organization)
    for kind in ("orderers", "peers"):
        for endpoint in profile[kind].values():
            endpoint["tlsCACerts"] = {"pem": read(endpoint)}
    for authority in profile["certificateAuthorities"].values():
        authority["tlsCACerts"] = {"pem": [read(authority)]}  # Fabric CA's clients take a list
    return profile


def fabric_sdk_py_profile(nodes: Nodes, organization: str) -> dict[str, Any]:
    """The same in the dialect of fabric-sdk-py 1.0: addresses without a scheme, and users by their files."""
    profile = common_profile(nodes, organization)
    profile["client"]["credentialStore"] = {
        "path": str(nodes.layout.directory / "fabric-sdk-py" / organization),
        "cryptoStore": {"path": str(nodes.layout.directory / "fabric-sdk-py" / organization)},
    }
    profile["certificateAuthorities"] = {}
    for entry in profile["organizations"].values():
        entry["certificateAuthorities"] = []
    for kind in ("orderers", "peers"):
        for endpoint in profile[kind].values():
            endpoint["url"] = endpoint["url"].removeprefix("grpcs://")
    for channel in profile["channels"].values():
        channel["chaincodes"] = []
    settings = nodes.topology.organizations[organization]
    folder = nodes.layout.user
    profile["organizations"][organization]["users"] = {
        user: {
            "cert": str(folder(organization, user) / "certificate.pem"),
            "private_key": str(folder(organization, user) / "private_key.pem"),
        }
        for user in (ADMIN, *settings.users)
    }
    return profile


def _client_pair(nodes: Nodes, organization: str) -> dict[str, Any]:
    """What its clients show to peers that demand a TLS client certificate."""
    if not nodes.topology.organizations[organization].client_authentication:
        return {}
    folder = nodes.layout.client_tls(organization)
    files = {"cert": folder / "server.crt", "key": folder / "server.key"}
    return {"tlsCerts": {"client": {name: {"path": str(file)} for name, file in files.items()}}}


def _endpoint(url: str, server_name: str, authority: object) -> dict[str, Any]:
    return {
        "url": url,
        "tlsCACerts": {"path": str(authority)},
        "grpcOptions": {
            "ssl-target-name-override": server_name,
            "hostnameOverride": server_name,
            "grpc.ssl_target_name_override": server_name,
            "grpc.http2.keepalive_time": 15,
        },
    }
