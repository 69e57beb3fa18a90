# SPDX-License-Identifier: Apache-2.0
"""gRPC channels to peers and orderers, and what their failures mean."""

from collections.abc import Callable
from typing import Any, TypeVar

import grpc

from commonwatt_client._aio import OwnLoop
from commonwatt_client._connection import Peer, details_of, endpoint
from commonwatt_client._deadlines import status_at_the_end
from commonwatt_client._failures import parse_details
from commonwatt_client.admin.refusals import refusal
from commonwatt_client.errors import (
    AdminError,
    CommitError,
    ConfigurationError,
    ConnectionClosedError,
    ConnectionFailedError,
    ErrorDetail,
    GatewayError,
    InvalidInputError,
    NotReadyError,
    TimedOutError,
    UnexpectedAnswerError,
)

T = TypeVar("T")


class NodeChannel:
    """A channel to a node; it connects at the first call, in another event loop anew."""

    def __init__(self, node: Peer) -> None:
        try:
            self._node = endpoint(node)
        except ConfigurationError as error:
            raise InvalidInputError(error.message) from error
        self._loop = OwnLoop()
        self._channel: Any = None
        self._closed = False

    @property
    def tls_certificate_hash(self) -> bytes:
        """SHA-256 of the TLS certificate that the node is shown, empty where none is."""
        return self._node.tls_certificate_hash

    def open(self) -> Any:
        """The channel of the loop that runs. Raises ConnectionClosedError after `close`."""
        if self._closed:
            raise ConnectionClosedError(
                f"the connection to {self._node.peer.address} is closed; open another"
            )
        if self._loop.has_changed() or self._channel is None:
            self._channel = self._node.open(grpc.aio.secure_channel, grpc.aio.insecure_channel)
        return self._channel

    async def close(self) -> None:
        """Close the channel; calls under way are cancelled."""
        self._closed = True
        channel, self._channel = self._channel, None
        if channel is not None and self._loop.is_running_one():
            await channel.close()


def read_answer(party: str, read: Callable[[bytes], T], content: bytes) -> T:
    """What a node's answer holds. Raises UnexpectedAnswerError that names the node."""
    try:
        return read(content)
    except UnexpectedAnswerError as error:
        error.party = error.party or party
        raise


def rpc_failure(
    action: str,
    address: str,
    error: grpc.aio.AioRpcError,
    elapsed_s: float = 0.0,
    timeout_s: float | None = None,
) -> AdminError:
    """The typed error for a failed call; `elapsed_s` since a call with a timeout began."""
    text = error.details() or error.code().name
    status = status_at_the_end(error.code(), elapsed_s, timeout_s)
    return _failure(action, address, status, text, parse_details(details_of(error)))


def gateway_failure(action: str, address: str, error: GatewayError) -> AdminError:
    """The typed error for a transaction that failed."""
    failure = _failure(action, address, error.status, error.message, error.details)
    failure.transaction_id = error.transaction_id
    if isinstance(error, CommitError):
        failure.code = error.code
    return failure


def _failure(
    action: str,
    address: str,
    status: grpc.StatusCode | None,
    text: str,
    details: tuple[ErrorDetail, ...],
) -> AdminError:
    if status is grpc.StatusCode.DEADLINE_EXCEEDED:
        return TimedOutError(f"cannot {action}: no answer in time", party=address, status=status)
    failure = refusal(action, address, status, text, *map(str, details))
    if status is grpc.StatusCode.UNAVAILABLE and not details and not isinstance(failure, NotReadyError):
        return ConnectionFailedError(
            f"cannot {action}",
            party=address,
            answer=text,
            advice="check that it runs and that its TLS certificate is of the CA and names given",
            status=status,
        )
    return failure
