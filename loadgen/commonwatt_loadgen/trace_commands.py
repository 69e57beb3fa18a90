# SPDX-License-Identifier: Apache-2.0
"""`commonwatt traces`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from commonwatt_client.command_line import JsonOption
from commonwatt_client.exit_codes import UsageError
from commonwatt_client.verbosity import say

from commonwatt_loadgen.trace_options import ColumnsOption, LayoutOption, MetersOption, ZoneOption

app = typer.Typer(no_args_is_help=True, help="Look at files of metered homes, and list the known layouts.")


@app.command("check")
def check_command(
    path: Annotated[Path, typer.Argument(help="File, zip or folder of metered homes.")],
    layout: LayoutOption = None,
    columns: ColumnsOption = None,
    zone: ZoneOption = None,
    meters: MetersOption = None,
    picture: Annotated[
        Path | None, typer.Option(help="PNG of the mean day and of the days that each home has.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Say what trace files hold: homes, days, gaps, intervals, sums, duplicates, values that look wrong."""
    from commonwatt_loadgen.traces.checks import TraceError  # pandas is slow to load
    from commonwatt_loadgen.traces.examine import examine, lines_of
    from commonwatt_loadgen.traces.files import ReadAs

    read_as = ReadAs(layout, columns, zone, meters)
    try:
        read_as.check()
        examined = examine(path, read_as)
    except (TraceError, ValueError) as error:
        raise UsageError(str(error)) from error
    if picture is not None:
        from commonwatt_loadgen.traces.check_picture import write_picture

        try:
            write_picture(examined, picture)
        except OSError as error:
            raise UsageError(f"{picture}: cannot be written: {error.strerror}") from error
    if as_json:
        print(json.dumps(examined.as_json(), indent=1, ensure_ascii=False))
        return
    for line in lines_of(examined):
        print(line)
    if picture is not None:
        say(f"picture: {picture}")


@app.command("layouts")
def layouts_command(as_json: JsonOption = False) -> None:
    """List the layouts that are known by name."""
    from commonwatt_loadgen.traces.plugin_kind import layouts

    if as_json:
        found = [{"name": name, "zone": one.zone, "meters": one.meters} for name, one in layouts().items()]
        print(json.dumps({"layouts": found}, indent=1))
        return
    for name, layout in layouts().items():
        print(f"{name}: zone {layout.zone}, {layout.meters or 'net or gross'} meters")
