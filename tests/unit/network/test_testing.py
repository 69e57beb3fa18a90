# SPDX-License-Identifier: Apache-2.0
"""The fixtures that pytest finds by itself, as docs/testing.md says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

TEST = """
async def test_a_network_is_there(embedded_network):
    async with embedded_network.connect("newtown") as gateway:
        assert embedded_network.path.exists()
    embedded_network.peer("peer0.grid").faults.down = True
"""


def test_a_folder_without_conftest_has_the_fixtures(tmp_path: Path) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\nasyncio_mode = auto\n")
    (tmp_path / "test_mine.py").write_text(TEST)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 0, ended.stdout
    assert "1 passed" in ended.stdout


def test_a_run_of_pytest_without_a_network_loads_nothing_of_one() -> None:
    told = "import sys, commonwatt_network.testing; print(sorted({'grpc', 'aiohttp', 'cryptography'} & {*sys.modules}))"
    ended = subprocess.run(
        [sys.executable, "-c", told], capture_output=True, text=True, timeout=60, check=True
    )
    assert ended.stdout.strip() == "[]"
