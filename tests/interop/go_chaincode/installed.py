# SPDX-License-Identifier: Apache-2.0
"""Chaincode on the official Go library, built from the copy of that library in Fabric's own sources (v3)."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

MAIN = Path(__file__).with_name("main.go")
SOURCES = "FABRIC_SOURCE"


def go_chaincode(folder: Path) -> Path:
    """The program, built into `folder`; skips the test where Go or the library's sources cannot be had.

    Our file is laid over Fabric's sources for the compiler alone: nothing is written there.
    """
    go, sources = shutil.which("go"), os.environ.get(SOURCES)
    if go is None or sources is None:
        pytest.skip(
            f"Go is not installed, or {SOURCES} does not name Fabric's sources, which hold the Go library"
        )
    library = Path(sources) / "vendor" / "github.com" / "hyperledger" / "fabric-chaincode-go" / "v2"
    if not library.is_dir():
        pytest.skip(f"{library} is not there")
    overlay = folder / "overlay.json"
    overlay.write_text(
        json.dumps({"Replace": {str(Path(sources) / "internal" / "interop" / "main.go"): str(MAIN)}})
    )
    command = [go, "build", "-mod=vendor", "-buildvcs=false", "-overlay", overlay, "-o", folder / "assets"]
    subprocess.run([*command, "./internal/interop"], cwd=sources, check=True, timeout=600)
    return folder
