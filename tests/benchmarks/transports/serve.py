# SPDX-License-Identifier: Apache-2.0
"""Serve one unary method that answers each request with 200 bytes: `serve.py IMPLEMENTATION PORT TLS_DIRECTORY`.

It prints `ready` when it listens. The method does nothing, so what is measured is the transport.
"""

from __future__ import annotations

import asyncio
import ssl
import sys
from pathlib import Path
from typing import Any

SERVICE, METHOD = "benchmark.Echo", "Echo"
PATH = f"/{SERVICE}/{METHOD}"
ANSWER = b"a" * 200
FRAMED = b"\0" + len(ANSWER).to_bytes(4, "big") + ANSWER


def tls_context(directory: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(directory / "server.crt", directory / "server.key")
    context.set_alpn_protocols(["h2"])
    return context


async def serve_own(port: int, tls: Path) -> None:
    """The embedded network's own server."""
    import grpc
    from commonwatt_network.embedded.transport.server import GrpcServer

    async def echo(_request: bytes, _context: Any) -> bytes:
        return ANSWER

    server = GrpcServer()
    handler = grpc.unary_unary_rpc_method_handler(echo, lambda data: data, lambda data: data)
    server.add_registered_method_handlers(SERVICE, {METHOD: handler})
    await server.start(f"127.0.0.1:{port}", tls)


async def serve_grpc_aio(port: int, tls: Path) -> None:
    """grpcio's asyncio server."""
    import grpc

    async def echo(_request: bytes, _context: Any) -> bytes:
        return ANSWER

    server = grpc.aio.server()
    handler = grpc.unary_unary_rpc_method_handler(echo, lambda data: data, lambda data: data)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, {METHOD: handler}),))
    pair = ((tls / "server.key").read_bytes(), (tls / "server.crt").read_bytes())
    server.add_secure_port(f"127.0.0.1:{port}", grpc.ssl_server_credentials([pair]))
    await server.start()
    globals()["kept"] = server


async def serve_grpclib(port: int, tls: Path) -> None:
    """grpclib, which stands on h2."""
    from grpclib.const import Cardinality, Handler
    from grpclib.encoding.base import CodecBase
    from grpclib.server import Server, Stream

    class Raw(CodecBase):
        __content_subtype__ = "proto"

        def encode(self, message: Any, message_type: Any) -> bytes:
            return bytes(message)

        def decode(self, data: bytes, message_type: Any) -> bytes:
            return data

    class Echo:
        async def echo(self, stream: Stream[bytes, bytes]) -> None:
            await stream.recv_message()
            await stream.send_message(ANSWER)

        def __mapping__(self) -> dict[str, Handler]:
            return {PATH: Handler(self.echo, Cardinality.UNARY_UNARY, bytes, bytes)}

    server = Server([Echo()], codec=Raw())
    await server.start("127.0.0.1", port, ssl=tls_context(tls))
    globals()["kept"] = server


async def serve_h2(port: int, tls: Path) -> None:
    """h2's state machine, with the least that a gRPC server needs around it."""
    from h2.config import H2Configuration
    from h2.connection import H2Connection
    from h2.events import DataReceived, StreamEnded
    from h2.exceptions import ProtocolError

    class Protocol(asyncio.Protocol):
        def connection_made(self, transport: Any) -> None:
            self.transport = transport
            self.state = H2Connection(H2Configuration(client_side=False, header_encoding=None))
            self.state.initiate_connection()
            transport.write(self.state.data_to_send())

        def data_received(self, data: bytes) -> None:
            state = self.state
            try:
                events = state.receive_data(data)
            except ProtocolError:
                self.transport.close()
                return
            for event in events:
                if isinstance(event, DataReceived):
                    state.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                elif isinstance(event, StreamEnded):
                    headers = [(b":status", b"200"), (b"content-type", b"application/grpc")]
                    state.send_headers(event.stream_id, headers)
                    state.send_data(event.stream_id, FRAMED)
                    state.send_headers(event.stream_id, [(b"grpc-status", b"0")], end_stream=True)
            self.transport.write(state.data_to_send())

    await asyncio.get_running_loop().create_server(Protocol, "127.0.0.1", port, ssl=tls_context(tls))


async def main(implementation: str, port: int, tls: Path) -> None:
    await globals()[f"serve_{implementation}"](port, tls)
    print("ready", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])))
