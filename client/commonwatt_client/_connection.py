# SPDX-License-Identifier: Apache-2.0
"""Peers, and the gRPC channels to them."""

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import grpc

from commonwatt_client.errors import ConfigurationError
from commonwatt_client.identity import Pem, certificate_hash, read_pem

_log = logging.getLogger("commonwatt_client")

STATUS_DETAILS_KEY = "grpc-status-details-bin"

CHANNEL_OPTIONS: tuple[tuple[str, int], ...] = (
    ("grpc.max_receive_message_length", 100 << 20),  # Fabric's own limit
    ("grpc.max_send_message_length", 100 << 20),
    # A refusal's details travel in the trailing metadata, which gRPC takes at most 8 KiB of unless told otherwise; 16
    # MiB is the most that it can be told. Below the first limit nothing is refused, between the two it is by chance.
    ("grpc.max_metadata_size", 16 << 20),
    ("grpc.absolute_max_metadata_size", 16 << 20),
    ("grpc.initial_reconnect_backoff_ms", 100),
    # Despite its name this is how long one attempt to connect may take. Over a slow line, or to a busy machine, the
    # handshakes of TCP, TLS and HTTP/2 take seconds; an attempt that is given up sooner never succeeds.
    ("grpc.min_reconnect_backoff_ms", 10_000),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    # Peers cut a client that pings more often than once a minute (core.yaml: peer.keepalive.minInterval).
    ("grpc.keepalive_time_ms", 90_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.http2.max_pings_without_data", 0),
)


@dataclass(frozen=True, slots=True)
class ClientCertificate:
    """The certificate and key with which a client proves itself to peers that demand mutual TLS (PEM or paths).

    ::

        tls = ".commonwatt/organizations/newtown/users/admin/tls"
        shown = ClientCertificate(f"{tls}/server.crt", f"{tls}/server.key")
        connect(peers, identity=identity, signer=signer, client_certificate=shown)
    """

    certificate: Pem
    private_key: Pem = field(repr=False)


@dataclass(frozen=True, slots=True)
class Peer:
    """A node and how to reach it: a gateway peer, or a peer or an orderer that is administered.

    Attributes:
        address: `host:port`.
        tls_ca_cert: the CA certificate its TLS certificate chains to, PEM text or a file's path; the system's roots
            where None.
        tls_server_name: the name in its TLS certificate where that isn't the address' host.
        name: what messages call it; the address where empty.
        plaintext: speak without TLS, as only a peer on a developer's own machine should.
        client_certificate: what it is shown where it demands mutual TLS; the connection's where None.

    ::

        Peer("127.0.0.1:7051", ".commonwatt/organizations/newtown/tlsca/ca.crt", tls_server_name="peer0.newtown")
    """

    address: str
    tls_ca_cert: Pem | None = None
    tls_server_name: str | None = None
    name: str = ""
    plaintext: bool = False
    client_certificate: ClientCertificate | None = None

    def __post_init__(self) -> None:
        host, _, port = self.address.rpartition(":")
        if not host or not port.isdigit() or "/" in host:
            raise ConfigurationError(
                f"the peer address {self.address!r} is not host:port, such as 127.0.0.1:7051"
            )


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What a gRPC channel is opened with, and the SHA-256 of the TLS certificate that it shows."""

    peer: Peer
    credentials: grpc.ChannelCredentials | None
    options: tuple[tuple[str, int | str], ...]
    tls_certificate_hash: bytes = b""

    def open(self, secure: Callable[..., Any], insecure: Callable[..., Any]) -> Any:
        """A channel made by one of grpc's or grpc.aio's two constructors."""
        if self.credentials is None:
            return insecure(self.peer.address, options=self.options)
        return secure(self.peer.address, self.credentials, options=self.options)


def endpoint(
    peer: Peer,
    client_certificate: ClientCertificate | None = None,
    channel_options: Mapping[str, int | str] | None = None,
) -> Endpoint:
    """Credentials and options for a peer; raises ConfigurationError where a certificate cannot be read."""
    options: dict[str, int | str] = {**dict(CHANNEL_OPTIONS), **(channel_options or {})}
    if peer.tls_server_name:
        options["grpc.ssl_target_name_override"] = peer.tls_server_name
    if peer.plaintext:
        return Endpoint(peer, None, tuple(options.items()))
    roots = None
    if peer.tls_ca_cert is not None:
        roots = read_pem(peer.tls_ca_cert, f"the TLS CA certificate of {peer.name or peer.address}")
        if b"-----BEGIN CERTIFICATE-----" not in roots:
            raise ConfigurationError(
                f"the TLS CA certificate of {peer.name or peer.address} is not a PEM certificate"
            )
    certificate, key, shown_hash = None, None, b""
    if shown := peer.client_certificate or client_certificate:
        certificate = read_pem(shown.certificate, "the TLS client certificate")
        key = read_pem(shown.private_key, "the TLS client key")
        shown_hash = certificate_hash(certificate)
    credentials = grpc.ssl_channel_credentials(roots, key, certificate)
    return Endpoint(peer, credentials, tuple(options.items()), shown_hash)


class PeerRing:
    """The peers of a connection and which one is in use: the next one once that fails."""

    def __init__(
        self,
        peers: Iterable[Peer],
        client_certificate: ClientCertificate | None = None,
        channel_options: Mapping[str, int | str] | None = None,
    ) -> None:
        self.endpoints = tuple(endpoint(peer, client_certificate, channel_options) for peer in peers)
        if not self.endpoints:
            raise ConfigurationError("no peer to connect to; give at least one Peer(address, tls_ca_cert)")
        self.current = 0

    @property
    def tls_certificate_hash(self) -> bytes:
        """SHA-256 of the TLS certificate that the present peer is shown, empty where none is."""
        return self.endpoints[self.current].tls_certificate_hash

    def __len__(self) -> int:
        return len(self.endpoints)

    def name(self, index: int) -> str:
        """What messages call a peer."""
        peer = self.endpoints[index].peer
        return f"{peer.name} at {peer.address}" if peer.name else peer.address

    def leave(self, index: int, reason: str) -> None:
        """Use the next peer from now on, unless another call has moved on from this one already."""
        if self.current == index and len(self.endpoints) > 1:
            self.current = (index + 1) % len(self.endpoints)
            _log.warning("left %s (%s) for %s", self.name(index), reason, self.name(self.current))


def as_peers(peers: Peer | Iterable[Peer]) -> tuple[Peer, ...]:
    """One peer or several, as a tuple."""
    return (peers,) if isinstance(peers, Peer) else tuple(peers)


def details_of(error: Any) -> bytes:
    """The serialised google.rpc.Status in a grpc error's trailing metadata, or nothing."""
    for key, value in error.trailing_metadata() or ():
        if key == STATUS_DETAILS_KEY:
            return bytes(value)
    return b""
