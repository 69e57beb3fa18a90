# SPDX-License-Identifier: Apache-2.0
"""`commonwatt operate`: runs a community's market until Ctrl-C."""

import asyncio
import signal
from collections.abc import Coroutine
from typing import Annotated, Any

import typer

from commonwatt_community.founding.cli import HERE, CommunityArgument, GridOption, NetworkOption
from commonwatt_community.founding.folder import open_folder

from .operate import Options, operate


def operate_command(
    community: CommunityArgument = HERE,
    grid: GridOption = None,
    port: Annotated[
        int | None,
        typer.Option(min=0, max=65_535, help="of /healthz and /metrics on 127.0.0.1; 0: any free one"),
    ] = None,
    network: NetworkOption = None,
) -> None:
    """Run a community's market: gates, clearing, settlement, bills, enrolments. Start it anew at any time."""
    folder = open_folder(community)
    asyncio.run(until_stopped(operate(folder, folder.network(network), Options(grid, port))))


async def until_stopped(work: Coroutine[Any, Any, None]) -> None:
    """End on SIGINT and SIGTERM, also where SIGINT was ignored from the start, as a script's shell does for `... &`."""
    task = asyncio.ensure_future(work)
    for stop in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(stop, task.cancel)
    await asyncio.wait({task})
    if not task.cancelled():
        task.result()


def register(app: typer.Typer) -> None:
    """Add the verb to `app`."""
    app.command("operate")(operate_command)
