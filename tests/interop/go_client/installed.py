# SPDX-License-Identifier: Apache-2.0
"""The Go client, built once."""

from __future__ import annotations

import shutil
import subprocess
from functools import lru_cache
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent


@lru_cache(maxsize=1)
def go_client() -> Path:
    """The program; skips the test where Go, a C compiler (for PKCS #11) or a module is not to be had."""
    go = shutil.which("go")
    if go is None or shutil.which("cc") is None:
        pytest.skip("Go and a C compiler are not installed")
    program = FOLDER / "out" / "client"
    command = [go, "build", "-tags", "pkcs11", "-o", str(program), "."]
    built = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, timeout=600)
    if built.returncode:
        # A mistake in the program is no module that is missing.
        assert ".go:" not in built.stderr, built.stderr
        pytest.skip(f"go build failed: {built.stderr.strip()[-300:]}")
    return program
