# SPDX-License-Identifier: Apache-2.0
"""Certificates and keys as they lie on disk, and a certificate issued anew in its place."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cryptography import x509

from commonwatt_network.model.layout import write_atomically
from commonwatt_network.trust.certificates import KeyPair, read_key_pair, reissue
from commonwatt_network.trust.identity import IdentityError


@dataclass(frozen=True)
class Pair:
    """A certificate and its key on disk; `copies` are further places of both."""

    certificate: Path
    key: Path
    copies: tuple[tuple[Path, Path], ...] = ()


def msp_pair(folder: Path) -> Pair:
    """Of a node's or user's MSP folder."""
    return Pair(folder / "signcerts" / "cert.pem", folder / "keystore" / "key.pem")


def tls_pair(folder: Path) -> Pair:
    """Of a folder of TLS material."""
    return Pair(folder / "server.crt", folder / "server.key")


def user_pair(folder: Path) -> Pair:
    """Of a user's folder, which has its certificate and key twice."""
    pair = msp_pair(folder / "msp")
    return Pair(pair.certificate, pair.key, ((folder / "certificate.pem", folder / "private_key.pem"),))


def reissued(pair: Pair, authority: KeyPair, days: int, *, new_keys: bool) -> KeyPair:
    """The pair's certificate for so many days from now, with its key or a new one. Raises IdentityError."""
    old = x509.load_pem_x509_certificate(pair.certificate.read_bytes())
    try:
        key = None if new_keys else read_key_pair(pair.certificate, pair.key).key
    except ValueError as error:
        raise IdentityError(
            f"{pair.certificate} with {pair.key.name} cannot be used ({error}); put them back from a backup, or give a "
            "user a new key: `commonwatt network renew ORG USER --new-key`"
        ) from error
    return reissue(authority, old, key, days)


def write_pair(pair: Pair, certificate_pem: bytes, key_pem: bytes) -> None:
    """The key first: a pair that is cut in two is issued anew by the next try."""
    for certificate, key in ((pair.certificate, pair.key), *pair.copies):
        write_atomically(key, key_pem)
        write_atomically(certificate, certificate_pem)
