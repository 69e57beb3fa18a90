"""gRPC channels to peers and orderers, and what their failures mean."""

from typing import Any

import grpc

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
from commonwatt_client.errors import ConfigurationError, ErrorDetail, GatewayError


def open_channel(
    address: str,
    tls_ca: bytes,
    server_name: str | None,
    client_certificate: bytes | None,
    client_key: bytes | None,
) -> Any:
    """A TLS channel; it connects at its first call."""
    pair = None
    if client_certificate is not None and client_key is not None:
        pair = ClientCertificate(client_certificate, client_key)
    try:
        node = endpoint(Peer(address, tls_ca_cert=tls_ca, tls_server_name=server_name), pair)
    except ConfigurationError as error:
        raise InvalidInputError(str(error)) from error
    return node.open(grpc.aio.secure_channel, grpc.aio.insecure_channel)


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
