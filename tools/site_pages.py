# SPDX-License-Identifier: Apache-2.0
"""MkDocs' hooks for the site: parts of pages that come from the programs themselves.

A line `<!-- from the programs: WHAT -->` of a page stands for the text that `PARTS` makes of commands, schemas or
routes, so the site and the programs never differ.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from commonwatt_community.founding.community_file import json_schema as community_schema
from commonwatt_community.home.settings import json_schema as home_schema
from commonwatt_community.service.openapi import document
from commonwatt_community.service.table import ROUTES
from commonwatt_network.model.topology import json_schema as topology_schema
from site_commands import commands
from site_schemas import routes, schema

PARTS: dict[str, Callable[[], str]] = {
    "commands": commands,
    "topology": lambda: schema(topology_schema()),
    "community.yaml": lambda: schema(community_schema()),
    "home.yaml": lambda: schema(home_schema()),
    "routes": lambda: routes(document(ROUTES)),
}
MARK = re.compile(r"^<!-- from the programs: (\S+) -->$", re.MULTILINE)
MAY_BE_MISSING = {"devices.md", "exchange.md", "experiments.md", "environment.md"}  # others bring these pages


def on_config(config: Any) -> None:
    """Leave out of the menu the pages that the menu awaits."""
    missing = {name for name in MAY_BE_MISSING if not (Path(config.docs_dir) / name).is_file()}
    config.nav = list(_without(config.nav, missing))


def _without(entries: list[Any], missing: set[str]) -> Iterator[Any]:
    for entry in entries:
        [(title, inside)] = entry.items() if isinstance(entry, dict) else [("", entry)]
        if isinstance(inside, list):
            yield {title: list(_without(inside, missing))}
        elif inside not in missing:
            yield entry


def on_page_markdown(markdown: str, **_: Any) -> str:
    """A page with its parts. KeyError for a part that is not in `PARTS`."""
    return MARK.sub(lambda found: PARTS[found[1]](), markdown)
