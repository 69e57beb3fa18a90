# SPDX-License-Identifier: Apache-2.0
"""The service's verbs: `serve` runs it, `service ...` looks after it."""

import asyncio
import ipaddress
import logging
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from commonwatt_client import connect_network_file
from commonwatt_client.command_line import NetworkOption
from commonwatt_client.errors import ConfigurationError
from commonwatt_client.exit_codes import UsageError
from commonwatt_client.network_file import find_network, read_network_file
from commonwatt_client.verbosity import say

FolderOption = Annotated[
    Path,
    typer.Option("--folder", envvar="COMMONWATT_SERVICE", help="The folder of the service's own files."),
]
DEFAULT_FOLDER = Path(".commonwatt-service")


def serve_command(
    network_file: NetworkOption = None,
    channel: Annotated[str | None, typer.Option(help="The community's channel.")] = None,
    user: Annotated[
        str | None, typer.Option(help="The carrier: USER@ORGANISATION; default: the first of role carrier.")
    ] = None,
    folder: FolderOption = DEFAULT_FOLDER,
    name: Annotated[
        list[str] | None,
        typer.Option(help="HOST:PORT by which homes reach the service; give it again for each further one."),
    ] = None,
    carrier: Annotated[
        str, typer.Option(help="The carrier's name within its organisation; its receipts name it.")
    ] = "service",
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port to listen on.")] = 8443,
    certificate: Annotated[Path | None, typer.Option(help="A certificate chain in PEM.")] = None,
    key: Annotated[Path | None, typer.Option(help="Its key in PEM.")] = None,
    plain: Annotated[bool, typer.Option("--plain", help="HTTP without TLS, behind a proxy.")] = False,
    proxy: Annotated[
        list[str] | None,
        typer.Option(help="An address or network of trusted proxies; give it again for each further one."),
    ] = None,
    residents_key: Annotated[
        Path | None,
        typer.Option(help="The residents.key of the community's folder; default: a key of its own."),
    ] = None,
    portal: Annotated[
        Path | None,
        typer.Option(help="The portal's settings (YAML): the community's name, the factor of CO2."),
    ] = None,
) -> None:
    """Carry homes' signed messages and show homes and residents their own records, over HTTPS, until Ctrl-C."""
    with _extra():
        from .running import serving
        from .settings import Settings, carrier_of

    path = find_network(network_file)
    network = read_network_file(path, homes=False)
    found, organization, called = carrier_of(network, channel, user)
    settings = Settings(
        network=path,
        channel=found,
        organization=organization,
        user=called,
        folder=folder,
        names=tuple(one.lower() for one in name or ()),
        carrier=carrier,
        host=host,
        port=port,
        certificate=certificate,
        key=key,
        is_plain=plain,
        proxies=tuple(map(_proxy, proxy or ())),
        residents_key=residents_key,
        portal=portal,
    )
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("commonwatt_community").setLevel(logging.INFO)

    async def until_stopped() -> None:
        stop = asyncio.Event()
        for one in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(one, stop.set)
        async with serving(settings) as running:
            pinned = f"; homes pin {running.certificate}" if running.certificate else ""
            say(f"{running.url} serves {found}{pinned}")
            await stop.wait()

    asyncio.run(until_stopped())


def backup_command(
    copy: Annotated[Path, typer.Argument(help="The file to write; it must not exist.")],
    folder: FolderOption = DEFAULT_FOLDER,
) -> None:
    """Copy accounts, sessions, enrolments, waiting messages and the audit log while the service runs."""
    with _extra():
        from .settings import DATABASE
        from .store import back_up

    back_up(folder / DATABASE, copy)
    say(f"{copy} holds all that {folder / DATABASE} held; keep it as secret")


def invite_operator_command(
    name: Annotated[str, typer.Argument(help="The name of the operator's account.")],
    address: Annotated[str, typer.Option(help="HOST:PORT of the service.")] = "127.0.0.1:8443",
    folder: FolderOption = DEFAULT_FOLDER,
) -> None:
    """Invite a person to the operators' page: once, within 72 hours, with a second factor."""
    with _extra():
        from .caller import Role
        from .invitations import SUBJECT, Invitations
        from .settings import OPERATORS_KEY, RESIDENTS_KEY, secret_in

    if not SUBJECT.fullmatch(name):
        raise UsageError(f"{name[:80]}: letters, digits, dots, - and _, 64 at most")
    keys = (secret_in(folder / one, may_make=True) for one in (RESIDENTS_KEY, OPERATORS_KEY))
    code, _ = Invitations(*keys).new(Role.OPERATOR, name)
    print(f"https://{address}/join#{code}")


def set_key_command(
    possession: Annotated[Path, typer.Argument(help="The receipts-key.jws of the service's folder.")],
    user: Annotated[str, typer.Option(help="The operator of the carrier's organisation: USER@ORGANISATION.")],
    network_file: NetworkOption = None,
    channel: Annotated[str | None, typer.Option(help="The community's channel.")] = None,
) -> None:
    """Set the key of a service's receipts on the ledger, as the operator of its organisation."""
    from commonwatt_chaincode.messages.message import read
    from commonwatt_chaincode.messages.refusals import MessageRefused

    from ..market.forward import market_of

    with _extra():
        from .settings import carrier_of
    try:
        content = possession.read_bytes()
        carrier = read(content).home
    except OSError as error:
        raise ConfigurationError(f"{possession} cannot be read: {error.strerror}") from error
    except MessageRefused as error:
        raise ConfigurationError(f"{possession} holds no message that brings a key: {error}") from error
    path = find_network(network_file)
    network = read_network_file(path, homes=False)
    found, organization, called = carrier_of(network, channel, user)

    async def set_key() -> int:
        async with connect_network_file(path, organization, called) as gateway:
            return (await market_of(gateway, network, found).set_carrier_key(carrier, content)).version

    say(f"{carrier} gives receipts with key {asyncio.run(set_key())} from now on")


def register(app: typer.Typer) -> None:
    """Add the verbs to `app`."""
    app.command("serve")(serve_command)
    service = typer.Typer(help="Look after a community's service.", no_args_is_help=True)
    service.command("backup")(backup_command)
    service.command("invite-operator")(invite_operator_command)
    service.command("set-key")(set_key_command)
    app.add_typer(service, name="service")


@contextmanager
def _extra() -> Iterator[None]:
    """ConfigurationError where the packages of the extra `service` are not installed."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"the service needs {error.name}, which is not installed; pip install 'commonwatt-community[service]'"
        ) from error


def _proxy(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    try:
        return ipaddress.ip_network(text)
    except ValueError as error:
        raise UsageError(f"--proxy {text[:80]}: {error}") from error
