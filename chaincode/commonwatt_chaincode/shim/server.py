"""The server that peers dial: configuration, start and stop."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .contract import Contract, Handler
from .dispatch import chaincode
from .errors import ConfigurationError


@dataclass(frozen=True)
class ServerConfig:
    """Where to listen, as which chaincode, with which certificates.

    ``address`` is host:port, port 0 takes a free one. ``chaincode_id`` is the package id that the peer installed
    (``label:hash``). Without ``tls_cert`` and ``tls_key`` the server refuses to start unless ``plaintext`` is set.
    ``client_ca_cert`` demands client certificates of that CA (mutual TLS). ``workers`` above 1 runs the
    transactions in that many processes behind the one address. ``stop_timeout_s`` bounds the wait for
    transactions in flight when the server stops.
    """

    address: str
    chaincode_id: str
    tls_cert: Path | None = None
    tls_key: Path | None = None
    client_ca_cert: Path | None = None
    plaintext: bool = False
    workers: int = 1
    stop_timeout_s: float = 20.0


def config_from_environment(environment: Mapping[str, str] = os.environ) -> ServerConfig:
    """Read Fabric's standard variables; ConfigurationError names the one that is wrong.

    CHAINCODE_SERVER_ADDRESS, CHAINCODE_ID (or CORE_CHAINCODE_ID_NAME), CHAINCODE_TLS_DISABLED, CHAINCODE_TLS_KEY,
    CHAINCODE_TLS_CERT, CHAINCODE_CLIENT_CA_CERT, and CHAINCODE_WORKERS.
    """
    raise NotImplementedError


async def serve(handler: Handler | Contract, config: ServerConfig) -> None:
    """Serve until SIGTERM or SIGINT, then finish what is in flight. ConfigurationError if it cannot start."""
    raise NotImplementedError


def run_from_environment(*contracts: Contract) -> int:
    """Serve contracts as the environment says; an exit code: 0 stopped on request, 2 wrong configuration."""
    raise NotImplementedError


__all__ = [
    "ConfigurationError",
    "ServerConfig",
    "chaincode",
    "config_from_environment",
    "run_from_environment",
    "serve",
]
