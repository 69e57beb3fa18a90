# SPDX-License-Identifier: Apache-2.0
"""The command `commonwatt`: each distribution adds its verbs through the entry-point group `commonwatt.commands`.

Errors are one line on standard error; `commonwatt_client.exit_codes` lists the exit codes.
"""

from __future__ import annotations

import sys
from importlib.metadata import entry_points

import typer
from commonwatt_client.exit_codes import run


def build_app(wanted: str | None = None) -> typer.Typer:
    """The command with the verbs of every distribution that is installed.

    Entry points are loaded, the network's own first, until one offers the verb `wanted`: starting a network does not
    wait for the load generator's libraries.
    """
    app = typer.Typer(
        help="Neighbours trade solar power on Hyperledger Fabric.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode="rich",
    )
    for entry in sorted(entry_points(group="commonwatt.commands"), key=lambda entry: entry.name != "network"):
        entry.load()(app)
        if wanted is not None and wanted in typer.main.get_group(app).commands:
            break
    return app


def main() -> None:
    """Run the command line; errors that a person can act on come as one line, not as a traceback."""
    run("commonwatt", lambda: build_app(wanted=sys.argv[1] if sys.argv[1:] else None)())
