# SPDX-License-Identifier: Apache-2.0
"""Ports of one network: a block of its own, below the ephemeral range, kept as long as the network's folder is.

Networks on one machine start their search at different places, so that one that is stopped seldom finds its ports taken
by another. The error then names the program that holds the port, where the system tells it.
A port that is free when it is chosen may be taken before its server listens. So a choice leaves out the ports that the
same network has given to its other servers. A user who starts several networks at the same time gives each of them a
range of its own (`COMMONWATT_PORTS`).
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import socket
from collections.abc import Container, Mapping
from pathlib import Path

import psutil

from commonwatt_network.errors import UsageError
from commonwatt_network.model.nodes import HOST, HOST_6

FIRST, LAST = 10_000, 32_000
STEP = 50
RANGE = "COMMONWATT_PORTS"
NO_SUCH_ADDRESS = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)  # a machine without IPv6


class PortInUseError(UsageError):
    """A port of this network is held by another program."""


def choose_first_port(count: int, directory: Path, given: Container[int] = ()) -> int:
    """The first of `count` consecutive free ports; the search starts at a place that depends on `directory`.

    Ports in `given` belong to servers that may not listen yet, and are left out.

    Raises PortInUseError where there are none, UsageError where `COMMONWATT_PORTS` is no range.
    """
    lowest, highest = _range()
    places = max(0, highest - lowest - count) // STEP
    start = int.from_bytes(hashlib.sha256(str(directory).encode()).digest()[:4])
    for offset in range(places):
        first = lowest + (start + offset) % places * STEP
        if all(port not in given and is_free(port) for port in range(first, first + count)):
            return first
    raise PortInUseError(f"no {count} consecutive free ports between {lowest} and {highest}")


def _range() -> tuple[int, int]:
    """Where to look for ports: all of them below the ephemeral range, or what `COMMONWATT_PORTS` says."""
    text = os.environ.get(RANGE, "")
    if not text:
        return FIRST, LAST
    found = re.fullmatch(r"([0-9]{4,5})-([0-9]{4,5})", text)
    if not found or not 1024 <= int(found[1]) < int(found[2]) <= LAST:
        raise UsageError(
            f"{RANGE}={text}: give a range of ports between 1024 and {LAST}, such as 12000-13999"
        )
    return int(found[1]), int(found[2])


def is_free(port: int) -> bool:
    """Whether a server could listen on `port` of the loopback interface now, by IPv4 and IPv6."""
    return _can_bind(socket.AF_INET, HOST, port) and _can_bind(socket.AF_INET6, HOST_6.strip("[]"), port)


def _can_bind(family: socket.AddressFamily, host: str, port: int) -> bool:
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except OSError as error:
        return error.errno in NO_SUCH_ADDRESS
    return True


def require_free(ports: Mapping[int, str]) -> None:
    """Raise PortInUseError naming the first busy port, who wants it and, where known, who holds it."""
    for port, wanted_by in sorted(ports.items()):
        if not is_free(port):
            raise PortInUseError(
                f"port {port}, which {wanted_by} listens on, is in use{_holder(port)}; stop that program, or give the "
                "network other ports (`ports` in the topology, after `make network-reset`)"
            )


def _holder(port: int) -> str:
    try:
        for connection in psutil.net_connections("tcp4"):
            held = connection.laddr and connection.laddr.port == port
            if held and connection.status == psutil.CONN_LISTEN and connection.pid:
                return f" by {psutil.Process(connection.pid).name()} (process {connection.pid})"
    except (psutil.Error, OSError):
        pass
    return ""
