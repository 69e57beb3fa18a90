"""gRPC channels to peers and orderers, and what their failures mean."""

from typing import Any

import grpc

from commonwatt_client.admin.errors import AdminError, ConnectionFailedError, RefusedError, TimedOutError

_LARGEST_MESSAGE_BYTES = 100 << 20


def open_channel(
    address: str,
    tls_ca: bytes,
    server_name: str | None,
    client_certificate: bytes | None,
    client_key: bytes | None,
) -> Any:
    """A TLS channel; it connects at its first call."""
    credentials = grpc.ssl_channel_credentials(tls_ca, client_key, client_certificate)
    options: list[tuple[str, Any]] = [
        ("grpc.max_receive_message_length", _LARGEST_MESSAGE_BYTES),
        ("grpc.max_send_message_length", _LARGEST_MESSAGE_BYTES),
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.max_reconnect_backoff_ms", 1000),
    ]
    if server_name:
        options.append(("grpc.ssl_target_name_override", server_name))
    return grpc.aio.secure_channel(address, credentials, options)


def rpc_failure(action: str, address: str, error: grpc.aio.AioRpcError) -> AdminError:
    """The typed error for a failed call."""
    code, details = error.code(), error.details() or error.code().name
    if code is grpc.StatusCode.UNAVAILABLE:
        return ConnectionFailedError(
            f"cannot {action}",
            party=address,
            answer=details,
            advice="check that it runs and that its TLS certificate is of the CA and names given",
        )
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return TimedOutError(f"cannot {action}: no answer in time", party=address)
    return RefusedError(f"cannot {action}", party=address, answer=details, status=code.value[0])
