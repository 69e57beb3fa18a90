# SPDX-License-Identifier: Apache-2.0
"""`/healthz` and `/metrics` of an operator, on this machine's loopback address alone."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from commonwatt_client.exit_codes import UsageError
from commonwatt_client.page_hosts import is_expected

from .telling import Telling

LOOPBACK = "127.0.0.1"
LONGEST_REQUEST = 8_192
LONGEST_WAIT_S = 5.0


@asynccontextmanager
async def page(telling: Telling, port: int) -> AsyncIterator[int]:
    """Serve until the block ends; the port, which 0 leaves to the system. UsageError for a port that is taken."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(LONGEST_WAIT_S):
                head = await reader.readuntil(b"\r\n\r\n")
                writer.write(_answer(head, telling))
                await writer.drain()
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError, ConnectionError):
            pass  # it asked for nothing
        finally:
            writer.close()

    try:
        server = await asyncio.start_server(answer, LOOPBACK, port, limit=LONGEST_REQUEST)
    except (OSError, OverflowError) as error:
        raise UsageError(f"--port {port}: {LOOPBACK}:{port} cannot be listened on: {error}") from error
    async with server:
        yield int(server.sockets[0].getsockname()[1])


def _answer(head: bytes, telling: Telling) -> bytes:
    request, *headers = head.decode("latin-1").split("\r\n")
    method, _, rest = request.partition(" ")
    path = rest.partition(" ")[0].partition("?")[0]
    hosts = [line.partition(":")[2].strip() for line in headers if line.lower().startswith("host:")]
    if len(hosts) != 1 or not is_expected(hosts[0]):
        return _response(421, "text/plain", "this page belongs to another host\n")
    if method != "GET":
        return _response(405, "text/plain", "GET alone\n")
    if path == "/healthz":
        ill = telling.ill()
        return _response(503 if ill else 200, "text/plain", "\n".join(ill or ["well"]) + "\n")
    if path == "/metrics":
        return _response(200, "text/plain; version=0.0.4", telling.metrics())
    return _response(404, "text/plain", "/healthz, /metrics\n")


def _response(status: int, kind: str, body: str) -> bytes:
    words = {200: "OK", 404: "Not Found", 405: "Method Not Allowed", 421: "Misdirected Request"}
    content = body.encode()
    head = (
        f"HTTP/1.1 {status} {words.get(status, 'Service Unavailable')}\r\nContent-Type: {kind}; charset=utf-8\r\n"
        f"Content-Length: {len(content)}\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n"
    )
    return head.encode("latin-1") + content
