"""A gRPC server over HTTP/2 for asyncio: what a peer's callers talk to.

Half of an embedded peer's processor time went into a general gRPC library's event loop. This server runs the same
servicers (it takes what the generated `add_..._to_server` functions register) on asyncio's own loop, writes all that
one turn of the loop produces at once, and answers an ordinary call in one piece. RFC 9113 (HTTP/2), RFC 7541 (HPACK,
by the hpack library) and the gRPC protocol ("gRPC over HTTP2") say what it does; requests may not be compressed.
"""
