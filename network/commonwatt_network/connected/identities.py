# SPDX-License-Identifier: Apache-2.0
"""Identities that the person names: a certificate and its key, or a folder of users as cryptogen writes it."""

from __future__ import annotations

import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import NameOID

from commonwatt_network.errors import UsageError
from commonwatt_network.trust.certificates import attributes_of, days_left

LARGEST_FILE = 64 << 10
MOST_USERS = 10_000
OTHERS_MAY_READ = stat.S_IRGRP | stat.S_IROTH
# A user's folder: where its certificate and its key lie, as cryptogen, fabric-ca-client and this kit have them.
PLACES = (
    ("msp/signcerts", "msp/keystore"),
    ("signcerts", "keystore"),
    ("certificate.pem", "private_key.pem"),
    ("cert.pem", "key.pem"),
)


@dataclass(frozen=True)
class Holder:
    """A user: its files, which stay where they are, and what its certificate says.

    `role` is the certificate's organisational unit (client, admin, peer), empty where it has none.
    """

    name: str
    certificate: Path
    private_key: Path
    role: str
    issuer: str
    attributes: Mapping[str, str] = field(default_factory=dict)

    @property
    def readable_by_others(self) -> bool:
        """Whether other users of this machine may read the private key."""
        return bool(self.private_key.stat().st_mode & OTHERS_MAY_READ)


def read_holder(name: str, certificate: Path, private_key: Path) -> Holder:
    """A user by the two files. `name` empty: the name in the certificate. Raises UsageError."""
    pem = _content(certificate, "certificate")
    try:
        loaded = x509.load_pem_x509_certificate(pem)
        attributes = attributes_of(loaded)
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{certificate} is no X.509 certificate in PEM: {error}") from error
    try:
        key = serialization.load_pem_private_key(_content(private_key, "private key"), None)
    except TypeError as error:
        raise UsageError(f"{private_key} is encrypted; decrypt it with `openssl pkcs8 -in FILE`") from error
    except ValueError as error:
        raise UsageError(f"{private_key} is no private key in PEM: {error}") from error
    if key.public_key() != loaded.public_key():
        raise UsageError(f"{private_key} is not the key of {certificate}; name the two that belong together")
    if days_left(loaded) < 0:
        raise UsageError(f"{certificate} expired on {loaded.not_valid_after_utc.date()}; have it renewed")
    return Holder(
        name or _one(loaded.subject, NameOID.COMMON_NAME).partition("@")[0] or "user",
        certificate.absolute(),
        private_key.absolute(),
        _one(loaded.subject, NameOID.ORGANIZATIONAL_UNIT_NAME),
        _one(loaded.issuer, NameOID.COMMON_NAME),
        {str(key): str(value) for key, value in attributes.items()},
    )


def read_users(folder: Path) -> list[Holder]:
    """The users of a folder that holds a folder of each, named as these are up to `@`. Raises UsageError."""
    try:
        entries = sorted(entry for entry in folder.iterdir() if entry.is_dir())
    except OSError as error:
        raise UsageError(f"{folder}: {error.strerror}") from error
    if len(entries) > MOST_USERS:
        raise UsageError(f"{folder} holds {len(entries)} folders; {MOST_USERS} users are the most")
    found = []
    for entry in entries:
        pair = _pair_in(entry)
        if pair is not None:
            found.append(read_holder(entry.name.partition("@")[0], *pair))
    if not found:
        raise UsageError(
            f"{folder} holds no users; each has a folder with msp/signcerts and msp/keystore, as cryptogen and "
            "fabric-ca-client write them"
        )
    return found


def _pair_in(folder: Path) -> tuple[Path, Path] | None:
    for certificate, key in PLACES:
        pair = _one_file(folder / certificate), _one_file(folder / key)
        if pair[0] is not None and pair[1] is not None:
            return pair[0], pair[1]
    return None


def _one_file(path: Path) -> Path | None:
    """The file, or the newest in the folder: fabric-ca-client leaves a key for each enrolment."""
    if path.is_dir():
        return max((file for file in path.iterdir() if file.is_file()), key=_changed, default=None)
    return path if path.is_file() else None


def _changed(path: Path) -> float:
    return path.stat().st_mtime


def _content(path: Path, what: str) -> bytes:
    try:
        if path.is_dir():
            raise UsageError(f"{path} is a folder; name the file of the {what}")
        with path.open("rb") as file:
            content = file.read(LARGEST_FILE + 1)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}; name the file of the {what}") from error
    if len(content) > LARGEST_FILE:
        raise UsageError(f"{path} is larger than {LARGEST_FILE >> 10} KiB; no {what} is")
    return content


def _one(name: x509.Name, kind: x509.ObjectIdentifier) -> str:
    values = name.get_attributes_for_oid(kind)
    return str(values[0].value) if values else ""
