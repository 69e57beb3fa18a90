# SPDX-License-Identifier: Apache-2.0
"""`commonwatt community statement HOME --month 2026-06`: a home's month as a page, CSV, JSON or text."""

import asyncio
import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from commonwatt_client import connect_network_file
from commonwatt_client.command_line import NetworkOption
from commonwatt_client.exit_codes import CommandError, UsageError
from commonwatt_client.network_file import Community, NetworkFile, find_network, read_network_file

from ..market.attestations import (
    Attestations,
    AttestationsIfThere,
    attestations_of,
    exchange_named,
    nobody_attests,
)
from ..market.exchange import ExchangeMarket, exchange_of
from ..market.forward import market_of
from .as_csv import statement_csv
from .as_json import statement_json
from .as_text import statement_text
from .month import Month, read_month
from .monthly import Statement
from .page import statement_html
from .reading import read_statement


class Format(StrEnum):
    """What is written."""

    HTML = "html"
    CSV = "csv"
    JSON = "json"
    TEXT = "text"


def statement_command(
    home: Annotated[str, typer.Argument(help="The home's user, as home001, or its id on the ledger.")],
    month: Annotated[str, typer.Option(help="The calendar month, as 2026-06.")],
    form: Annotated[Format, typer.Option("--format", help="The format of the output.")] = Format.TEXT,
    out: Annotated[Path | None, typer.Option(help="File to write; default: standard output.")] = None,
    channel: Annotated[
        str | None, typer.Option(help="The channel to read, if several communities trade.")
    ] = None,
    exchange: Annotated[
        str | None,
        typer.Option(
            help="The exchange's channel, to say how many periods the grid attested; default: as the rules name it, "
            "if it answers."
        ),
    ] = None,
    network_file: NetworkOption = None,
) -> None:
    """Show a home's statement of a month: dollars and kWh by source, GST, corrections, and what the market saved."""
    asked = read_month(month)
    network = read_network_file(find_network(network_file))
    community = _community_of(network, home, channel)
    text = _as(form, asyncio.run(_read(network, community, home, asked, exchange)))
    if out is None:
        sys.stdout.write(text)
        return
    try:
        out.write_text(text, "utf-8", newline="")
    except OSError as error:
        raise CommandError(
            f"{out}: cannot be written: {error.strerror}; name another file with --out"
        ) from None


def register(community: typer.Typer) -> None:
    """Add `statement` to the commands of `commonwatt community`."""
    community.command("statement")(statement_command)


def _as(form: Format, statement: Statement) -> str:
    if form is Format.HTML:
        return statement_html(statement)
    if form is Format.CSV:
        return statement_csv(statement)
    if form is Format.JSON:
        return json.dumps(statement_json(statement), indent=2) + "\n"
    return statement_text(statement)


async def _read(
    network: NetworkFile, community: Community, called: str, month: Month, exchange: str | None
) -> Statement:
    home = community.home_called(called) or called
    user = community.homes.get(home, community.operator)
    async with connect_network_file(network.path, community.organization, user) as gateway:
        market = market_of(gateway, network, community.channel)
        attestations: Attestations = nobody_attests
        if exchange is not None:
            attestations = attestations_of(exchange_of(gateway, network, exchange), community.channel)
        elif named := exchange_named((await market.get_configuration()).configuration, network):
            attestations = _if_there(exchange_of(gateway, network, named), named, community.channel)
        return await read_statement(
            market, home, month, community=community.channel, attestations=attestations
        )


def _if_there(exchange: ExchangeMarket, named: str, channel: str) -> Attestations:
    """The bills stand on the community's own ledger: they do not wait for an exchange that nobody asked for."""

    async def asked() -> ExchangeMarket:
        return exchange

    def missed(why: str) -> None:
        sys.stderr.write(
            f"The statement does not say what the grid attested: exchange {named}: {why}. Ask again later; with "
            f"--exchange {named} the command fails instead.\n"
        )

    return AttestationsIfThere(asked, channel, missed=missed)


def _community_of(network: NetworkFile, home: str, channel: str | None) -> Community:
    known = [one for one in network.communities if channel in (None, one.channel)]
    named = [one for one in known if one.home_called(home)] or known
    if len(named) == 1:
        return named[0]
    names = ", ".join(sorted(one.channel for one in network.communities))
    if not named:
        raise UsageError(f"--channel {channel}: {network.path} has no community there; it has {names}")
    raise UsageError(f"home {home}: {network.path} has several communities; name one with --channel: {names}")
