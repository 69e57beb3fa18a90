# SPDX-License-Identifier: Apache-2.0
"""`commonwatt live`: see a community live, beside the network that is up."""

import asyncio
import logging
import resource
import signal
import sys
from pathlib import Path
from typing import Annotated

import typer
from commonwatt_client.command_line import NetworkOption
from commonwatt_client.network_file import find_network, read_network_file
from commonwatt_client.verbosity import say


def live_command(
    network_file: NetworkOption = None,
    folder: Annotated[
        Path | None, typer.Option(help="Where the community keeps its files; default: beside the network's.")
    ] = None,
    host: Annotated[str, typer.Option(help="The address of the portal.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(envvar="COMMONWATT_LIVE_PORT", min=1, max=65_535, help="The port of the portal.")
    ] = 8_443,
) -> None:
    """Run operator, service and 20 homes in this process until Ctrl-C. A second run goes on where it was."""
    path = find_network(network_file)
    network = read_network_file(path, homes=False)
    where = folder or path.parent / "community"

    async def until_stopped() -> None:
        from .run import demonstrated

        stop = asyncio.Event()
        for one in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(one, stop.set)
        async with demonstrated(network, where, host, port) as shown:
            say(
                f"the portal: {shown.url}  (your browser does not know its certificate: go on)\n"
                f"as a resident of home {shown.homes[0]}: {shown.resident}\n"
                f"as an operator: {shown.operator}\n"
                f"what each home says to its household: {where / 'homes'}/*/home.log\n"
                "20 homes enrol; a day of theirs, from 10:00 on, passes in 48 minutes. Ctrl-C ends it"
            )
            await shown.until(stop)
        say(f"at most {_memory_mb():.0f} MB of memory; the network stays up, and the same command goes on")

    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s")
    asyncio.run(until_stopped())


def _memory_mb() -> float:
    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return largest / (1 << 20 if sys.platform == "darwin" else 1 << 10)


def register(app: typer.Typer) -> None:
    """Add the verb to `app`."""
    app.command("live")(live_command)
