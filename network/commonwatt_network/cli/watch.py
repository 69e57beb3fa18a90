# SPDX-License-Identifier: Apache-2.0
"""The verb `commonwatt watch`."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from commonwatt_network.cli.options import DirectoryOption, NetworkOption, network_file_of, news
from commonwatt_network.errors import NoNetworkError, UsageError

PORT = 9480


def watch(
    port: Annotated[
        int, typer.Option(envvar="COMMONWATT_WATCH_PORT", help="The page's port; 0: any.", min=0, max=65535)
    ] = PORT,
    host: Annotated[
        str, typer.Option(help="The address to listen on. The page shows no keys, and needs no login.")
    ] = "127.0.0.1",
    name: Annotated[
        list[str] | None,
        typer.Option(help="A further name by which browsers may call this machine; may be repeated."),
    ] = None,
    directory: DirectoryOption = None,
    network: NetworkOption = None,
) -> None:
    """Show the running network live on a page, and serve its figures to Prometheus, until Ctrl-C."""
    from commonwatt_network.watch.server import serve
    from commonwatt_network.watch.subject import subject_of
    from commonwatt_network.watch.watcher import Watcher

    def ready(address: str) -> None:
        news(f"watching at {address} (for Prometheus: {address}/metrics); stop with Ctrl-C")

    file = network_file_of(directory, network)
    subject = subject_of(file)
    if not file.exists():
        raise NoNetworkError(file.parent)  # its first start failed
    try:
        asyncio.run(serve(Watcher(subject), host, port, ready, name or ()))
    except OSError as error:
        raise UsageError(
            f"cannot listen on {host}:{port}: {error.strerror}; name another with --port"
        ) from error
    except KeyboardInterrupt:
        news("stopped watching; the network goes on")
