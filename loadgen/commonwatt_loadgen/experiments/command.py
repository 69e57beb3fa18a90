# SPDX-License-Identifier: Apache-2.0
"""`commonwatt experiment`."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated

import typer
from commonwatt_client.command_line import JsonOption
from commonwatt_client.exit_codes import InterruptedByUser, UsageError
from commonwatt_client.verbosity import quiet, say
from rich.console import Console

from commonwatt_loadgen.simulate.exclusive import require_writable
from commonwatt_loadgen.simulate.progress import ProgressBars

app = typer.Typer(no_args_is_help=True, help="Experiments as files, run on all cores.")


@app.command("run")
def run_command(
    file: Annotated[Path, typer.Argument(help="The experiment.yaml (docs/experiments.md).")],
    out: Annotated[
        Path | None, typer.Option(help="Folder of the results; default: out/experiments/NAME.")
    ] = None,
    jobs: Annotated[int, typer.Option(min=0, max=1024, help="Processes; 0: one for each core.")] = 0,
    anew: Annotated[bool, typer.Option("--anew", help="Throw away the runs that the folder holds.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Simulate every variant with every seed. After a kill, the same command goes on where it stopped."""
    from commonwatt_loadgen.experiments.file import read_experiment  # pandas and scipy are slow to load
    from commonwatt_loadgen.experiments.run import run_experiment
    from commonwatt_loadgen.experiments.show import lines_of

    experiment = read_experiment(file)
    folder = out or Path("out/experiments") / experiment.name
    require_writable(folder)
    kept = 0
    try:
        with ProgressBars(Console(stderr=True, quiet=quiet()), "runs") as bars:

            def progress(done: int, total: int) -> None:
                nonlocal kept
                kept = done
                bars.told(experiment.name, done, total)

            frames = run_experiment(
                experiment,
                file.read_text("utf-8"),
                file.parent,
                folder,
                jobs or _cores(),
                progress,
                anew=anew,
            )
    except KeyboardInterrupt as interrupt:
        raise InterruptedByUser(
            f"interrupted; {kept} runs are kept, and the same command goes on from there"
        ) from interrupt
    if as_json:
        variants = json.loads(frames["variants"].to_json(orient="records"))
        print(json.dumps({"results": str(folder), "variants": variants}, indent=1))
        return
    for line in lines_of(frames["variants"], len(experiment.seeds)):
        print(line)
    say(f"results: {folder}")


@app.command("schema")
def schema_command() -> None:
    """Print the JSON Schema of experiment.yaml, for editors."""
    from commonwatt_loadgen.experiments.file import json_schema

    print(json.dumps(json_schema(), indent=2))


@app.command("new")
def new_command(
    file: Annotated[Path, typer.Argument(help="The file to write.")] = Path("experiment.yaml"),
) -> None:
    """Write a sample experiment, which runs as it is and takes a minute."""
    from importlib.resources import files

    sample = files("commonwatt_loadgen.experiments").joinpath("sample.yaml").read_text("utf-8")
    try:
        with file.open("x", encoding="utf-8") as new:
            new.write(sample)
    except OSError as error:
        raise UsageError(f"{file}: cannot be written: {os.strerror(error.errno or 0)}") from error
    say(f"{file}: run it by `commonwatt experiment run {file}`")


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
