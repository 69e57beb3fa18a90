# SPDX-License-Identifier: Apache-2.0
"""Writes docs/openapi.json, the document of the community service's API, from the table of its routes.

A test holds the file to the table: who changes a route sees what callers will see.
"""

import json
from pathlib import Path

from commonwatt_community.service.openapi import document
from commonwatt_community.service.table import ROUTES

FILE = Path(__file__).resolve().parent.parent / "docs" / "openapi.json"


def main() -> None:
    """Write the file."""
    FILE.write_text(json.dumps(document(ROUTES), indent=1, sort_keys=True) + "\n", "utf-8")


if __name__ == "__main__":
    main()
