"""The Node chaincode with its dependencies in place, once."""

from __future__ import annotations

import shutil
import subprocess
from functools import lru_cache
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent


@lru_cache(maxsize=1)
def node_chaincode() -> Path:
    """The script that serves it; skips the test where Node or its packages cannot be had."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        pytest.skip("Node.js and npm are not installed")
    if not (FOLDER / "node_modules").is_dir():
        installed = subprocess.run(
            [npm, "ci", "--no-audit", "--no-fund"], cwd=FOLDER, capture_output=True, text=True, timeout=300
        )
        if installed.returncode:
            pytest.skip(f"npm ci failed: {installed.stderr.strip()[-300:]}")
    return FOLDER / "serve.py"
