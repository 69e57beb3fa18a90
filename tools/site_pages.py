# SPDX-License-Identifier: Apache-2.0
"""MkDocs' hooks for the site: parts of pages that come from the programs themselves.

A line `<!-- from the programs: WHAT -->` of a page stands for the text that `PARTS` makes of commands, schemas or
routes, so the site and the programs never differ.
"""

from __future__ import annotations

import re
from collections.abc import Callable
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
HOST = re.compile(r"^```(sh|yaml) ([\w -]+)$", re.MULTILINE)
"""A block of one organisation's host: ```sh newtown later. Tests read it so; the site wants a title."""
MARK = re.compile(r"^<!-- from the programs: (\S+) -->$", re.MULTILINE)


def on_page_markdown(markdown: str, **_: Any) -> str:
    """A page with its parts. KeyError for a part that is not in `PARTS`."""
    markdown = HOST.sub(r'```\1 title="\2"', markdown)
    return MARK.sub(lambda found: PARTS[found[1]](), markdown)
