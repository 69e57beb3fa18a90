# SPDX-License-Identifier: Apache-2.0
"""The verbs `commonwatt plugin ...`: what is installed, and a new package."""

from pathlib import Path
from typing import Annotated

import typer

plugin_app = typer.Typer(
    help="Strategies, forecasts, battery plans, meters, mechanisms and trace layouts of other packages.",
    no_args_is_help=True,
)


@plugin_app.command("list")
def plugin_list() -> None:
    """List the parts that you can choose by name, and the skipped plug-ins with the reason."""
    from commonwatt_community.plugins.discovery import Broken, kinds, origin, working

    broken: list[Broken] = []
    for kind in kinds():
        print(f"{kind}:")
        found = working(kind, broken.append)
        for name in found:
            print(f"  {name:20} {origin(kind, name)}")
    for one in broken:
        print(f"skipped: {one}")


@plugin_app.command("new")
def plugin_new(
    kind: Annotated[str, typer.Argument(help="strategy, forecast, battery, meter, mechanism or traces")],
    name: Annotated[str, typer.Argument(help="the name by which you choose it")],
) -> None:
    """Write a package with a plug-in and tests that pass."""
    from commonwatt_community.plugins.discovery import kinds
    from commonwatt_community.plugins.new_project import KINDS, new_plugin

    folder = new_plugin(kind, name, Path.cwd())
    print(f"{folder.name}/ is a {kinds()[KINDS[kind]]} that passes its tests:")
    print(f"  cd {folder.name} && python3 -m pytest")
    print("  pip install -e .     # in the environment of commonwatt; `commonwatt plugin list` then names it")


def register(app: typer.Typer) -> None:
    """Add the verbs to `app`."""
    app.add_typer(plugin_app, name="plugin")
