# SPDX-License-Identifier: Apache-2.0
"""The folders in which tutorials and fabric-samples look for a network's certificates, keys and connection profiles.

They are copies, laid out as Fabric's `cryptogen` and the samples' test network do it. Private keys are among them:
those of users, and the TLS keys of nodes that tutorials show to `osnadmin`. The keys of authorities and the keys with
which nodes sign stay where they are.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

from commonwatt_network.errors import UsageError
from commonwatt_network.model.layout import PRIVATE_FILE, PRIVATE_FOLDER, PUBLIC_FILE, write_atomically
from commonwatt_network.model.nodes import Nodes
from commonwatt_network.model.profiles import inline_profile, yaml_of
from commonwatt_network.model.roster import ADMIN, user_attributes

MEMBERS, ORDERERS, AUTHORITIES = "peerOrganizations", "ordererOrganizations", "fabric-ca"
MARK = ".commonwatt"
Entry = tuple[str, bytes | Path]
"""Where a file goes, and its content or the file that holds it."""


def write_tree(nodes: Nodes, folder: Path) -> Path:
    """Write the trees to `folder/organizations`, in place of those that an earlier call wrote; that folder.

    Raises UsageError where another program's trees stand.
    """
    organizations = folder.absolute() / "organizations"
    for name in (MEMBERS, ORDERERS):
        standing = organizations / name
        if standing.exists() and not (standing / MARK).exists():
            raise UsageError(
                f"{standing} is another network's, not written by this command; move it away or choose another folder"
            )
    try:
        _replace(organizations / MEMBERS, member_files(nodes))
        _replace(organizations / ORDERERS, orderer_files(nodes))
        for server in nodes.authorities:
            authority = nodes.layout.tls_ca_certificate(server.organization).read_bytes()
            label = _label(server.organization)
            write_atomically(organizations / AUTHORITIES / label / "ca-cert.pem", authority)
    except OSError as error:
        raise UsageError(f"{error.filename or organizations}: {error.strerror}") from error
    return organizations


def member_files(nodes: Nodes) -> Iterator[Entry]:
    """What lies under `peerOrganizations`."""
    for organization in nodes.topology.organizations:
        yield from _organization_files(nodes, organization, "peers")
        for user in user_attributes(nodes, organization):
            yield from _user_files(nodes, organization, user)
        profile, name = inline_profile(nodes, organization), f"connection-{_label(organization)}"
        yield f"{organization}/{name}.json", json.dumps(profile, indent=4).encode()
        yield f"{organization}/{name}.yaml", yaml_of(profile).encode()


def orderer_files(nodes: Nodes) -> Iterator[Entry]:
    """What lies under `ordererOrganizations`."""
    for organization in nodes.topology.orderers.organizations:
        yield from _organization_files(nodes, organization, "orderers")
        yield from _user_files(nodes, organization, ADMIN)


def _organization_files(nodes: Nodes, organization: str, kind: str) -> Iterator[Entry]:
    """Authorities, the public MSP folder, and the nodes (`kind`: peers or orderers)."""
    msp = nodes.layout.msp(organization)
    yield f"{organization}/ca/ca.{organization}-cert.pem", msp / "cacerts" / "ca.pem"
    yield f"{organization}/tlsca/tlsca.{organization}-cert.pem", msp / "tlscacerts" / "tlsca.pem"
    yield from _public_msp(nodes, organization, f"{organization}/msp")
    for node in nodes.fabric_nodes:
        if node.organization == organization:
            place = f"{organization}/{kind}/{_full(node.name, organization)}"
            yield from _public_msp(nodes, organization, f"{place}/msp")
            certificate = node.directory / "msp" / "signcerts" / "cert.pem"
            yield f"{place}/msp/signcerts/{_full(node.name, organization)}-cert.pem", certificate
            for file in ("ca.crt", "server.crt", "server.key"):
                yield f"{place}/tls/{file}", node.tls_directory / file


def _user_files(nodes: Nodes, organization: str, user: str) -> Iterator[Entry]:
    layout = nodes.layout
    name = f"{user[:1].upper()}{user[1:]}@{organization}"
    place, folder = f"{organization}/users/{name}", layout.user(organization, user)
    if not (folder / "certificate.pem").exists():
        return  # revoked
    yield from _public_msp(nodes, organization, f"{place}/msp")
    for file in ("cert.pem", f"{name}-cert.pem"):  # as Fabric CA's client and as cryptogen call it
        yield f"{place}/msp/signcerts/{file}", folder / "certificate.pem"
    yield f"{place}/msp/keystore/priv_sk", folder / "private_key.pem"
    yield f"{place}/tls/ca.crt", layout.tls_ca_certificate(organization)
    pair = folder / "tls" if user == ADMIN else layout.client_tls(organization)
    if pair.exists():
        yield f"{place}/tls/client.crt", pair / "server.crt"
        yield f"{place}/tls/client.key", pair / "server.key"


def _public_msp(nodes: Nodes, organization: str, place: str) -> Iterator[Entry]:
    msp = nodes.layout.msp(organization)
    yield f"{place}/config.yaml", msp / "config.yaml"
    yield f"{place}/cacerts/ca.{organization}-cert.pem", msp / "cacerts" / "ca.pem"
    yield f"{place}/tlscacerts/tlsca.{organization}-cert.pem", msp / "tlscacerts" / "tlsca.pem"


def _label(organization: str) -> str:
    """What the samples' files call an organisation: `org1` of org1.example.com."""
    return organization.split(".")[0]


def _full(node: str, organization: str) -> str:
    """The node's name with its organisation's behind it, as the samples' folders have it."""
    return node if node.endswith(f".{organization}") else f"{node}.{organization}"


def _replace(place: Path, entries: Iterator[Entry]) -> None:
    """Write the tree beside `place` and move it there, so that an interruption leaves a whole tree or none."""
    draft, former = (place.with_name(f".{place.name}.{word}") for word in ("draft", "former"))
    for remains in (draft, former):
        shutil.rmtree(remains, ignore_errors=True)
    try:
        draft.parent.mkdir(parents=True, exist_ok=True)
        draft.mkdir(PRIVATE_FOLDER)
        write_atomically(draft / MARK, "written by `commonwatt network samples-tree`\n")
        for name, content in entries:
            secret = name.endswith((".key", "/priv_sk"))
            data = content if isinstance(content, bytes) else content.read_bytes()
            write_atomically(draft / name, data, PRIVATE_FILE if secret else PUBLIC_FILE)
        if place.exists():
            place.rename(former)
        draft.rename(place)
    finally:
        for remains in (draft, former):
            shutil.rmtree(remains, ignore_errors=True)
