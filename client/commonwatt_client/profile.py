# SPDX-License-Identifier: Apache-2.0
"""Peers and users from files: `.commonwatt/network.json`, or a Fabric common connection profile."""

import json
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

from commonwatt_client._connection import ClientCertificate, Peer
from commonwatt_client.errors import ConfigurationError, NoNetworkError
from commonwatt_client.extras import extra
from commonwatt_client.identity import Identity, load_identity
from commonwatt_client.signers import PrivateKeySigner, private_key_signer

FilePath = str | PathLike[str]


def network_file_peers(path: FilePath, organization: str) -> tuple[Peer, ...]:
    """An organisation's peers from a network file; for a connection that many users share."""
    described = _organization(_load(path), organization, path)
    with _reading(path):
        return tuple(
            Peer(
                address=peer["address"],
                tls_ca_cert=Path(peer["tls_ca_cert"]),
                tls_server_name=peer.get("tls_server_name"),
                name=peer.get("name") or "",
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
    profile = _load(path)
    with _reading(path):
        client = _part(profile, "client")
        name = organization or client.get("organization")
        if not name:
            raise ConfigurationError(
                f"{path} names no client.organization; say which organisation's peers to use"
            )
        listed = _organization(profile, name, path).get("peers") or ()
        folder = Path(path).parent
        pair = _profile_pair(_part(_part(client, "tlsCerts"), "client"), folder)
        return tuple(_profile_peer(peer, profile["peers"][peer], folder, pair) for peer in listed)


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
    return folder / described["path"] if described.get("path") else None


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


def _load(path: FilePath) -> Mapping[str, Any]:
    file = Path(path)
    try:
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
