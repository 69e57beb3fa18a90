# SPDX-License-Identifier: Apache-2.0
"""`commonwatt home new | run | schema`. A verb loads what it needs when it runs."""

import asyncio
import json
from pathlib import Path
from typing import Annotated, Literal

import typer
from commonwatt_client.exit_codes import UsageError
from commonwatt_client.verbosity import say

from ..until_stopped import until_stopped

home = typer.Typer(no_args_is_help=True, help="The agent of one home in a community that lives.")


@home.command("new")
def new_command(
    file: Annotated[Path, typer.Argument(help="The home.yaml to write.")] = Path("home.yaml"),
    bundle: Annotated[
        Path | None, typer.Option(help="The file that the community's operator handed over.")
    ] = None,
    network_file: Annotated[
        str | None,
        typer.Option(
            "--network",
            metavar="NAME|FILE",
            envvar="COMMONWATT_NETWORK",
            help="The network of a home that calls a peer itself.",
        ),
    ] = None,
    organization: Annotated[str, typer.Option(help="With --network: the home's organisation.")] = "newtown",
    user: Annotated[
        str | None, typer.Option(help="With --network: the home's user, as home001, or its id.")
    ] = None,
    channel: Annotated[
        str | None, typer.Option(help="With --network: the channel, if the network has several.")
    ] = None,
    meter: Annotated[
        Literal["replay", "mqtt", "http", "file", "modbus"], typer.Option(help="The kind of its meter.")
    ] = "replay",
) -> None:
    """Make a home's key, journal and home.yaml, and ask the operator to set the key. A second run asks again."""
    from .new import (
        new_by_peer,
        new_by_service,
        read_bundle,
    )

    if bundle is not None:
        enrolment = asyncio.run(new_by_service(read_bundle(bundle), file, meter))
        say(
            f"{file} is written; the key is {'set' if enrolment.state == 'set' else 'waiting for the operator'}"
        )
    elif user is not None:
        possession = asyncio.run(new_by_peer(network_file or "", organization, user, channel, file, meter))
        say(f"{file} is written; hand {possession} to the operator, who sets the home's key with it")
    else:
        raise UsageError(
            "name the operator's file with --bundle, or the home's user with --network and --user"
        )
    say(f"Next: put the meter into {file}, then `commonwatt home run {file}`")


@home.command("run")
def run_command(
    file: Annotated[Path, typer.Argument(help="The home.yaml, as `commonwatt home new` writes it.")] = Path(
        "home.yaml"
    ),
) -> None:
    """Run a home: read its meter, bid ahead of each gate, say what the meter counted; until Ctrl-C."""
    from .run import run_home
    from .settings import read_settings

    settings = read_settings(file)
    asyncio.run(until_stopped(run_home(settings, file)))


@home.command("schema")
def schema_command() -> None:
    """Print the JSON Schema of home.yaml."""
    from .settings import json_schema

    print(json.dumps(json_schema(), indent=2))


def register(app: typer.Typer) -> None:
    """Add the verbs to `app`."""
    app.add_typer(home, name="home")
