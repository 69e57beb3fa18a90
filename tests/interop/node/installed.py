# SPDX-License-Identifier: Apache-2.0
"""The Node client with its dependencies in place, once, and ways to run it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from ..npm import with_packages

FOLDER = Path(__file__).parent


def node_client() -> Path:
    """The script; skips the test where Node or its packages cannot be had."""
    return with_packages(FOLDER) / "client.mjs"


def run_node_client(verb: str, network: Any, folder: Path, chaincode: str, **settings: Any) -> Any:
    """What the script prints for a network, as newtown's operator on the channel `trials`."""
    script = node_client()
    user = json.loads(network.path.read_text())["organizations"]["newtown"]["users"]["operator"]
    described = {
        "profile": str(network.path.parent / "profiles" / "newtown.yaml"),
        "organization": "newtown",
        "certificate": user["certificate"],
        "privateKey": user["private_key"],
        "channel": "trials",
        "chaincode": chaincode,
        **settings,
    }
    file = folder / "settings.json"
    file.write_text(json.dumps(described))
    ran = subprocess.run(["node", script, verb, file], capture_output=True, text=True, timeout=300)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)
