# SPDX-License-Identifier: Apache-2.0
"""How a chaincode server is configured: in code, or by Fabric's standard environment variables."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from .errors import ConfigurationError


@dataclass(frozen=True)
class ServerConfig:
    """Where to listen, as which chaincode, with which certificates.

    ``address`` is host:port. ``chaincode_id`` is the id of the package that peers installed (``label:hash``).
    Without ``tls_cert`` and ``tls_key`` (PEM files) the server refuses to start unless ``plaintext`` says
    that this is meant. ``client_ca_cert`` demands client certificates of that CA (mutual TLS), and
    ``client_certs`` (a PEM file) lets in those very certificates alone. ``clock_error_s`` refuses proposals
    whose date is further from this machine's clock: seconds by channel, or by ``*``, every channel. ``workers``
    above 1 runs the transactions in that many processes behind the one address. ``stop_timeout_s`` bounds the
    wait for transactions in flight when the server stops.
    """

    address: str
    chaincode_id: str
    tls_cert: Path | None = None
    tls_key: Path | None = None
    client_ca_cert: Path | None = None
    plaintext: bool = False
    workers: int = 1
    stop_timeout_s: float = 20.0
    client_certs: Path | None = None
    clock_error_s: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        host, colon, port = self.address.rpartition(":")
        if not (host and colon and port.isdigit() and 0 < int(port) < 65536):
            raise ConfigurationError(
                f"CHAINCODE_SERVER_ADDRESS {self.address!r} is not host:port, such as 0.0.0.0:9999"
            )
        if not self.chaincode_id:
            raise ConfigurationError("CHAINCODE_ID is empty; give the package id that the peer installed")
        if self.workers < 1:
            raise ConfigurationError(f"CHAINCODE_WORKERS is {self.workers}; it takes 1 or more")
        if (self.tls_cert is None) != (self.tls_key is None):
            missing = "CHAINCODE_TLS_CERT" if self.tls_cert is None else "CHAINCODE_TLS_KEY"
            raise ConfigurationError(f"{missing} is missing; TLS takes a certificate and its key")
        if self.client_certs and not self.client_ca_cert:
            raise ConfigurationError(
                "CHAINCODE_CLIENT_CERTS is given without CHAINCODE_CLIENT_CA_CERT, the CA of these certificates"
            )
        if self.plaintext and (self.tls_cert or self.client_ca_cert):
            raise ConfigurationError(
                "CHAINCODE_TLS_DISABLED is true, yet TLS files are given; remove the one or the others"
            )
        if not self.plaintext and self.tls_cert is None:
            raise ConfigurationError(
                "no TLS: give CHAINCODE_TLS_CERT and CHAINCODE_TLS_KEY, or set CHAINCODE_TLS_DISABLED=true "
                "to serve in plaintext"
            )


def config_from_environment(environment: Mapping[str, str] = os.environ) -> ServerConfig:
    """Read Fabric's standard variables; ConfigurationError names the one that is wrong.

    CHAINCODE_SERVER_ADDRESS, CHAINCODE_ID (or CORE_CHAINCODE_ID_NAME), CHAINCODE_TLS_DISABLED (true or
    false), CHAINCODE_TLS_KEY, CHAINCODE_TLS_CERT, CHAINCODE_CLIENT_CA_CERT (paths); and ours,
    CHAINCODE_CLIENT_CERTS (a path), CHAINCODE_CLOCK_ERROR_S (``channel=seconds,...``, or
    ``*=seconds``), CHAINCODE_WORKERS.
    """

    def path(name: str) -> Path | None:
        return Path(environment[name]) if environment.get(name) else None

    address = environment.get("CHAINCODE_SERVER_ADDRESS", "")
    chaincode_id = environment.get("CHAINCODE_ID") or environment.get("CORE_CHAINCODE_ID_NAME", "")
    if not address:
        raise ConfigurationError("CHAINCODE_SERVER_ADDRESS is not set; give host:port")
    if not chaincode_id:
        raise ConfigurationError("CHAINCODE_ID is not set; give the package id that the peer installed")
    disabled = environment.get("CHAINCODE_TLS_DISABLED", "").strip().lower()
    if disabled not in ("", "true", "false", "1", "0"):
        raise ConfigurationError(f"CHAINCODE_TLS_DISABLED is {disabled!r}; it takes true or false")
    workers = environment.get("CHAINCODE_WORKERS") or "1"
    if not workers.isdigit():
        raise ConfigurationError(f"CHAINCODE_WORKERS is {workers!r}; it takes a whole number")
    return ServerConfig(
        address=address,
        chaincode_id=chaincode_id,
        tls_cert=path("CHAINCODE_TLS_CERT"),
        tls_key=path("CHAINCODE_TLS_KEY"),
        client_ca_cert=path("CHAINCODE_CLIENT_CA_CERT"),
        client_certs=path("CHAINCODE_CLIENT_CERTS"),
        clock_error_s=_clock_errors(environment.get("CHAINCODE_CLOCK_ERROR_S", "")),
        plaintext=disabled in ("true", "1"),
        workers=int(workers),
    )


def _clock_errors(text: str) -> dict[str, int]:
    errors = {}
    for part in filter(None, text.split(",")):
        channel, equals, seconds = part.strip().partition("=")
        if not (channel and equals and seconds.isdecimal() and int(seconds) > 0):
            raise ConfigurationError(
                f"CHAINCODE_CLOCK_ERROR_S has {part!r}; it takes channel=seconds,..., such as newtown=30"
            )
        errors[channel] = int(seconds)
    return errors


def log_level_from_environment(environment: Mapping[str, str] = os.environ) -> str:
    """CORE_CHAINCODE_LOGGING_LEVEL, as Fabric names it: debug, info, warning or error; INFO if not set."""
    level = (environment.get("CORE_CHAINCODE_LOGGING_LEVEL") or "info").upper()
    if level not in ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"):
        raise ConfigurationError(
            f"CORE_CHAINCODE_LOGGING_LEVEL is {level!r}; it takes debug, info, warning or error"
        )
    return level
