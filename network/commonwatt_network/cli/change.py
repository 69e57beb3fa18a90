# SPDX-License-Identifier: Apache-2.0
"""The verbs `commonwatt plan` and `commonwatt apply`: see a change of the running network, and do it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from commonwatt_client.command_line import JsonOption
from rich.markup import escape

from commonwatt_network.cli.options import (
    CommunitiesOption,
    DirectoryOption,
    HomesOption,
    NetworkOption,
    news,
    out,
    own_directory,
    phase,
    print_json,
    wanted_topology,
)

TopologyArgument = Annotated[
    str | None,
    typer.Argument(envvar="COMMONWATT_TOPOLOGY", help="The edited YAML file; default: as the network is."),
]


def plan(
    topology: TopologyArgument = None,
    communities: CommunitiesOption = None,
    homes: HomesOption = None,
    as_json: JsonOption = False,
    directory: DirectoryOption = None,
    network: NetworkOption = None,
) -> None:
    """Say in words what would lead from the running network to the topology; change nothing."""
    from commonwatt_network.change.plan import find_network, make_plan
    from commonwatt_network.model.layout import Layout

    layout = Layout(own_directory(directory, network, "plan"))
    wanted = wanted_topology(topology or None, communities, homes)
    with _places_named(topology):
        made = make_plan(layout, find_network(layout), wanted)
    if as_json:
        print_json({"steps": made.lines, "nothing_to_do": made.nothing})
        return
    for number, line in enumerate(made.lines, start=1):
        out.print(f"{number:3d}. {line}", markup=False)
    if made.nothing:
        out.print("the network is as the topology says; there is nothing to do")
    else:
        news("do it with `commonwatt apply`")


def apply(
    topology: TopologyArgument = None,
    communities: CommunitiesOption = None,
    homes: HomesOption = None,
    directory: DirectoryOption = None,
    network: NetworkOption = None,
) -> None:
    """Make the running network what the topology says, while trade goes on. You can run it again at any time."""
    from commonwatt_network.change.apply import apply as do

    wanted = wanted_topology(topology or None, communities, homes)
    with _places_named(topology):
        applied = asyncio.run(do(own_directory(directory, network, "apply"), wanted, phase))
    for line in applied.passed_over:
        news(f"[yellow]-[/] passed over {escape(line)}")
    if not applied.done:
        news("the network is as the topology says; nothing was changed")
        return
    seconds = sum(took for _, took in applied.done)
    news(f"[bold green]changed[/] in {seconds:.1f} s")


@contextmanager
def _places_named(source: str | None) -> Iterator[None]:
    """Put file and line before the reasons of a refused change for which one line of the file is to blame."""
    from commonwatt_client.yaml_models import line_of

    from commonwatt_network.change.refusals import RefusedChangeError

    try:
        yield
    except RefusedChangeError as refused:
        if source is None or not Path(source).is_file():
            raise
        text, words = Path(source).read_text(encoding="utf-8"), str(refused)
        for reason, location in refused.places.items():
            words = words.replace(reason, f"{source}:{line_of(text, location)}: {reason}")
        raise RefusedChangeError(words) from refused
