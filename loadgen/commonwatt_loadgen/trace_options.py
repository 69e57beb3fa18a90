# SPDX-License-Identifier: Apache-2.0
"""The options that say how a trace file is read, alike for every command; apart from pandas, which loads slowly."""

from typing import Annotated, Literal

import typer

LayoutOption = Annotated[
    str | None,
    typer.Option(
        envvar="COMMONWATT_TRACE_LAYOUT",
        help="Layout of the trace file, as low-carbon-london; default: recognised.",
    ),
]
ColumnsOption = Annotated[
    str | None,
    typer.Option(
        envvar="COMMONWATT_TRACE_COLUMNS",
        help="What columns hold, as home=LCLid,time=tstp,use_kwh=energy; a column per home: time=utc,use_kwh=*.",
    ),
]
ZoneOption = Annotated[
    str | None,
    typer.Option(
        envvar="COMMONWATT_TRACE_ZONE",
        help="Time zone of the homes, as Europe/London; default: the layout's.",
    ),
]
MetersOption = Annotated[
    Literal["net", "gross"] | None,
    typer.Option(
        envvar="COMMONWATT_TRACE_METERS",
        help="What meters see: net is import and export alone, gross is use and generation.",
    ),
]
