# SPDX-License-Identifier: Apache-2.0
"""`commonwatt home new`: a home's key, its journal and its home.yaml, and the request that its key is set."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from commonwatt_chaincode.messages.fields import KEY
from commonwatt_chaincode.messages.message import read
from commonwatt_client import connect_network_file
from commonwatt_client.errors import ConfigurationError, NoNetworkError
from commonwatt_client.exit_codes import CommandError, UsageError
from commonwatt_client.network_file import find_network, read_network_file
from pydantic import TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from ..api.client import ServiceClient
from ..api.failures import ServiceAway
from ..api.values import Enrolment
from ..market.forward import market_of
from ..messages.author import Author
from ..messages.journal import Journal
from ..messages.signing_key import SigningKey, load_key, make_key
from .examples import METERS
from .settings import HomeSettings, beside, read_settings, settings_of

LARGEST_BUNDLE = 65_536


class EnrolmentRefused(CommandError):
    """The community's operator does not set the home's key; the message says why."""


@dataclass(frozen=True)
class Bundle:
    """The operator's file for a household; `pins` are certificates (PEM) by MSP id."""

    service: str
    service_certificate: str
    home: str
    net: str
    channel: str
    code: str
    author: str = "home"
    carrier: str | None = None
    pins: dict[str, list[str]] | None = None


def read_bundle(path: Path) -> Bundle:
    """The file that the operator handed over. ConfigurationError."""
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_BUNDLE)
        return TypeAdapter(Bundle).validate_json(content)
    except OSError as error:
        raise ConfigurationError(f"the bundle {path} cannot be read: {error.strerror}") from error
    except ValidationError as error:
        place = ".".join(str(part) for part in error.errors()[0]["loc"]) or "the whole file"
        raise ConfigurationError(
            f"{path} is no bundle: {place} is wrong; the community's operator makes one with `commonwatt homes add`"
        ) from None


async def new_by_service(bundle: Bundle, path: Path, meter: str) -> Enrolment:
    """Make what a home needs beside `path`, and ask the service that its key is set; again it asks alone.

    EnrolmentRefused where the operator refused; Refused for a code that is expired, used or wrong; NoNetworkError where
    the service does not answer.
    """
    _check_meter(meter)
    carrier = {"service": bundle.service, "authority": "service.pem"}
    if bundle.carrier is not None:
        carrier["carrier"] = bundle.carrier
    pins: dict[str, list[str]] = {}
    files = {"service.pem": bundle.service_certificate}
    for mspid, pems in (bundle.pins or {}).items():
        pins[mspid] = [f"pin-{len(files) + number}.pem" for number in range(len(pems))]
        files |= dict(zip(pins[mspid], pems, strict=True))
    async with ServiceClient(bundle.service, bundle.service_certificate.encode()) as service:
        settings = _made(path, bundle.home, bundle.net, bundle.channel, carrier, meter, pins, files)
        key = _key(beside(path, settings.key))
        with Journal(beside(path, settings.journal)) as journal:
            possession = _possession(Author(key, journal, bundle.net, bundle.channel, bundle.home), journal)
        try:
            enrolment = await service.enrol(bundle.code, possession)
        except ServiceAway as error:
            raise NoNetworkError(f"the community's service is away: {error}; try again later") from error
    if enrolment.state == "refused":
        raise EnrolmentRefused(f"the operator did not set the key of home {bundle.home}: {enrolment.reason}")
    return enrolment


async def new_by_peer(
    network: str, organization: str, user: str, channel: str | None, path: Path, meter: str
) -> Path:
    """Make what a home with a certificate needs; the file by which the operator sets its key."""
    _check_meter(meter)
    found = read_network_file(find_network(network))
    homes = [one for one in found.communities if one.organization == organization]
    communities = [one for one in homes if channel in (None, one.channel)]
    named = [(one, one.home_called(user)) for one in communities]
    community, home = next(((one, home) for one, home in named if home), (None, None))
    if community is None or home is None:
        raise UsageError(f"{found.path}: {organization} has no home {user} on a channel with a market")
    async with connect_network_file(found.path, organization, community.homes[home]) as gateway:
        market = market_of(gateway, found, community.channel)
        net = (await market.get_configuration()).configuration.net
    carrier = {
        "network": str(found.path.absolute()),
        "organization": organization,
        "user": community.homes[home],
    }
    settings = _made(path, home, net, community.channel, carrier, meter, {}, {})
    key = _key(beside(path, settings.key))
    with Journal(beside(path, settings.journal)) as journal:
        possession = _possession(Author(key, journal, net, community.channel, home), journal)
    file = path.parent / f"{home}.possession"
    file.write_bytes(possession + b"\n")
    return file


def _made(
    path: Path,
    home: str,
    net: str,
    channel: str,
    carrier: Mapping[str, str],
    meter: str,
    pins: Mapping[str, list[str]],
    files: Mapping[str, str],
) -> HomeSettings:
    """Write home.yaml and the certificates that it names; one that is there stays, if it is this home's."""
    if path.exists():
        settings = read_settings(path)
        if (settings.home, settings.net, settings.channel) != (home, net, channel):
            raise UsageError(
                f"{path} is of home {settings.home} on channel {settings.channel}: name another file"
            )
        _write(path, files)
        return settings
    content: dict[str, Any] = {
        "home": home,
        "net": net,
        "channel": channel,
        "key": "message_key.pem",
        "journal": "home.journal",
        "book": "home.db",
        "carriers": [dict(carrier)],
        **({"pins": dict(pins)} if pins else {}),
        "meter": METERS[meter],
        "page": {"port": 8_780},
    }
    settings = settings_of(content, path)
    text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
    _write(
        path, {**files, path.name: f"# What a home may have: docs/home.md, `commonwatt home schema`.\n{text}"}
    )
    return settings


def _check_meter(meter: str) -> None:
    if meter not in METERS:
        raise UsageError(f"--meter {meter} is none of {', '.join(METERS)}")


def _write(path: Path, files: Mapping[str, str]) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            (path.parent / name).write_text(content, "utf-8")
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be written: {error.strerror}") from error


def _possession(author: Author, journal: Journal) -> bytes:
    """The message that brings the home's first key: asked for again, it is the same one."""
    for compact in journal.messages():
        message = read(compact)
        if message.typ == KEY and (message.kid, message.net, message.channel, message.home) == (
            author.key.public.kid,
            author.net,
            author.channel,
            author.home,
        ):
            return compact
    return author.brings_key(author.key.public, 1)


def _key(file: Path) -> SigningKey:
    return load_key(file) if file.exists() else make_key(file)
