# SPDX-License-Identifier: Apache-2.0
"""fabric-sdk-py in an environment of its own, made once."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parent
ENVIRONMENT = FOLDER / ".venv"


@lru_cache(maxsize=1)
def fabric_sdk_py() -> Path:
    """The environment's Python; skips the test where fabric-sdk-py cannot be installed."""
    python = ENVIRONMENT / "bin" / "python"
    if not (ENVIRONMENT / "installed").exists():
        shutil.rmtree(ENVIRONMENT, ignore_errors=True)
        pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        for command in (
            [sys.executable, "-m", "venv", ENVIRONMENT],
            [*pip, "--no-deps", "-r", FOLDER / "requirements.txt"],
            [*pip, "-r", FOLDER / "dependencies.txt"],
            [python, "-c", "import hfc.fabric"],
        ):
            ran = subprocess.run(command, capture_output=True, text=True, timeout=300)
            if ran.returncode:
                pytest.skip(f"fabric-sdk-py cannot be installed here: {ran.stderr.strip()[-300:]}")
        (ENVIRONMENT / "installed").touch()
    return python


def query_and_invoke(network: Any, folder: Path, chaincode: str, key: str, count: int = 1) -> Any:
    """Invoke `put` so many times, one after the other, as newtown's operator on `trials`, and query the first key."""
    python = fabric_sdk_py()
    peers = json.loads(network.path.read_text())["organizations"]["newtown"]["peers"]
    settings = {
        "profile": str(network.path.parent / "profiles" / "newtown.fabric-sdk-py.json"),
        "organization": "newtown",
        "user": "operator",
        "channel": "trials",
        "chaincode": chaincode,
        "key": key,
        "peers": [peers[0]["name"]],
        "count": count,
    }
    file = folder / "settings.json"
    file.write_text(json.dumps(settings))
    ran = subprocess.run(
        [python, FOLDER / "query_and_invoke.py", file],
        capture_output=True,
        text=True,
        timeout=300,
        cwd=folder,
    )
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout.splitlines()[-1])
