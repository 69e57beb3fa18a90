# SPDX-License-Identifier: Apache-2.0
"""A service's settings at its start, and the keys in its folder."""

import ipaddress
import re
import secrets
import stat
from dataclasses import dataclass, field
from pathlib import Path

from commonwatt_client.exit_codes import UsageError
from commonwatt_client.network_file import MARKET, NetworkFile

from ..messages.signing_key import SigningKey, load_key, make_key
from ..secret_file import write_secret
from .outbox import Limits
from .rates import Rates

DATABASE, RECEIPTS_KEY, POSSESSION = "service.db", "receipts.pem", "receipts-key.jws"
RESIDENTS_KEY, OPERATORS_KEY = "residents.key", "operators.key"
CARRIER = "carrier"
_NAME = re.compile(r"[a-z0-9.-]{1,253}(:[0-9]{1,5})?")
_CARRIER_NAME = re.compile(r"[A-Za-z0-9_-]{1,40}")
_KEY_BYTES = 32

IpNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True)
class Settings:
    """A service.

    Attributes:
        network, channel, organization, user: the carrier's identity in a network file.
        folder: where the service keeps what is its own.
        names: hosts and ports by which it is reached; the first one is told.
        carrier: the carrier's name within its organisation.
        host, port: where it listens; port 0 takes a free one, which becomes a name of the service.
        certificate, key: files in PEM; without them it makes its own.
        is_plain: HTTP without TLS, behind a proxy.
        proxies: whose X-Forwarded-For counts.
        portal: the file of the portal's settings.
        residents_key: the file of the key of residents' invitations; without it the service makes its own.
    """

    network: Path
    channel: str
    organization: str
    user: str
    folder: Path
    names: tuple[str, ...] = ()
    carrier: str = "service"
    host: str = "127.0.0.1"
    port: int = 8443
    certificate: Path | None = None
    key: Path | None = None
    is_plain: bool = False
    proxies: tuple[IpNetwork, ...] = ()
    residents_key: Path | None = None
    portal: Path | None = None
    deliver_within_s: int = 120
    rates: Rates = field(default_factory=Rates)
    limits: Limits = field(default_factory=Limits)

    def check(self) -> None:
        """UsageError for what does not go together."""
        for name in self.names:
            if not _NAME.fullmatch(name):
                raise UsageError(f"--name {name[:80]}: a host in lower case, or host:port")
        if not self.names and self.host in ("0.0.0.0", "::"):  # noqa: S104 - a comparison
            raise UsageError("--name: give the host and port by which homes reach the service")
        if not _CARRIER_NAME.fullmatch(self.carrier):
            raise UsageError(f"--carrier {self.carrier[:80]}: letters, digits, - and _, 40 at most")
        if (self.certificate is None) != (self.key is None):
            raise UsageError("--certificate and --key go together")
        if self.is_plain and self.certificate is not None:
            raise UsageError("--plain serves without TLS: leave --certificate and --key out")
        if self.is_plain and not self.proxies:
            raise UsageError("--plain is for a proxy in front: name its address by --proxy")

    def receipts_key(self) -> SigningKey:
        """The key that signs receipts, made at the first start."""
        path = self.folder / RECEIPTS_KEY
        return load_key(path) if path.exists() else make_key(path)

    def invitation_keys(self) -> tuple[bytes, bytes]:
        """The keys of residents' and of operators' invitations; the latter never leaves the service."""
        residents = self.residents_key or self.folder / RESIDENTS_KEY
        return secret_in(residents, may_make=self.residents_key is None), secret_in(
            self.folder / OPERATORS_KEY, may_make=True
        )


def carrier_of(network: NetworkFile, channel: str | None, who: str | None) -> tuple[str, str, str]:
    """Channel, organisation and user of the carrier: `who` is USER@ORGANISATION, by default the first of role carrier.

    UsageError where the file names none.
    """
    channels = [
        name
        for name, about in network.content["channels"].items()
        if MARKET in about["chaincodes"] and channel in (None, name)
    ]
    if not channels:
        raise UsageError(f"{network.path} names no channel {channel or ''} with the market")
    found = channels[0]
    if who is not None:
        user, _, organization = who.partition("@")
        users = network.content["organizations"].get(organization, {}).get("users", {})
        if user not in users:
            raise UsageError(f"{network.path} names no user {user} of organisation {organization}")
        return found, organization, user
    for organization in network.content["channels"][found]["organizations"]:
        for user, about in network.content["organizations"][organization]["users"].items():
            if about["attributes"].get("role") == CARRIER:
                return found, organization, user
    raise UsageError(f"{network.path} names no user of role carrier on channel {found}; name one by --user")


def secret_in(path: Path, *, may_make: bool) -> bytes:
    """A key of 32 bytes in a file of mode 0600, made where there is none and it `may_make` one. UsageError."""
    if may_make and not path.exists():
        write_secret(path, secrets.token_bytes(_KEY_BYTES))
    try:
        mode, content = path.stat().st_mode, path.read_bytes()
    except OSError as error:
        raise UsageError(f"the key {path} cannot be read: {error.strerror}") from error
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise UsageError(f"others may read the key {path}; close it with `chmod 600 {path}`")
    if len(content) != _KEY_BYTES:
        raise UsageError(f"the key {path} has {len(content)} bytes, not {_KEY_BYTES}")
    return content
