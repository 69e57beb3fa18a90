# SPDX-License-Identifier: Apache-2.0
"""Which `Host` headers a page takes: a browser must not be led to it under another site's name (DNS rebinding).

A page that listens on 127.0.0.1 is read by every site whose name resolves to 127.0.0.1, unless it asks by which name
it was called. An address cannot be rebound, and nobody else owns the names of this machine.
"""

from __future__ import annotations

import socket
from collections.abc import Collection
from ipaddress import ip_address
from urllib.parse import urlsplit


def is_expected(host: str | None, names: Collection[str] = ()) -> bool:
    """Whether a `Host` header names this machine: by address, as localhost, by its host name or one of `names`."""
    called = _name(host)
    if called is None:
        return False
    if _is_address(called):
        return True
    known = {"localhost", socket.gethostname().lower(), *(name.lower().rstrip(".") for name in names)}
    return called in known


def _name(host: str | None) -> str | None:
    """The header's host in lower case without its port; None for what is no header of one host."""
    if not host or any(letter in host for letter in "/?#@\\ \t,"):
        return None
    try:
        parts = urlsplit(f"//{host}")
        _ = parts.port
    except ValueError:
        return None
    return parts.hostname.rstrip(".") if parts.hostname else None


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
