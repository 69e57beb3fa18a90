# SPDX-License-Identifier: Apache-2.0
"""A contract in TypeScript on the official Node library, compiled by the compiler that its package.json names."""

from __future__ import annotations

import subprocess
from functools import lru_cache
from pathlib import Path

from ..npm import with_packages


@lru_cache(maxsize=1)
def node_contract() -> Path:
    """The folder with its packages and `dist/index.js`; skips the test where npm or a package cannot be had."""
    folder = with_packages(Path(__file__).parent)
    compiled = subprocess.run(
        ["node_modules/.bin/tsc", "-p", "."], cwd=folder, capture_output=True, text=True, timeout=120
    )
    assert compiled.returncode == 0, compiled.stdout
    return folder
