# SPDX-License-Identifier: Apache-2.0
"""The load generator's verbs for the `commonwatt` command."""

import typer
from commonwatt_client.command_line import give_examples

from commonwatt_loadgen.comparing.command import compare_command
from commonwatt_loadgen.experiments.command import app as experiment_app
from commonwatt_loadgen.paper.command import paper_command
from commonwatt_loadgen.simulate.command import simulate_command
from commonwatt_loadgen.throughput.caliper_command import caliper_command
from commonwatt_loadgen.throughput.command import load_command, load_max_command
from commonwatt_loadgen.trace_commands import app as traces_app

EXAMPLES = {
    "simulate": "commonwatt simulate --days 7 --seed 3\n"
    "commonwatt simulate --in-process --homes 60 --market forward --out out/forward",
    "traces check": "commonwatt traces check homes.csv --zone Europe/London",
    "traces layouts": "commonwatt traces layouts",
    "experiment run": "commonwatt experiment run experiment.yaml --jobs 2",
    "experiment schema": "commonwatt experiment schema",
    "experiment new": "commonwatt experiment new experiment.yaml",
    "compare": "commonwatt compare out/simulate out/forward --out out/compared",
    "paper": "commonwatt paper --seeds 20",
    "load": "commonwatt load --rate constant:100 --duration 60\ncommonwatt load --rate ramp:10-100 --json",
    "load-max": "commonwatt load-max --p95 1",
    "caliper": "commonwatt caliper --transactions 1500 --rate 50",
}


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
    give_examples(app, EXAMPLES)
