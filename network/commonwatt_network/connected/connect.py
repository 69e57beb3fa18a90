# SPDX-License-Identifier: Apache-2.0
"""`commonwatt connect`: a network file for a network that others made. Certificates are copied; keys stay."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from commonwatt_client import ClientCertificate, load_identity
from commonwatt_client.network_file import CONNECTED, networks_folder
from commonwatt_client.profile import ConnectionProfile, read_profile
from commonwatt_client.signers import private_key_signer

from commonwatt_network.connected.identities import Holder
from commonwatt_network.connected.survey import FoundNode, Survey, survey, unique_names
from commonwatt_network.errors import UsageError
from commonwatt_network.model.layout import write_atomically

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
FILE = "network.json"


@dataclass(frozen=True)
class Connected:
    """What was written, and what was found."""

    file: Path
    organization: str
    survey: Survey


def place_of(name: str | None, directory: Path, *, replace: bool) -> Path:
    """The network file to write: of a named network, or of the folder. Raises UsageError where one is there already."""
    if name is not None and not NAME.fullmatch(name):
        raise UsageError(f"--name {name}: use letters, digits and ._- only, a letter or digit first")
    file = (networks_folder() / name if name is not None else directory) / FILE
    if (file.parent / "state.json").exists():
        raise UsageError(
            f"{file.parent} holds a network that this kit made; give this one a name with --name"
        )
    if file.exists() and not replace:
        what = f"the name {name} is taken" if name is not None else f"{directory} has a network"
        raise UsageError(f"{what}: {file} exists; choose another --name, or write it anew with --replace")
    return file


def own_organization(path: Path, profile: ConnectionProfile, mspid: str) -> tuple[str, str]:
    """Name and MSP id of the identity's organisation. Raises UsageError."""
    known = profile.organizations
    if mspid:
        named = [name for name, each in known.items() if each.mspid == mspid]
        if not named:
            have = ", ".join(sorted(each.mspid for each in known.values() if each.mspid)) or "none"
            raise UsageError(f"{path}: no organisation has the MSP id {mspid}; the profile has {have}")
        name = named[0]
    elif profile.client_organization in known:
        name = profile.client_organization
    elif len(known) == 1:
        name = next(iter(known))
    else:
        have = ", ".join(sorted(each.mspid for each in known.values() if each.mspid)) or "none"
        raise UsageError(
            f"{path} does not say whose identity this is; name its MSP with --msp, one of {have}"
        )
    if not known[name].mspid:
        raise UsageError(f"{path}: organisation {name} has no mspid; write it into the profile")
    if not known[name].peers:
        raise UsageError(f"{path}: organisation {name} lists no peer; a profile names one peer of it or more")
    return name, known[name].mspid


async def connect_network(
    path: Path,
    file: Path,
    own: Holder,
    users: Sequence[Holder],
    mspid: str,
    operations: Mapping[str, str],
) -> Connected:
    """Survey the network as the identity, and write its file.

    Raises UsageError, NotThereError; nothing is written then.
    """
    profile = read_profile(path)
    organization, mspid = own_organization(path, profile, mspid)
    found = await survey(
        profile.organizations[organization].peers,
        load_identity(mspid, own.certificate),
        private_key_signer(own.private_key),
    )
    certificates = _Certificates(file.parent)
    peers = _described(found.peers, certificates)
    orderers = _described(found.orderers, certificates)
    every = {each["name"]: each for each in (*peers, *orderers)}
    for node, address in operations.items():
        if node not in every:
            raise UsageError(f"--operations {node}: no such node; there are {', '.join(sorted(every))}")
        every[node]["operations_address"] = address
    members = sorted(
        {member for channel in found.channels.values() for member in channel.organizations} | {mspid}
    )
    names = organization_names(members, {each.mspid: name for name, each in profile.organizations.items()})
    described = {each.name: _user(each) for each in (own, *users)}
    content: dict[str, Any] = {
        "name": file.parent.name if file.parent.parent == networks_folder() else profile.name or organization,
        "backend": CONNECTED,
        "identity": {"organization": organization, "user": own.name},
        "organizations": {
            names[member]: {
                "mspid": member,
                "peers": [
                    each for each, node in zip(peers, found.peers, strict=True) if node.mspid == member
                ],
                "users": described if member == mspid else {},
            }
            for member in members
        },
        "orderers": orderers,
        "channels": {
            name: {
                "organizations": [names[member] for member in channel.organizations],
                "batch_timeout_s": channel.batch_timeout_s,
                **({"market": channel.market} if channel.market else {}),
                "chaincodes": {
                    chaincode: {"version": version, "sequence": sequence}
                    for chaincode, (version, sequence) in channel.chaincodes.items()
                },
            }
            for name, channel in found.channels.items()
        },
    }
    file.parent.mkdir(parents=True, exist_ok=True)
    certificates.write()
    write_atomically(file, json.dumps(content, indent=2) + "\n")
    return Connected(file, organization, found)


def organization_names(members: Sequence[str], named: Mapping[str, str]) -> dict[str, str]:
    """MSP id -> name: the profile's, else the MSP id itself, made different from every name of the profile."""
    names = {mspid: named[mspid] for mspid in members if mspid in named}
    for mspid in members:
        name = mspid
        while mspid not in names and name in names.values():
            name += "-msp"
        names.setdefault(mspid, name)
    return names


class _Certificates:
    """Files beside the network file: TLS authorities, and a TLS client pair where the profile holds one as text."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.absolute() / "tls"
        self._files: dict[Path, tuple[bytes, int]] = {}

    def authority(self, mspid: str, pem: bytes) -> str:
        # An MSP id is what its organisation likes: nothing of it may lead out of the folder.
        name = re.sub(r"[^A-Za-z0-9_-]", "_", mspid)[:100] or "orderers"
        path, number = self._folder / f"{name}.pem", 1
        # A profile may name another authority for one of an organisation's peers.
        while self._files.get(path, (pem, 0))[0] != pem:
            number += 1
            path = self._folder / f"{name}.{number}.pem"
        self._files[path] = pem, 0o644
        return str(path)

    def pair(self, pair: ClientCertificate) -> dict[str, str]:
        return {
            "tls_client_certificate": self._file("client.pem", pair.certificate, 0o644),
            "tls_client_key": self._file("client.key", pair.private_key, 0o600),
        }

    def _file(self, name: str, source: Any, mode: int) -> str:
        if not isinstance(source, bytes):
            return str(Path(source).absolute())
        self._files[self._folder / name] = source, mode
        return str(self._folder / name)

    def write(self) -> None:
        for path, (content, mode) in self._files.items():
            write_atomically(path, content, mode)


def _described(nodes: Sequence[FoundNode], certificates: _Certificates) -> list[dict[str, Any]]:
    described = []
    for name, node in zip(unique_names(nodes), nodes, strict=True):
        endpoint = node.endpoint
        authority = endpoint.tls_ca_cert
        entry: dict[str, Any] = {
            "name": name,
            "mspid": node.mspid,
            "address": endpoint.address,
            "tls_ca_cert": certificates.authority(node.mspid, authority)
            if isinstance(authority, bytes)
            else None,
            "tls_server_name": endpoint.tls_server_name,
        }
        if endpoint.plaintext:
            entry["plaintext"] = True
        if endpoint.client_certificate is not None:
            entry |= certificates.pair(endpoint.client_certificate)
        described.append(entry)
    return described


def _user(holder: Holder) -> dict[str, Any]:
    return {
        "certificate": str(holder.certificate),
        "private_key": str(holder.private_key),
        "role": holder.role,
        "attributes": dict(holder.attributes),
    }
