# SPDX-License-Identifier: Apache-2.0
"""The command `commonwatt`: each distribution adds its verbs through the entry-point group `commonwatt.commands`.

Errors are one line on standard error; `commonwatt_client.exit_codes` lists the exit codes.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import entry_points
from typing import ClassVar

import typer
from commonwatt_client.command_line import Program, program
from commonwatt_client.exit_codes import run

PANELS = {
    "Run a network": ("doctor", "network", "topology", "plan", "apply", "watch", "connect", "fabric"),
    "Run a community": ("community", "homes", "operate", "exchange", "service", "serve", "home", "live"),
    "Simulate and compare": ("simulate", "experiment", "compare", "paper", "traces"),
    "Load a network": ("load", "load-max", "caliper"),
    "Audit": ("verify", "clear", "settle", "bill", "prices"),
    "Write and call chaincode": ("chaincode", "submit", "evaluate", "explain"),
    "Run a consortium": ("org", "consortium"),
    "Extend the kit": ("plugin",),
}


class Commonwatt(Program):
    """The command `commonwatt`."""

    panels: ClassVar[Mapping[str, Sequence[str]]] = PANELS


def build_app(wanted: str | None = None) -> typer.Typer:
    """The command with the verbs of every distribution that is installed.

    Entry points are loaded, the network's own first, until one offers the verb `wanted`: starting a network does not
    wait for the load generator's libraries, nor `--version` for any.
    """
    app = program("Neighbours trade solar power on Hyperledger Fabric.", Commonwatt)
    if wanted in ("--version", "--show-completion"):
        return app
    for entry in sorted(entry_points(group="commonwatt.commands"), key=lambda entry: entry.name != "network"):
        entry.load()(app)
        verbs = {one.name for one in app.registered_commands} | {one.name for one in app.registered_groups}
        if wanted in verbs:
            break
    return app


def main() -> None:
    """Run the command line; errors that a person can act on come as one line, not as a traceback."""
    run("commonwatt", lambda: build_app(_wanted())())


def _wanted() -> str | None:
    """The verb that stands on the command line, or on the one that a shell completes; None where it is not whole."""
    if sys.argv[1:]:
        return sys.argv[1]
    completed = (os.environ.get("_TYPER_COMPLETE_ARGS") or os.environ.get("COMP_WORDS") or "").split()
    return completed[1] if len(completed) > 2 else None
