"""The verbs `commonwatt watch` and `commonwatt network monitoring`."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from commonwatt_network.errors import NoNetworkError, UsageError
from commonwatt_network.layout import default_directory

PORT = 9480
out = Console(highlight=False, soft_wrap=True)


def watch(
    port: Annotated[
        int, typer.Option(envvar="WATCH_PORT", help="The page's port; 0: any.", min=0, max=65535)
    ] = PORT,
    host: Annotated[
        str, typer.Option(help="The address to listen on. The page shows no keys, and asks nobody.")
    ] = "127.0.0.1",
    directory: Annotated[
        Path | None, typer.Option("--directory", envvar="COMMONWATT_DIRECTORY", help="The network's folder.")
    ] = None,
) -> None:
    """Show the running network live on a page, and serve its figures to Prometheus, until Ctrl-C."""
    from commonwatt_network.watch.server import serve
    from commonwatt_network.watch.watcher import Watcher

    def ready(address: str) -> None:
        out.print(f"watching at {address} (for Prometheus: {address}/metrics); stop with Ctrl-C")

    try:
        asyncio.run(serve(Watcher(directory or default_directory()), host, port, ready))
    except OSError as error:
        raise UsageError(
            f"cannot listen on {host}:{port}: {error.strerror}; name another with --port"
        ) from error
    except KeyboardInterrupt:
        out.print("stopped watching; the network goes on")


def monitoring(
    output: Annotated[Path, typer.Option(help="The folder to write to.")],
    directory: Annotated[
        Path | None, typer.Option("--directory", envvar="COMMONWATT_DIRECTORY", help="The network's folder.")
    ] = None,
) -> None:
    """Write Prometheus' configuration and a Grafana dashboard for the network."""
    from commonwatt_network import monitoring as rendering
    from commonwatt_network.layout import Layout
    from commonwatt_network.state import read_state

    layout = Layout(directory or default_directory())
    state = read_state(layout)
    if state is None:
        raise NoNetworkError(layout.directory)
    files = rendering.render(state.nodes(layout), state.backend)
    rendering.write(output, files)
    out.print(f"wrote {', '.join(files)} to {output}; the market's figures come from `commonwatt watch`")
