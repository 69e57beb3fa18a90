# SPDX-License-Identifier: Apache-2.0
"""Packages from npm that tests run beside ours: each folder's own, as its package-lock.json lists them."""

from __future__ import annotations

import shutil
import subprocess
from functools import lru_cache
from pathlib import Path

import pytest


@lru_cache(maxsize=8)
def with_packages(folder: Path, *options: str) -> Path:
    """The folder, with its packages in place; skips the test where Node or its packages cannot be had."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        pytest.skip("Node.js and npm are not installed")
    if not (folder / "node_modules").is_dir():
        command = [npm, "ci", "--no-audit", "--no-fund", *options]
        installed = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
        if installed.returncode:
            pytest.skip(f"npm ci failed: {installed.stderr.strip()[-300:]}")
    return folder
