# SPDX-License-Identifier: Apache-2.0
"""A bundle: all that a household needs to enrol its home, as a file, and as a QR code for its phone."""

import importlib
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from commonwatt_client.errors import ConfigurationError

from commonwatt_community.secret_file import write_secret

from .codes import HOME, key_of, load_secret, new_code
from .folder import Folder

GOOD_FOR_S = 3_600
"""A bundle is written anew where its code is good for less."""

Json = dict[str, Any]


@dataclass(frozen=True)
class Invited:
    """A home, the id of its network, and until when its code is good."""

    home: str
    net: str
    expires_s: int


def write_bundle(folder: Folder, invited: Invited) -> Path:
    """Write ``bundles/<home>.json``, and ``<home>.png`` where segno is installed; both of mode 0600.

    A file of this home that is there is replaced; its code is good until it expires.
    """
    bundle = bundle_of(folder, invited)
    path = folder.bundles / f"{invited.home}.json"
    write_secret(path, json.dumps(bundle, indent=2).encode() + b"\n")
    if bundle["service"]:
        _write_qr(path.with_suffix(".png"), f"{bundle['service']}/enrol#{bundle['code']}")
    return path


def good_bundle(folder: Folder, home: str) -> Path | None:
    """The home's bundle, if one is there whose code is good for a while and that says what a new one would say."""
    path = folder.bundles / f"{home}.json"
    try:
        said = json.loads(path.read_text("utf-8"))
        expires_s = int(said["code"].split(".")[2])
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return None
    good = expires_s > time.time() + GOOD_FOR_S and said == bundle_of(
        folder, Invited(home, said["net"], expires_s)
    )
    return path if good else None


def bundle_of(folder: Folder, invited: Invited) -> Json:
    """A home's bundle: the service's address and certificate, the home's id, and its one-time code."""
    service = folder.community.service
    key = key_of(load_secret(folder.codes_key), HOME)
    return {
        "service": None if service is None else service.url,
        "service_certificate": None if service is None else _certificate(folder.path / service.certificate),
        "home": invited.home,
        "net": invited.net,
        "channel": folder.community.channel,
        "code": new_code(key, invited.home, invited.expires_s),
        "author": "home",
    }


def _certificate(path: Path) -> str:
    try:
        pem = path.read_text("ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"the service's certificate {path} cannot be read: {error}") from error
    if "-----BEGIN CERTIFICATE-----" not in pem:
        raise ConfigurationError(f"{path} holds no certificate in PEM")
    return pem


def _write_qr(path: Path, address: str) -> None:
    try:
        segno = importlib.import_module("segno")
    except ImportError:
        return  # the extra `service` brings it
    write_secret(path, b"")
    segno.make(address, error="m").save(str(path), kind="png", scale=6)
