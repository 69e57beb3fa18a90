# SPDX-License-Identifier: Apache-2.0
"""How soon a save of a chaincode is live with `commonwatt chaincode dev`, on each backend present.

`SAVES=20 pytest tests/benchmarks/test_chaincode_dev.py -s -q`: from the moment of the save until a client gets the
new code's answer, and what the command itself says from noticing it to the definition in force.
"""

from __future__ import annotations

import os
import re
import statistics
import time
from pathlib import Path

import psutil
import pytest
from commonwatt_client.sync import connect_network_file
from commonwatt_network.development.new_project import new_project
from commonwatt_network.down import down

from ..acceptance.conftest import Shell
from ..support.development import dev
from ..support.fabric import require_backend

SAVES = int(os.environ.get("SAVES", "8"))


@pytest.mark.parametrize("backend", ["embedded", "native"])
def test_a_save_is_live_soon(tmp_path: Path, backend: str) -> None:
    version = require_backend(backend)
    shell = Shell(new_project("assets", tmp_path))
    contract = shell.folder / "assets.py"
    text = contract.read_text()
    told, seen = [], []
    try:
        with dev(shell, COMMONWATT_BACKEND=backend) as session:
            session.says("end with Ctrl-C")
            with connect_network_file(
                shell.directory / "network.json", "north", "alice", retry=True
            ) as gateway:
                assets = gateway.get_network("shared").get_contract("assets")
                for number in range(SAVES):
                    contract.write_text(text.replace("there is no asset", f"{number}: there is no asset"))
                    saved_s = time.monotonic()
                    while f"{number}: there is no asset" not in refusal(assets):
                        time.sleep(0.02)
                    seen.append(time.monotonic() - saved_s)
                    said = session.says(r"(\d+\.\d) s after the save")
                    told.append(float(re.findall(r"(\d+\.\d) s after the save", said)[-1]))
                    time.sleep(1)
    finally:
        down(shell.directory)
    print(
        f"\n{backend} {version}: a client has the new answer {statistics.median(seen):.2f} s after a save (median of "
        f"{SAVES}; {min(seen):.2f} to {max(seen):.2f}); the command says {statistics.median(told):.1f} s; "
        f"load {psutil.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
    )


def refusal(contract: object) -> str:
    from commonwatt_client import EvaluateError

    try:
        contract.evaluate("get", arguments=["none"])  # type: ignore[attr-defined]
    except EvaluateError as error:
        return str(error)
    return ""
