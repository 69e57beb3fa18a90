# SPDX-License-Identifier: Apache-2.0
"""The door: whom a server lets in, for how long, and how many at once.

A client that never speaks, or speaks once and then stays, costs a socket and a TLS session. So there is a limit of
connections, of all clients and of each address. Each must have shaken hands within a time, and one that is open for
nothing is closed. When a limit is reached, the connection that came first among those that have not earned
their place makes room for the next.
"""

from __future__ import annotations

import asyncio
import logging
import resource
import socket
import ssl
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol, cast
from weakref import WeakSet

from commonwatt_network.embedded.background import BackgroundTasks

log = logging.getLogger(__name__)

MOST_CONNECTIONS = 1000  # of one server, those that still shake hands included
MOST_OF_ONE_ADDRESS = 800
HANDSHAKE_TIMEOUT_S = 20.0
STRANGER_TIMEOUT_S = 60.0  # without a call, where no member has ever spoken on the connection
QUIET_TIMEOUT_S = 900.0  # without a call; gRPC clients connect again by themselves when they have one
RESERVED_FILES = 200  # for ledgers, chaincode and logs
BACKLOG = 512


class Guest(Protocol):
    """A connection as the door sees it: an `asyncio.Protocol`."""

    @property
    def is_known(self) -> bool:
        """Whether it has earned its place: it does not make room for others."""

    @property
    def idle_since_s(self) -> float | None:
        """Since when it has done nothing, by the event loop's clock; None while it does something."""

    def go_away(self) -> None:
        """Close once nothing is under way."""

    def abort(self) -> None:
        """Close now."""


@dataclass(eq=False, slots=True)
class Visit:
    """`greeting` runs until hands are shaken."""

    address: str
    greeting: asyncio.Task[None] | None = None


class ListenError(Exception):
    """An address cannot be listened on; the message names the node, the address and the reason."""

    def __init__(self, name: str, address: str, error: OSError) -> None:
        super().__init__(
            f"{name} cannot listen on {address}: {error.strerror or error}; "
            "stop what uses the port or choose another"
        )


class Listener:
    """Accepts connections on `host:port`; `connect` makes each one's protocol, which tells `left` when it ends."""

    def __init__(
        self,
        address: str,
        tls: ssl.SSLContext | None,
        connect: Callable[[], Guest],
        *,
        most: int | None = None,
        most_of_one_address: int | None = None,
    ) -> None:
        """Listens from now on. Raises OSError. The limits are those above unless they are given."""
        host, port = address.rsplit(":", 1)
        host = host.strip("[]")
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.create_server((host, int(port)), family=family, backlog=BACKLOG)
        self._socket.setblocking(False)
        self._tls = tls
        self._connect = connect
        self._most = most or MOST_CONNECTIONS
        self._most_of_one_address = most_of_one_address or MOST_OF_ONE_ADDRESS
        self._full = False
        self._visits: dict[Guest, Visit] = {}  # the oldest first
        self._of_address: Counter[str] = Counter()
        _open_listeners.add(self)
        self._background = BackgroundTasks(f"the listener at {address}")
        self._tasks = [
            self._background.start(self._accept(), "accepting connections"),
            self._background.start(self._end_quiet_ones(), "ending quiet connections"),
        ]

    @property
    def failures(self) -> list[str]:
        """What it no longer does, in words; empty while it is healthy."""
        return self._background.failures

    @property
    def connections(self) -> list[Guest]:
        return list(self._visits)

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        failing = False
        while True:
            try:
                client, address = await loop.sock_accept(self._socket)
            except OSError as error:  # for one, too many open files
                if not failing:
                    log.error("no connection can be accepted: %s; trying again every second", error.strerror)
                failing = True
                await asyncio.sleep(1)
                continue
            failing = False
            if self._make_room(address[0]):
                self._full = False
                self._admit(client, address[0])
                continue
            client.close()
            if not self._full:
                log.warning("%s is refused: there are %d connections", address[0], len(self._visits))
            self._full = True

    def _make_room(self, address: str) -> bool:
        """Whether one more may come from `address`, after another has gone if need be."""
        if self._of_address[address] >= self._most_of_one_address:
            return self._dismiss_stranger({address})
        if len(self._visits) < min(self._most, _file_limit()):
            return True
        strangers = Counter(visit.address for guest, visit in self._visits.items() if not guest.is_known)
        most = max(strangers.values(), default=0)
        return self._dismiss_stranger({of for of, count in strangers.items() if count == most})

    def _dismiss_stranger(self, addresses: Iterable[str]) -> bool:
        """End the oldest connection of these addresses that has not earned its place; False if there is none."""
        for guest, visit in self._visits.items():
            if visit.address in addresses and not guest.is_known:
                if visit.greeting is not None:
                    visit.greeting.cancel()
                guest.abort()
                self.left(guest)
                return True
        return False

    def _admit(self, client: socket.socket, address: str) -> None:
        guest = self._connect()
        visit = self._visits[guest] = Visit(address)
        self._of_address[address] += 1
        visit.greeting = asyncio.create_task(self._greet(client, guest, visit))

    async def _greet(self, client: socket.socket, guest: Guest, visit: Visit) -> None:
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: cast(asyncio.Protocol, guest),
                client,
                ssl=self._tls,
                ssl_handshake_timeout=HANDSHAKE_TIMEOUT_S if self._tls is not None else None,
            )
        except (OSError, asyncio.CancelledError):  # no TLS, no certificate of ours, or nothing said in time
            client.close()
            self.left(guest)
        finally:
            visit.greeting = None

    def left(self, guest: Guest) -> None:
        """A connection has ended."""
        visit = self._visits.pop(guest, None)
        if visit is not None:
            self._of_address[visit.address] -= 1
            if not self._of_address[visit.address]:
                del self._of_address[visit.address]

    async def _end_quiet_ones(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(min(QUIET_TIMEOUT_S, STRANGER_TIMEOUT_S) / 4)
            for guest, visit in list(self._visits.items()):
                longest_s = QUIET_TIMEOUT_S if guest.is_known else STRANGER_TIMEOUT_S
                since_s = guest.idle_since_s
                if visit.greeting is None and since_s is not None and loop.time() - since_s > longest_s:
                    guest.go_away()

    async def close(self) -> None:
        """Accept no more; the connections that are open stay."""
        _open_listeners.discard(self)
        greetings = [visit.greeting for visit in self._visits.values() if visit.greeting is not None]
        for task in (*self._tasks, *greetings):
            task.cancel()
        await asyncio.gather(*self._tasks, *greetings, return_exceptions=True)
        self._socket.close()


_open_listeners: WeakSet[Listener] = WeakSet()


def _file_limit() -> int:
    """How many connections one listener of this process may have, so that all leave files for everything else."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return MOST_CONNECTIONS
    return max(10, (soft - RESERVED_FILES) // max(1, len(_open_listeners)))
