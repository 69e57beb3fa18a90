# SPDX-License-Identifier: Apache-2.0
"""A whole community in one process: service, operator and homes, each by the very code that runs apart."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from commonwatt_chaincode.messages.versions import KeyVersion
from commonwatt_client.network_file import NetworkFile

from ..founding.adding import add_homes, with_ids
from ..founding.codes import LIFE_S
from ..founding.folder import Folder, open_folder
from ..founding.homes_file import read_homes
from ..founding.new import found
from ..market.forward import ForwardMarket
from ..market.receipts import Service, keys_of_carrier
from ..market.refused import Refused
from ..operating.operate import Options, operate
from ..operating.telling import Telling
from ..service.caller import Role
from ..service.invitations import Invitations
from ..service.running import Running, serving
from ..service.settings import CARRIER, Settings, carrier_of
from ..service.tls import own_certificate
from ..together import together
from .homes import enrol, ids_of, live
from .sample import HOMES, sample_homes, write_community
from .trades import tell_trades

SERVICE = "service"


@dataclass(frozen=True)
class Demonstration:
    """A demonstration that runs, and its addresses with invitations for a resident and an operator."""

    url: str
    resident: str
    operator: str
    homes: list[str]
    parts: "asyncio.Future[None]"

    async def until(self, stop: asyncio.Event) -> None:
        """Wait until `stop` is set; the error that ended a part is raised."""
        stopped = asyncio.ensure_future(stop.wait())
        ends: set[asyncio.Future[Any]] = {self.parts, stopped}
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopped.cancel()
        if self.parts.done():
            self.parts.result()


@asynccontextmanager
async def demonstrated(
    network: NetworkFile, folder: Path, host: str, port: int
) -> AsyncIterator[Demonstration]:
    """A community that lives until the block ends; begun again, it goes on where it was.

    Raises:
        UsageError, ConfigurationError: the network or the folder cannot be used.
        Refused, GatewayError: the contract or the network refused.
    """
    settings = service_settings(network, folder, host, port)
    certificate, _ = own_certificate(settings.folder, settings.names)
    write_community(folder, network, f"https://{settings.names[0]}", certificate)
    community = open_folder(folder)
    with (folder / "founding.log").open("a", buffering=1) as log:

        def say(line: str) -> None:
            print(line, file=log)

        async with community.operator(network) as market:
            await found(community, community.mspid(network), market, say)
            homes = read_homes(folder / "homes.csv")
            await add_homes(community, with_ids(community, folder / "homes.csv", homes), market, say, LIFE_S)
            await _set_receipts_key(settings, community.mspid(network), market)
    async with serving(settings) as running:
        home_ids = ids_of(folder)
        tasks = asyncio.ensure_future(_all(community, network, home_ids))
        try:
            yield _ways_in(settings, running, home_ids, tasks)
        finally:
            tasks.cancel()
            await asyncio.gather(tasks, return_exceptions=True)


def service_settings(network: NetworkFile, folder: Path, host: str, port: int) -> Settings:
    """The service's: its own folder, and a carrier of the network."""
    channel, organization, user = carrier_of(network, None, None)
    return Settings(
        network=network.path,
        channel=channel,
        organization=organization,
        user=user,
        folder=folder / SERVICE,
        names=(f"{host}:{port}",),
        host=host,
        port=port,
        residents_key=folder / "residents.key",
    )


async def _set_receipts_key(settings: Settings, mspid: str, market: ForwardMarket) -> None:
    """Set the key of the service's receipts, as its organisation's operator does, before the service looks for it."""
    key, carrier = settings.receipts_key(), f"{mspid}.{settings.carrier}"
    net = (await market.get_configuration()).configuration.net
    try:
        stored = await market.get_keys(CARRIER, carrier)
    except Refused as refused:
        if refused.code != "no_key":
            raise
        versions: tuple[KeyVersion, ...] = ()
    else:
        versions = keys_of_carrier(stored, net, settings.channel).versions
    if not versions or versions[-1].key.kid != key.public.kid:
        service = Service(key, net, settings.channel, carrier, settings.deliver_within_s)
        await market.set_carrier_key(carrier, service.brings_key(len(versions) + 1))


async def _all(folder: Folder, network: NetworkFile, homes: list[str]) -> None:
    """The operator, and each home from its enrolment on."""

    async def of(home: str, place: int) -> None:
        await enrol(folder.path, home, sample_homes()[place])
        await live(folder.path, home)

    with (folder.path / "operator.log").open("a", buffering=1) as log:

        def say(line: str) -> None:
            print(f"{time.strftime('%H:%M:%S')} {line}", file=log)

        await together(
            operate(folder, network, Options(telling=Telling(say, say))),
            tell_trades(folder, network),
            *(of(home, place) for place, home in enumerate(homes[:HOMES])),
        )


def _ways_in(
    settings: Settings, running: Running, homes: list[str], parts: "asyncio.Future[None]"
) -> Demonstration:
    invitations = Invitations(*settings.invitation_keys())
    resident, operator = (
        f"{running.url}/join#{invitations.new(role, subject)[0]}"
        for role, subject in ((Role.RESIDENT, homes[0]), (Role.OPERATOR, "operator"))
    )
    return Demonstration(running.url, resident, operator, homes, parts)
