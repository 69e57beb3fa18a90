"""gRPC channels to peers and orderers, and what their failures mean."""

from typing import Any

import grpc

from commonwatt_client._aio import OwnLoop
from commonwatt_client._connection import ClientCertificate, Peer, details_of, endpoint
from commonwatt_client._failures import parse_details
from commonwatt_client.admin.errors import (
    AdminError,
    ConnectionFailedError,
    InvalidInputError,
    NotReadyError,
    TimedOutError,
)
from commonwatt_client.admin.refusals import refusal
from commonwatt_client.errors import (
    ConfigurationError,
    ConnectionClosedError,
    ErrorDetail,
    GatewayError,
)


class NodeChannel:
    """A TLS channel to a node; it connects at the first call, in another event loop anew."""

    def __init__(
        self,
        address: str,
        tls_ca: bytes,
        server_name: str | None,
        client_certificate: bytes | None,
        client_key: bytes | None,
    ) -> None:
        pair = None
        if client_certificate is not None and client_key is not None:
            pair = ClientCertificate(client_certificate, client_key)
        try:
            self._node = endpoint(Peer(address, tls_ca_cert=tls_ca, tls_server_name=server_name), pair)
        except ConfigurationError as error:
            raise InvalidInputError(str(error)) from error
        self._loop = OwnLoop()
        self._channel: Any = None
        self._closed = False

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


def rpc_failure(action: str, address: str, error: grpc.aio.AioRpcError) -> AdminError:
    """The typed error for a failed call."""
    text = error.details() or error.code().name
    return _failure(action, address, error.code(), text, parse_details(details_of(error)))


def gateway_failure(action: str, address: str, error: GatewayError) -> AdminError:
    """The typed error for a transaction that failed."""
    return _failure(action, address, error.status, error.message, error.details)


def _failure(
    action: str, address: str, code: grpc.StatusCode | None, text: str, details: tuple[ErrorDetail, ...]
) -> AdminError:
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return TimedOutError(f"cannot {action}: no answer in time", party=address)
    failure = refusal(action, address, code.value[0] if code else 0, text, *map(str, details))
    if code is grpc.StatusCode.UNAVAILABLE and not details and not isinstance(failure, NotReadyError):
        return ConnectionFailedError(
            f"cannot {action}",
            party=address,
            answer=text,
            advice="check that it runs and that its TLS certificate is of the CA and names given",
        )
    return failure
