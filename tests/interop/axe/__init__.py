# SPDX-License-Identifier: Apache-2.0
"""What keeps people from using a page, as axe-core sees it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..npm import with_packages

if TYPE_CHECKING:
    from ..chromium import Page

FOLDER = Path(__file__).parent
MOST_S = 90.0  # long reports, on a busy machine
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


async def violations(page: Page) -> list[str]:
    """Each violation as its rule and the elements; skips the test where axe-core cannot be had."""
    await page.evaluate(
        (with_packages(FOLDER) / "node_modules" / "axe-core" / "axe.min.js").read_text("utf-8")
    )
    asked = {"runOnly": RULES, "resultTypes": ["violations"]}
    found: dict[str, Any] = await page.promised(f"axe.run(document, {json.dumps(asked)})", MOST_S)
    assert found["passes"], "axe-core looked at something"
    return [f"{one['id']}: {[node['html'][:120] for node in one['nodes']]}" for one in found["violations"]]
