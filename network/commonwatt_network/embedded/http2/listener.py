"""The door: whom a server lets in, for how long, and how many at once.

A client that never speaks, or speaks once and then stays, costs a socket and a TLS session. So there is a limit of
connections, a time in which each must have shaken hands, and an end for those that are open for nothing.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable

from commonwatt_network.embedded.http2.connection import Connection

log = logging.getLogger(__name__)

MOST_CONNECTIONS = 1000  # of one server, those that still shake hands included
HANDSHAKE_TIMEOUT_S = 20.0
QUIET_TIMEOUT_S = 900.0  # without a call; gRPC clients connect again by themselves when they have one
BACKLOG = 512


class Listener:
    """Accepts connections on `host:port`; `connect` makes each one's protocol."""

    def __init__(self, address: str, tls: ssl.SSLContext, connect: Callable[[], Connection]) -> None:
        """Listens from now on. Raises OSError."""
        host, port = address.rsplit(":", 1)
        host = host.strip("[]")
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.create_server((host, int(port)), family=family, backlog=BACKLOG)
        self._socket.setblocking(False)
        self._tls = tls
        self._connect = connect
        self._full = False
        self._greeting: set[asyncio.Task[None]] = set()
        self.connections: set[Connection] = set()
        self._tasks = [asyncio.create_task(self._accept()), asyncio.create_task(self._end_quiet_ones())]

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                client, address = await loop.sock_accept(self._socket)
            except OSError as error:  # for one, too many open files
                log.error("no connection can be accepted: %s; trying again every second", error.strerror)
                await asyncio.sleep(1)
                continue
            if len(self.connections) >= MOST_CONNECTIONS:
                client.close()
                if not self._full:
                    log.warning("%s is refused: there are %d connections", address[0], MOST_CONNECTIONS)
                self._full = True
                continue
            self._full = False
            connection = self._connect()
            self.connections.add(connection)
            greeting = asyncio.create_task(self._greet(client, connection))
            self._greeting.add(greeting)
            greeting.add_done_callback(self._greeting.discard)

    async def _greet(self, client: socket.socket, connection: Connection) -> None:
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: connection, client, ssl=self._tls, ssl_handshake_timeout=HANDSHAKE_TIMEOUT_S
            )
        except (OSError, asyncio.CancelledError):  # no TLS, no certificate of ours, or nothing said in time
            client.close()
            self.connections.discard(connection)

    async def _end_quiet_ones(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(QUIET_TIMEOUT_S / 4)
            for connection in list(self.connections):
                if not connection.streams and loop.time() - connection.quiet_since_s > QUIET_TIMEOUT_S:
                    connection.go_away()

    async def close(self) -> None:
        """Accept no more; the connections that are open stay."""
        for task in (*self._tasks, *self._greeting):
            task.cancel()
        await asyncio.gather(*self._tasks, *self._greeting, return_exceptions=True)
        self._socket.close()
