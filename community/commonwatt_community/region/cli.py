# SPDX-License-Identifier: Apache-2.0
"""`commonwatt exchange operate` runs the grid's side of a region's exchange until Ctrl-C."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Annotated

import typer
from commonwatt_client import connect_network_file
from commonwatt_client.network_file import NetworkFile, find_network, read_network_file

from commonwatt_community.founding.cli import HERE, group
from commonwatt_community.market.exchange import exchange_of
from commonwatt_community.operating.loop import Chore, keep_doing
from commonwatt_community.operating.page import LOOPBACK, page
from commonwatt_community.operating.telling import Telling
from commonwatt_community.together import together
from commonwatt_community.until_stopped import until_stopped

from .chores import Members, Rounds, found
from .exchange_file import ExchangeFile, read_exchange_file


def operate_command(
    exchange: Annotated[
        Path,
        typer.Argument(help="The exchange.yaml, or the folder that holds it.", show_default="this folder"),
    ] = HERE,
    port: Annotated[
        int | None,
        typer.Option(
            min=0, max=65_535, help="The port of /healthz and /metrics on 127.0.0.1; 0: any free one."
        ),
    ] = None,
    network: Annotated[
        str | None,
        typer.Option(
            "--network",
            envvar="COMMONWATT_NETWORK",
            help="The network: a name, or its file; default: as exchange.yaml says, or that of the folder here.",
        ),
    ] = None,
) -> None:
    """Run the grid's side of an exchange: found it, register communities, set links, close rounds."""
    file = read_exchange_file(exchange)
    found_network = read_network_file(find_network(network or file.network), homes=False)
    asyncio.run(until_stopped(operate_exchange(file, found_network, Telling(), port)))


async def operate_exchange(
    file: ExchangeFile, network: NetworkFile, telling: Telling, port: int | None = None
) -> None:
    """Operate an exchange as its grid until cancelled.

    Raises:
        CommandError: the exchange stands by other rules.
        ConfigurationError: the network file has no such channel, or no such user.
        Refused, GatewayError: the first question failed.
    """
    async with AsyncExitStack() as stack:
        gateway = await stack.enter_async_context(
            connect_network_file(network.path, file.grid.organization, file.grid.user)
        )
        exchange = exchange_of(gateway, network, file.channel)
        await found(exchange, file, telling)
        if port is not None:
            port = await stack.enter_async_context(page(telling, port))
            telling.say(f"http://{LOOPBACK}:{port}/metrics and /healthz show the operator's health")
        telling.say(f"operates the exchange on channel {file.channel}: {len(file.communities)} communities")
        chores: dict[str, Chore] = {
            "members": Members(exchange, file, telling),
            "rounds": Rounds(exchange, telling),
        }

        async def now_s() -> int:
            return (await exchange.get_rules()).now_s

        await together(*(keep_doing(name, chore, now_s, telling) for name, chore in chores.items()))


def register(app: typer.Typer) -> None:
    """Add the verbs to `app`."""
    exchange = group(app, "exchange", "The grid's side of an exchange between communities.")
    exchange.command("operate")(operate_command)
