# SPDX-License-Identifier: Apache-2.0
"""Verbs with which a community is founded and grows: `community new|confirm|schema` and `homes add`."""

import asyncio
import json
from pathlib import Path
from typing import Annotated

import typer
from commonwatt_client.exit_codes import CommandError
from commonwatt_client.verbosity import say

from .adding import add_homes, first_unopened, with_ids
from .codes import LIFE_S
from .community_file import json_schema
from .confirming import confirm, ready
from .folder import Folder, open_folder, require_secrets
from .homes_file import COLUMNS, read_homes
from .new import found
from .possessions import read_possessions, set_keys

NetworkOption = Annotated[
    str | None,
    typer.Option(
        "--network",
        metavar="NAME|FILE",
        envvar="COMMONWATT_NETWORK",
        help="The network: a name, or its file; default: as community.yaml says, or that of the folder here.",
    ),
]
CommunityArgument = Annotated[
    Path, typer.Argument(help="The community's folder, or its community.yaml.", show_default="this folder")
]
CommunityOption = Annotated[
    Path, typer.Option("--community", help="The community's folder, or its community.yaml.")
]
GridOption = Annotated[
    str | None,
    typer.Option(
        "--grid", metavar="USER@ORGANISATION", help="The grid's identity; default: `grid` of community.yaml."
    ),
]
HERE = Path()
LIFE_H = LIFE_S // 3_600


def new_command(
    community: Annotated[Path, typer.Argument(help="The community.yaml that describes the community.")],
    network: NetworkOption = None,
) -> None:
    """Found a community: make its secrets beside the file, configure its channel, set the operator's key."""
    asyncio.run(_new(open_folder(community), network))


async def _new(folder: Folder, named: str | None) -> None:
    network = folder.network(named)
    async with folder.operator(network) as market:
        await found(folder, folder.mspid(network), market, say)
    say(f"community {folder.community.name} is founded; add homes with `commonwatt homes add homes.csv`")


def schema_command() -> None:
    """Print the JSON Schema of community.yaml, for editors."""
    print(json.dumps(json_schema(), indent=2))


def confirm_command(
    community: CommunityArgument = HERE, grid: GridOption = None, network: NetworkOption = None
) -> None:
    """Confirm, as the grid, the homes that the operator proposed and that have a key."""
    asyncio.run(_confirm(open_folder(community), grid, network))


async def _confirm(folder: Folder, grid: str | None, named: str | None) -> None:
    network = folder.network(named)
    async with folder.grid(network, grid) as market:
        homes = await market.list_homes()
        waiting = await ready(market, homes)
        await confirm(market, waiting, say)
    without = sum(1 for home in homes if home.proposed is not None and home.home not in waiting)
    if without:
        say(f"{without} homes wait for their first key: they enrol with their bundles")
    elif not waiting:
        say("nothing waits for the grid")


def add_command(
    homes: Annotated[
        Path, typer.Argument(help=f"CSV with the columns {', '.join(COLUMNS)}; only class is needed.")
    ],
    community: CommunityOption = HERE,
    possession: Annotated[
        Path | None,
        typer.Option(help="A folder of files *.possession, each with the first key of a home or a meter."),
    ] = None,
    valid_h: Annotated[
        int, typer.Option(min=1, max=8_760, help="Hours until the one-time codes expire.")
    ] = LIFE_H,
    network: NetworkOption = None,
) -> None:
    """Register homes from a CSV file, and write a bundle for each household."""
    folder = open_folder(community)
    asyncio.run(_add(folder, homes, valid_h * 3_600, possession, network))


async def _add(folder: Folder, file: Path, life_s: int, possession: Path | None, named: str | None) -> None:
    read_homes(file)  # mistakes are told before any network is asked
    brought = {} if possession is None else read_possessions(possession)
    require_secrets(folder)
    network = folder.network(named)
    async with folder.operator(network) as market:
        standing = await market.get_sharing_keys(await first_unopened(market))
        added = with_ids(folder, file, read_homes(file, standing))
        await add_homes(folder, added, market, say, life_s)
        refusals = await set_keys(market, brought, say)
    if refusals:
        raise CommandError(f"{refusals} of {len(brought)} keys were not set; the lines above say why")


def register(app: typer.Typer) -> None:
    """Add the verbs to `app`."""
    community = group(app, "community", "Found a community, and look after it.")
    community.command("new")(new_command)
    community.command("confirm")(confirm_command)
    community.command("schema")(schema_command)
    homes = group(app, "homes", "The homes of a community.")
    homes.command("add")(add_command)


def group(app: typer.Typer, name: str, help_text: str = "") -> typer.Typer:
    """The group of this name, for parts that add verbs to one group."""
    for known in app.registered_groups:
        if known.name == name and known.typer_instance is not None:
            return known.typer_instance
    group = typer.Typer(no_args_is_help=True, help=help_text)
    app.add_typer(group, name=name)
    return group
