# SPDX-License-Identifier: Apache-2.0
"""Peers and users from files: `.commonwatt/network.json`, or a Fabric common connection profile."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from commonwatt_client._connection import ClientCertificate, Peer
from commonwatt_client.errors import ConfigurationError, NoNetworkError
from commonwatt_client.extras import extra
from commonwatt_client.identity import Identity, load_identity
from commonwatt_client.signers import PrivateKeySigner, private_key_signer

FilePath = str | PathLike[str]
_LONGEST_FILE = 4 << 20


@dataclass(frozen=True)
class ProfileOrganization:
    """An organisation of a connection profile: its MSP id and its peers, in the profile's order."""

    mspid: str
    peers: tuple[Peer, ...]


@dataclass(frozen=True)
class ConnectionProfile:
    """The contents of a connection profile: `client_organization` is empty where it names none."""

    name: str
    client_organization: str
    organizations: Mapping[str, ProfileOrganization]
    orderers: tuple[Peer, ...]


def read_profile(path: FilePath) -> ConnectionProfile:
    """A common connection profile (YAML or JSON), or the `network-config` file of Node's SDK 1.0.

    Raises ConfigurationError.

    ::

        from commonwatt_client.profile import read_profile

        print(read_profile(".commonwatt/profiles/newtown.yaml").organizations["newtown"].mspid)
    """
    profile = _load_profile(path)
    with _reading(path):
        organizations = {
            str(name): ProfileOrganization(
                str(described.get("mspid") or described.get("mspId") or ""), _peers(profile, str(name), path)
            )
            for name, described in _part(profile, "organizations").items()
            if isinstance(described, dict)
        }
        pair = _client_pair(profile, Path(path).parent)
        orderers = tuple(
            _profile_peer(name, described, Path(path).parent, pair)
            for name, described in _part(profile, "orderers").items()
            if not name.startswith("_")  # Go's SDK keeps defaults under such a name
        )
        named = _part(profile, "client").get("organization") or ""
        return ConnectionProfile(str(profile.get("name") or ""), str(named), organizations, orderers)


def network_file_peers(path: FilePath, organization: str) -> tuple[Peer, ...]:
    """An organisation's peers from a network file; for a connection that many users share."""
    described = _organization(_load(path), organization, path)
    with _reading(path):
        return tuple(
            Peer(
                address=peer["address"],
                tls_ca_cert=None if peer["tls_ca_cert"] is None else Path(peer["tls_ca_cert"]),
                tls_server_name=peer.get("tls_server_name"),
                name=peer.get("name") or "",
                plaintext=bool(peer.get("plaintext")),
                client_certificate=_network_file_pair(peer),
            )
            for peer in described["peers"] or ()
        )


def _network_file_pair(peer: Mapping[str, Any]) -> ClientCertificate | None:
    if peer.get("tls_client_certificate") is None:
        return None
    return ClientCertificate(Path(peer["tls_client_certificate"]), Path(peer["tls_client_key"]))


def network_file_user(path: FilePath, organization: str, user: str) -> tuple[Identity, PrivateKeySigner]:
    """The identity and signer of an organisation's user from a network file."""
    described = _organization(_load(path), organization, path)
    with _reading(path):
        users = _part(described, "users")
    if user not in users:
        raise ConfigurationError(
            f"{path}: organisation {organization} has no user {user}; it has {_listed(users)}"
        )
    with _reading(path):
        identity = load_identity(described["mspid"], Path(users[user]["certificate"]))
        return identity, private_key_signer(Path(users[user]["private_key"]))


def profile_peers(path: FilePath, organization: str | None = None) -> tuple[Peer, ...]:
    """An organisation's peers from a common connection profile."""
    profile = _load_profile(path)
    with _reading(path):
        name = organization or _part(profile, "client").get("organization")
        if not name:
            raise ConfigurationError(
                f"{path} names no client.organization; say which organisation's peers to use"
            )
        return _peers(profile, name, path)


def _peers(profile: Mapping[str, Any], organization: str, path: FilePath) -> tuple[Peer, ...]:
    listed = _organization(profile, organization, path).get("peers") or ()
    folder = Path(path).parent
    pair = _client_pair(profile, folder)
    return tuple(_profile_peer(peer, profile["peers"][peer], folder, pair) for peer in listed)


def _client_pair(profile: Mapping[str, Any], folder: Path) -> ClientCertificate | None:
    return _profile_pair(_part(_part(_part(profile, "client"), "tlsCerts"), "client"), folder)


def _profile_pair(described: Mapping[str, Any], folder: Path) -> ClientCertificate | None:
    """The profile's `client.tlsCerts.client`."""
    if described.get("cert") is None:
        return None
    certificate, key = (_profile_pem(_part(described, name), folder) for name in ("cert", "key"))
    if certificate is None or key is None:
        raise ConfigurationError("client.tlsCerts.client needs cert and key, each with a path or pem")
    return ClientCertificate(certificate, key)


