# SPDX-License-Identifier: Apache-2.0
"""The load generator's verbs for the `commonwatt` command."""

import typer

from commonwatt_loadgen.comparing.command import compare_command
from commonwatt_loadgen.experiments.command import app as experiment_app
from commonwatt_loadgen.paper.command import paper_command
from commonwatt_loadgen.simulate.command import simulate_command
from commonwatt_loadgen.throughput.caliper_command import caliper_command
from commonwatt_loadgen.throughput.command import load_command, load_max_command
from commonwatt_loadgen.trace_commands import app as traces_app


def register(app: typer.Typer) -> None:
    """Add the verbs to `app`."""
    app.command("simulate")(simulate_command)
    app.add_typer(traces_app, name="traces")
    app.add_typer(experiment_app, name="experiment")
    app.command("compare")(compare_command)
    app.command("paper")(paper_command)
    app.command("load")(load_command)
    app.command("load-max")(load_max_command)
    app.command("caliper")(caliper_command)
