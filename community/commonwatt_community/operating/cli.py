# SPDX-License-Identifier: Apache-2.0
"""`commonwatt operate` runs a community's market until Ctrl-C; `community status|readings` look after it."""

import asyncio
import json
from pathlib import Path
from typing import Annotated

import typer
from commonwatt_client.command_line import JsonOption
from commonwatt_client.exit_codes import CommandError
from commonwatt_client.verbosity import say

from commonwatt_community.founding.adding import homes_of_meters
from commonwatt_community.founding.cli import (
    HERE,
    CommunityArgument,
    CommunityOption,
    GridOption,
    NetworkOption,
    group,
)
from commonwatt_community.founding.folder import Folder, open_folder, require_secrets
from commonwatt_community.messages.journal import Journal
from commonwatt_community.messages.signing_key import load_key
from commonwatt_community.until_stopped import until_stopped

from .operate import Options, operate
from .reading import Ledger
from .status import sentences, standing
from .substituting import substitute
from .utility_files import COLUMNS, cut, read_intervals


def operate_command(
    community: CommunityArgument = HERE,
    grid: GridOption = None,
    port: Annotated[
        int | None,
        typer.Option(
            min=0, max=65_535, help="The port of /healthz and /metrics on 127.0.0.1; 0: any free one."
        ),
    ] = None,
    network: NetworkOption = None,
) -> None:
    """Run a community's market: gates, clearing, settlement, bills, enrolments. You can restart it at any time."""
    folder = open_folder(community)
    asyncio.run(until_stopped(operate(folder, folder.network(network), Options(grid, port))))


def status_command(
    community: CommunityArgument = HERE, as_json: JsonOption = False, network: NetworkOption = None
) -> None:
    """Show a community's state: its homes, the running period, and the days of the last week."""
    asyncio.run(_status(open_folder(community), network, as_json=as_json))


async def _status(folder: Folder, named: str | None, *, as_json: bool) -> None:
    network = folder.network(named)
    async with folder.operator(network) as market:
        found = await standing(market)
    if as_json:
        print(json.dumps(found, indent=2))
        return
    for line in sentences(found):
        print(line)


def readings_command(
    file: Annotated[Path, typer.Argument(help=f"NEM12, or CSV with the columns {', '.join(COLUMNS)}.")],
    community: CommunityOption = HERE,
    network: NetworkOption = None,
) -> None:
    """Sign the readings of a utility's file as the operator, for homes whose meters do not report."""
    asyncio.run(_readings(open_folder(community), file, network))


async def _readings(folder: Folder, file: Path, named: str | None) -> None:
    intervals = read_intervals(file, homes_of_meters(folder))
    require_secrets(folder)
    key = load_key(folder.operator_key)
    network = folder.network(named)
    channel = folder.community.channel
    async with folder.operator(network) as market:
        ledger_community, _ = await Ledger(market).community()
        counted = cut(ledger_community, intervals)
        with Journal(folder.journal) as journal:
            net = ledger_community.configuration.net
            said = await substitute(market, key, journal, net, channel, counted, say)
    say(f"{said.written} readings are written, {said.standing} stood already")
    if said.refused:
        codes = ", ".join(f"{count} {code}" for code, count in sorted(said.refused.items()))
        raise CommandError(f"{sum(said.refused.values())} readings were refused: {codes}")


def register(app: typer.Typer) -> None:
    """Add the verbs to `app`."""
    app.command("operate")(operate_command)
    community = group(app, "community", "Found a community, and look after it.")
    community.command("status")(status_command)
    community.command("readings")(readings_command)
