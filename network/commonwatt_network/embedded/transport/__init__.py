# SPDX-License-Identifier: Apache-2.0
"""HTTP/2 and gRPC for asyncio: what a peer's and an orderer's callers talk to, and how a peer talks to chaincode.

Half of an embedded peer's processor time went into a general gRPC library's event loop. This transport serves the same
servicers on asyncio's own loop: it takes what the generated `add_..._to_server` functions register. It writes all that
one turn of the loop produces at once, and answers an ordinary call in one piece. RFC 9113 (HTTP/2), RFC 7541 (HPACK,
by the hpack library) and the gRPC protocol ("gRPC over HTTP2") say what it does; messages may not be compressed.

    frames, metadata        bytes of frames and of headers
    stream, protocol, ends  one call; what both ends of a connection have in common; server and client. No I/O
    connection              a protocol on an asyncio connection
    calls, server           calls that are served, and the servicers that serve them
    client                  one long call: the link to a chaincode server
    listener, budget        whom a server lets in, and how much memory unfinished requests may hold
    http_server, operations HTTP/1.1 behind the same listener: health, metrics, channel participation
"""
