"""Ports of one network: a block of its own, below the ephemeral range, kept as long as the network's folder is.

Networks on one machine start their search at different places, so that one that is stopped seldom finds its ports taken
by another; when that happens it is said, with the name of the program that holds the port where the system tells it.
"""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Mapping
from pathlib import Path

import psutil

from commonwatt_network.errors import UsageError
from commonwatt_network.nodes import HOST

FIRST, LAST = 10_000, 32_000
STEP = 50


class PortInUseError(UsageError):
    """A port of this network is held by another program."""


def choose_first_port(count: int, directory: Path) -> int:
    """The first of `count` consecutive free ports; the search starts at a place that depends on `directory`."""
    places = (LAST - FIRST - count) // STEP
    start = int.from_bytes(hashlib.sha256(str(directory).encode()).digest()[:4]) % places
    for offset in range(places):
        first = FIRST + (start + offset) % places * STEP
        if all(is_free(port) for port in range(first, first + count)):
            return first
    raise PortInUseError(f"no {count} consecutive free ports between {FIRST} and {LAST}")


def is_free(port: int) -> bool:
    """Whether a server could listen on `port` of the loopback interface now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def require_free(ports: Mapping[int, str]) -> None:
    """Raise PortInUseError naming the first busy port, who wants it and, where known, who holds it."""
    for port, wanted_by in sorted(ports.items()):
        if not is_free(port):
            raise PortInUseError(
                f"port {port}, which {wanted_by} listens on, is in use{_holder(port)}; stop that program, or give the "
                "network other ports (`ports: {first: N}` in the topology, after `make network-reset`)"
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
