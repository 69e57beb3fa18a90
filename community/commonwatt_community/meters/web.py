# SPDX-License-Identifier: Apache-2.0
"""A small HTTP server of the standard library in a thread of its own, whose requests are answered in the event loop.

It is for one household: bodies are bounded, and a browser is not led to it under another site's name.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import NamedTuple

from commonwatt_client.errors import ConfigurationError
from commonwatt_client.page_hosts import is_expected

LARGEST_BODY = 65_536
_ANSWERS_WITHIN_S = 10.0
_HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'self'; img-src data:; frame-ancestors 'none'; base-uri 'none'; "
    "form-action 'self'",
}
_log = logging.getLogger("commonwatt_community")


class Request(NamedTuple):
    """A request whose body is whole; header names are in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


class Response(NamedTuple):
    """An answer."""

    status: int
    body: bytes = b""
    content_type: str = "text/plain; charset=utf-8"


Answers = Callable[[Request], Awaitable[Response]]


@asynccontextmanager
async def serving(host: str, port: int, answers: Answers) -> AsyncIterator[int]:
    """Serve until the block ends; gives the port. ConfigurationError where it cannot be had."""
    loop = asyncio.get_running_loop()

    def answered(request: Request) -> Response:
        future = asyncio.run_coroutine_threadsafe(_answer(answers, request), loop)
        return future.result(_ANSWERS_WITHIN_S)

    class Handler(BaseHTTPRequestHandler):
        timeout = _ANSWERS_WITHIN_S
        server_version = "commonwatt"
        sys_version = ""

        def log_message(self, format: str, *args: object) -> None:
            _log.debug("web: " + format, *args)

        def _take(self) -> None:
            response = self._response()
            self.send_response(response.status)
            for name, value in _HEADERS.items():
                self.send_header(name, value)
            self.send_header("Content-Type", response.content_type)
            self.send_header("Content-Length", str(len(response.body)))
            self.end_headers()
            self.wfile.write(response.body)

        def _response(self) -> Response:
            if not is_expected(self.headers.get("Host")):
                return Response(403, b"this page is called by another name\n")
            length = self.headers.get("Content-Length", "0")
            if not length.isdecimal() or int(length) > LARGEST_BODY:
                self.close_connection = True
                return Response(413, f"a body has at most {LARGEST_BODY} bytes\n".encode())
            headers = {name.lower(): value for name, value in self.headers.items()}
            body = self.rfile.read(int(length))
            try:
                return answered(Request(self.command, self.path.partition("?")[0], headers, body))
            except TimeoutError:
                return Response(503, b"the home does not answer in time\n")

        do_GET = do_POST = _take

    try:
        server = _Server((host, port), Handler)
    except OSError as error:
        raise ConfigurationError(f"nothing can listen on {host}:{port}: {error.strerror}") from error
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
    thread.start()
    try:
        yield int(server.server_address[1])
    finally:
        await asyncio.to_thread(server.shutdown)
        server.server_close()
        thread.join()


async def _answer(answers: Answers, request: Request) -> Response:
    try:
        return await answers(request)
    except Exception:  # whatever a request leads to, it ends neither the server nor the home
        _log.exception("web: %s %s failed", request.method, request.path)
        return Response(500, b"the home cannot answer that\n")


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is no error of the home."""
        _log.debug("web: a request was cut off", exc_info=True)
