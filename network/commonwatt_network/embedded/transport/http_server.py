# SPDX-License-Identifier: Apache-2.0
"""An aiohttp application behind the same door as gRPC: operations and channel participation.

Nobody says who he is on the operations port. So a connection keeps its place while it waits for an answer, and else
makes room for others.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Callable
from typing import Any

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from commonwatt_network.embedded.rare_log import RareLog
from commonwatt_network.embedded.transport.listener import Listener, ListenError

MOST_CONNECTIONS, MOST_OF_ONE_ADDRESS = 100, 60
KEEP_ALIVE_S = 50.0  # also the time for a request's head

faults = RareLog(logging.getLogger(__name__))


class HttpConnection(web.RequestHandler):
    """One client of a server; `left` is called once it is gone. aiohttp itself ends connections that are idle."""

    idle_since_s: float | None = None

    def __init__(self, server: web.Server, left: Callable[[HttpConnection], None]) -> None:
        loop = asyncio.get_running_loop()
        super().__init__(server, loop=loop, access_log=None, keepalive_timeout=KEEP_ALIVE_S)  # type: ignore[arg-type]
        self._left = left

    @property
    def is_known(self) -> bool:
        return self._current_request is not None

    def go_away(self) -> None:
        self.close()

    def abort(self) -> None:
        if self.transport is not None:
            self.transport.abort()

    def connection_lost(self, exc: BaseException | None) -> None:
        super().connection_lost(exc)
        self._left(self)

    def log_exception(self, *args: Any, exc_info: Any = None, **_: Any) -> None:
        if not isinstance(exc_info, HttpProcessingError):  # those are the client's, who is told
            faults.report("a request failed unexpectedly", exc_info)


class HttpServer:
    """Serves one application at one address."""

    def __init__(self, application: web.Application) -> None:
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=1)
        self._listener: Listener | None = None

    async def start(self, address: str, tls: ssl.SSLContext | None = None) -> None:
        """Listen on `host:port`. Raises OSError."""
        await self._runner.setup()
        self._listener = Listener(
            address,
            tls,
            self._connection,
            most=MOST_CONNECTIONS,
            most_of_one_address=MOST_OF_ONE_ADDRESS,
        )

    def _connection(self) -> HttpConnection:
        assert self._runner.server is not None
        assert self._listener is not None
        return HttpConnection(self._runner.server, self._listener.left)

    async def stop(self) -> None:
        """Accept no more, and end the connections that are open."""
        if self._listener is not None:
            await self._listener.close()
        await self._runner.cleanup()


async def serve_http(
    name: str, application: web.Application, address: str, tls: ssl.SSLContext | None = None
) -> HttpServer:
    """A server of node `name`. Raises ListenError, and then nothing is left listening."""
    server = HttpServer(application)
    try:
        await server.start(address, tls)
    except OSError as error:
        await server.stop()
        raise ListenError(name, address, error) from error
    return server
