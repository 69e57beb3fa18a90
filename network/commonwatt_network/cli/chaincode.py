# SPDX-License-Identifier: Apache-2.0
"""The verbs `commonwatt chaincode ...`: a new project, and a network that has each save within seconds."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated, Literal

import typer

from commonwatt_network.cli.deploy import chaincode_deploy
from commonwatt_network.cli.options import (
    DirectoryOption,
    NetworkOption,
    TopologyOption,
    own_directory,
    phase,
)
from commonwatt_network.cli.options import plain_news as say

chaincode_app = typer.Typer(
    no_args_is_help=True, help="Write chaincode, follow it with a network, deploy it."
)
chaincode_app.command("deploy")(chaincode_deploy)


@chaincode_app.command("new")
def chaincode_new(
    name: Annotated[str, typer.Argument(help="The chaincode's name, and its folder's.")],
) -> None:
    """Write a chaincode project that passes its tests at once: contract, tests, topology, client."""
    from commonwatt_network.development.new_project import new_project

    folder = new_project(name, Path.cwd())
    files = ", ".join(sorted(path.name for path in folder.iterdir() if not path.name.startswith(".")))
    say(f"{name}/ has {files}\ngo on with: cd {name} && make test && commonwatt chaincode dev")


@chaincode_app.command("dev")
def chaincode_dev(
    topology: TopologyOption = None,
    backend: Annotated[
        Literal["embedded", "native"] | None,
        typer.Option(
            "--backend",
            envvar="COMMONWATT_BACKEND",
            help="What runs the network's programs; default: embedded.",
        ),
    ] = None,
    directory: DirectoryOption = None,
    network: NetworkOption = None,
) -> None:
    """Start the network of topology.yaml, and deploy each change of its chaincodes' code, until Ctrl-C."""
    from commonwatt_network.development.session import develop

    try:
        folder = own_directory(directory, network, "chaincode dev")
        asyncio.run(develop(folder, topology or None, backend or None, phase, say))
    except KeyboardInterrupt:
        say(
            "the network goes on with what is live; `commonwatt network down` stops it, `commonwatt chaincode dev` "
            "follows it again"
        )
