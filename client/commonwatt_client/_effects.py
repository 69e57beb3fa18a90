# SPDX-License-Identifier: Apache-2.0
"""What the client's core asks of the outside world.

The core's flows are generators: they yield one of these effects, and a transport (asyncio in `_aio`, threads in
`sync._transport`) performs it and sends the result back, or throws `CallFailed`. So every decision about
transactions, retries and events is made once, without I/O, and can be tested without a network.
"""

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, TypeVar

import grpc

from commonwatt_client.signers import Signer

T = TypeVar("T")

DELIVER_METHODS = frozenset(
    {"/protos.Deliver/Deliver", "/protos.Deliver/DeliverFiltered", "/protos.Deliver/DeliverWithPrivateData"}
)
"""The streams that a client opens by writing to them, and not with one request alone."""


@dataclass(frozen=True, slots=True)
class Call:
    """Call a unary method of the peer with this index; the result is the answer's bytes."""

    peer: int
    method: str
    request: bytes
    timeout_s: float | None


@dataclass(frozen=True, slots=True)
class Sign:
    """Have a digest signed; the result is the signature."""

    signer: Signer
    digest: bytes


@dataclass(frozen=True, slots=True)
class Sleep:
    """Wait before a next try."""

    seconds: float


@dataclass(frozen=True, slots=True)
class OpenStream:
    """Open an event stream of the peer with this index and send its one request; the result is the stream."""

    peer: int
    method: str
    request: bytes
    timeout_s: float | None


@dataclass(frozen=True, slots=True)
class Read:
    """Read the next message of a stream: its bytes, or None where the peer ended it."""

    stream: Any


@dataclass(frozen=True, slots=True)
class CloseStream:
    """Cancel a stream."""

    stream: Any


@dataclass(frozen=True, slots=True)
class Emit:
    """Hand a value to the reader of an event stream."""

    value: Any


Effect = Call | Sign | Sleep | OpenStream | Read | CloseStream | Emit
Flow = Generator[Effect, Any, T]


class CallFailed(Exception):
    """A call or stream ended with a gRPC status other than OK."""

    def __init__(self, status: grpc.StatusCode, message: str, details: bytes = b"") -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.details = details
        """The serialised google.rpc.Status of the trailing metadata, where the peer sent one."""