def _part(described: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """A section of a file; one without content (`null`, or a YAML key with nothing after it) is as good as none."""
    part: Mapping[str, Any] | None = described.get(name)
    return {} if part is None else part


def _profile_pem(described: Mapping[str, Any], folder: Path) -> bytes | Path | None:
    """A profile's PEM text or path."""
    pem = described.get("pem")
    if pem:
        return ("\n".join(pem) if isinstance(pem, list) else pem).encode()
    if not described.get("path"):
        return None
    named = os.path.expandvars(described["path"])  # Go's SDK writes ${VARIABLES}
    beside = folder / named
    return Path(named) if not os.path.exists(beside) and os.path.exists(named) else beside


def _profile_peer(
    name: str, described: Mapping[str, Any], folder: Path, pair: ClientCertificate | None
) -> Peer:
    scheme, separator, address = described["url"].partition("://")
    if not separator:
        scheme, address = "grpcs", described["url"]
    if scheme not in ("grpc", "grpcs"):
        raise ConfigurationError(f"peer {name} has the url {described['url']}; it must start with grpcs://")
    options = _part(described, "grpcOptions")
    server_name = next((options[key] for key in _SERVER_NAME_OPTIONS if options.get(key)), None)
    return Peer(
        address=address.rstrip("/"),
        tls_ca_cert=_profile_pem(_part(described, "tlsCACerts"), folder),
        tls_server_name=server_name,
        name=name,
        plaintext=scheme == "grpc",
        client_certificate=pair,
    )


_SERVER_NAME_OPTIONS = ("ssl-target-name-override", "grpc.ssl_target_name_override", "hostnameOverride")


def _load_profile(path: FilePath) -> Mapping[str, Any]:
    """A profile as SDKs since Fabric 1.1 write it."""
    profile = _load(path)
    with _reading(path):
        former = profile.get("network-config")
        return profile if former is None else _from_network_config(former)


def _from_network_config(former: Mapping[str, Any]) -> Mapping[str, Any]:
    """What Node's SDK 1.0 called `network-config`: organisations by any name, each with its peers inside."""
    profile: dict[str, Any] = {"organizations": {}, "peers": {}, "orderers": {}}
    for name, described in former.items():
        if name.startswith("orderer"):
            profile["orderers"][described.get("server-hostname") or name] = _former_node(described, "url")
        elif isinstance(described, dict) and "mspid" in described:
            nodes = {
                each.get("server-hostname") or f"{peer}.{name}": _former_node(each, "requests")
                for peer, each in (described.get("peers") or described).items()
                if isinstance(each, dict) and "requests" in each
            }
            profile["organizations"][name] = {"mspid": described["mspid"], "peers": list(nodes)}
            profile["peers"] |= nodes
    return profile


def _former_node(described: Mapping[str, Any], url: str) -> dict[str, Any]:
    name = described.get("server-hostname")
    return {
        "url": described[url],
        "tlsCACerts": {"path": described.get("tls_cacerts")},
        "grpcOptions": {"ssl-target-name-override": name} if name else {},
    }


def _load(path: FilePath) -> Mapping[str, Any]:
    file = Path(path)
    try:
        if file.stat().st_size > _LONGEST_FILE:
            raise ConfigurationError(f"{file} is larger than {_LONGEST_FILE >> 20} MiB; no network file is")
        text = file.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise NoNetworkError(f"{file} does not exist; start a network first (`make network-up`)") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"cannot read {file}: {error}") from error
    try:
        content = json.loads(text) if file.suffix == ".json" else _yaml(text)
    except (ValueError, RecursionError) as error:
        raise ConfigurationError(f"{file} is not the JSON or YAML it should be: {error}") from error
    if not isinstance(content, dict):
        raise ConfigurationError(f"{file} describes no network: it holds no mapping")
    return content


def _yaml(text: str) -> Any:
    """Raises ValueError."""
    extra("yaml", "profile", "a connection profile in YAML")
    from commonwatt_client.bounded_yaml import UnreadableYamlError, read_yaml

    try:
        return read_yaml(text)[0]
    except UnreadableYamlError as error:
        raise ValueError(str(error)) from error


def _organization(content: Mapping[str, Any], organization: str, path: FilePath) -> Mapping[str, Any]:
    listed = content.get("organizations")
    organizations = listed if isinstance(listed, dict) else {}
    known = {name: described for name, described in organizations.items() if isinstance(described, dict)}
    if organization not in known:
        raise ConfigurationError(f"{path}: no organisation {organization}; it has {_listed(known)}")
    described: Mapping[str, Any] = known[organization]
    return described


def _listed(names: Mapping[str, Any]) -> str:
    shown = sorted(map(str, names))
    return ", ".join(shown[:8]) + (f" and {len(shown) - 8} more" if len(shown) > 8 else "") or "none"


class _reading:
    """Turns a missing or mistyped field into one clear line."""

    def __init__(self, path: FilePath) -> None:
        self._path = path

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, KeyError):
            raise ConfigurationError(
                f"{self._path}: the field {error} is missing; write the file anew"
            ) from error
        if isinstance(error, TypeError | AttributeError):
            raise ConfigurationError(f"{self._path}: a field has the wrong type: {error}") from error
