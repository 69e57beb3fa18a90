# SPDX-License-Identifier: Apache-2.0
"""Layouts of trace files as a kind of plug-in: the entry points `commonwatt.traces`."""

from collections.abc import Mapping
from typing import Any

from commonwatt_community import plugins

from commonwatt_loadgen.traces.columns import Columns
from commonwatt_loadgen.traces.layouts import LAYOUTS, Layout
from commonwatt_loadgen.traces.zones import ZoneError, zone_of

_NO_HEADER = ["commonwatt", "asks", "whether", "this", "is", "yours"]


def layout_flaw(found: Any) -> str | None:
    """What is wrong with an object as a layout; None: nothing that can be seen."""
    if not isinstance(found, Layout):
        return "is no `Layout`"
    try:
        zone_of(found.zone)
    except ZoneError as error:
        return f"has a zone that is unknown: {error}"
    if found.meters not in (None, "net", "gross"):
        return f"has `meters` {found.meters!r}, which is neither None, net nor gross"
    if found.columns is None:
        if found.matches is None or found.read is None:
            return "has neither `columns` nor both `matches` and `read`"
        if found.matches(_NO_HEADER) is not None:
            return "takes any file for its own: `matches` must answer None"
        return None
    columns = found.columns(_NO_HEADER, ",")
    if isinstance(columns, Columns):
        return "takes any table for its own: `columns` must answer None"
    return None if columns is None else "does not answer `Columns` or None to a header"


TRACES = plugins.About("trace layout", LAYOUTS, layout_flaw, "commonwatt-loadgen")


def layout_names() -> list[str]:
    """The names that `--layout` takes, the kit's own first."""
    return plugins.names("traces")


def layouts() -> Mapping[str, Layout]:
    """All layouts that can be used, in the order in which a file is held against them: the kit's own first."""
    return plugins.working("traces")


def layout_of(name: str) -> Layout:
    """The layout of a name. PluginError: there is none, or it cannot be used."""
    layout: Layout = plugins.choose("traces", name)
    return layout
