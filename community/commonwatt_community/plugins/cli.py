# SPDX-License-Identifier: Apache-2.0
"""The verbs `commonwatt plugin ...`: what is installed, and a new package."""

import json
from pathlib import Path
from typing import Annotated, Literal

import typer
from commonwatt_client.command_line import JsonOption
from commonwatt_client.verbosity import say

plugin_app = typer.Typer(
    help="Strategies, forecasts, battery plans, meters, mechanisms and trace layouts of other packages.",
    no_args_is_help=True,
)


@plugin_app.command("list")
def plugin_list(as_json: JsonOption = False) -> None:
    """List the parts that you can choose by name, and the skipped plug-ins with the reason."""
    from commonwatt_community.plugins.discovery import Broken, kinds, origin, working

    broken: list[Broken] = []
    found = {
        kind: [{"name": name, "from": origin(kind, name)} for name in working(kind, broken.append)]
        for kind in kinds()
    }
    if as_json:
        print(json.dumps({"parts": found, "skipped": [str(one) for one in broken]}, indent=2))
        return
    for kind, parts in found.items():
        print(f"{kind}:")
        for part in parts:
            print(f"  {part['name']:20} {part['from']}")
    for one in broken:
        print(f"skipped: {one}")


@plugin_app.command("new")
def plugin_new(
    kind: Annotated[
        Literal["strategy", "forecast", "battery", "meter", "mechanism", "traces"],
        typer.Argument(help="What the package adds."),
    ],
    name: Annotated[str, typer.Argument(help="The name by which you choose it.")],
) -> None:
    """Write a package with a plug-in and tests that pass."""
    from commonwatt_community.plugins.discovery import kinds
    from commonwatt_community.plugins.new_project import KINDS, new_plugin

    folder = new_plugin(kind, name, Path.cwd())
    say(f"{folder.name}/ is a {kinds()[KINDS[kind]]} that passes its tests:")
    say(f"  cd {folder.name} && python3 -m pytest")
    say("  pip install -e .     # in the environment of commonwatt; `commonwatt plugin list` then names it")


def register(app: typer.Typer) -> None:
    """Add the verbs to `app`."""
    app.add_typer(plugin_app, name="plugin")
