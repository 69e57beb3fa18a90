# SPDX-License-Identifier: Apache-2.0
"""Where nodes are reached: a DNS name, an IPv4 address or an IPv6 address, and a port.

Fabric puts host and port together with a colon, whatever the host is. So an IPv6 address is kept in brackets
everywhere: in descriptions, bundles, channels' configurations and certificates' comparisons.
"""

from __future__ import annotations

import re
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import Annotated

from pydantic import BeforeValidator, WithJsonSchema

LABEL = r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
NAME = re.compile(rf"^(?=.{{1,253}}$){LABEL}(\.{LABEL})*$")
IPV6 = re.compile(r"^\[[0-9a-f:]+\]$")  # as `in_brackets` gives it; no zone, which is one machine's alone
WORDS = "the DNS name, IPv4 or IPv6 address by which a node is reached"


def split_address(address: str) -> tuple[str, int]:
    """Host and port, as sockets take them: without brackets."""
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


def in_brackets(host: str) -> str:
    """The host as an address has it: an IPv6 address in brackets, in its shortest form; anything else unchanged."""
    try:
        bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
        return f"[{IPv6Address(bare)}]"
    except AddressValueError:
        return host


def is_name(host: str) -> bool:
    """Whether the host is a DNS name. A last part of digits makes it an IPv4 address, right or wrong."""
    return bool(NAME.match(host)) and not host.rpartition(".")[2].isdigit()


def _host(value: object) -> str:
    host = in_brackets(value) if isinstance(value, str) else ""
    if not (IPV6.match(host) or is_name(host) or _is_ipv4(host)):
        raise ValueError(f"{value!r} is not {WORDS}")
    return host


def _is_ipv4(host: str) -> bool:
    try:
        IPv4Address(host)
    except AddressValueError:
        return False
    return True


HostName = Annotated[str, BeforeValidator(_host), WithJsonSchema({"type": "string", "description": WORDS})]
