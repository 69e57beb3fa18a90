# SPDX-License-Identifier: Apache-2.0
"""examples/: each runs. tests/behaviour/test_examples_at_a_service.py runs the managers and the auditor's script."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from ..support.installed import install_editable
from ..support.mosquitto import free_port
from ..support.page_reader import blocks, reading

EXAMPLES = Path(__file__).parents[2] / "examples"
STAYING = ("commonwatt serve", "commonwatt operate", "mosquitto", "python3 meters.py", "python3 homes.py run")


@pytest.mark.parametrize(("example", "tests"), [("chaincode", 2), ("strategy", 2)])
@pytest.mark.long
def test_its_own_tests_pass(example: str, tests: int, tmp_path: Path) -> None:
    folder = shutil.copytree(EXAMPLES / example, tmp_path / example)
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=110,
    )
    assert ran.returncode == 0, ran.stdout
    assert f"{tests} passed" in ran.stdout


@pytest.mark.long
@pytest.mark.timeout(300)
def test_the_strategy_trades_a_day(tmp_path: Path) -> None:
    install_editable(EXAMPLES / "strategy", tmp_path / "site")
    with reading(tmp_path) as reader:
        reader.environment["PYTHONPATH"] = f"{tmp_path / 'site'}:{EXAMPLES / 'strategy'}"
        assert "patient" in reader.run("commonwatt plugin list")
        said = reader.run(
            "commonwatt simulate --in-process --homes 6 --share 50 --strategy patient --out day --no-figures"
        )
    fills = re.search(r"(\d+) fills", said)
    assert fills is not None
    assert int(fills[1]) > 0


def test_the_topology_becomes_a_folder_for_each_of_three_hosts(tmp_path: Path) -> None:
    shutil.copy(EXAMPLES / "three-hosts" / "topology.yaml", tmp_path)
    with reading(tmp_path) as reader:
        assert "correct" in reader.run("commonwatt topology check topology.yaml")
        reader.run("commonwatt network render --backend compose --topology topology.yaml --out rendered")
    hosts = {"192.0.2.1": "newtown", "192.0.2.2": "glebe", "192.0.2.3": "grid"}
    assert {path.name for path in (tmp_path / "rendered").iterdir()} >= hosts.keys()
    for address, organization in hosts.items():
        folder = tmp_path / "rendered" / address
        services = yaml.safe_load((folder / "compose.yaml").read_text())["services"]
        assert any(name.startswith("orderer") for name in services)
        assert {name for name in services if name.startswith("peer")} == {f"peer0.{organization}"}
        keys = {str(path.relative_to(folder)) for path in folder.rglob("key.pem")}
        others = set(hosts.values()) - {organization}
        assert keys
        assert not any(other in key for key in keys for other in others)


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_ten_homes_with_mqtt_meters_found_a_market_and_trade(tmp_path: Path) -> None:
    """The commands of its README, from an empty folder to a settled period of all ten homes that the audit proves."""
    program = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
    if program is None:
        pytest.skip("mosquitto is not installed")
    folder = shutil.copytree(EXAMPLES / "mqtt-community", tmp_path / "community")
    port = free_port()
    conf = folder / "mosquitto.conf"
    conf.write_text(conf.read_text().replace("1883", str(port)))
    with reading(folder) as reader:
        reader.environment["MQTT_PORT"] = str(port)
        reader.environment["PATH"] += f":{Path(program).parent}"
        for _, kind, text in blocks(folder / "README.md"):
            assert kind == "sh"
            if text.startswith(STAYING):
                reader.stay(text.strip())
                if text.startswith("commonwatt serve"):
                    key = folder / ".commonwatt-service" / "receipts-key.jws"
                    reader.until("the service's key", key.exists, 120)
                continue
            if text.startswith("commonwatt verify"):
                reader.says(r"cleared, \d[\d,]* Wh at", 420)
                reader.says("settled, 10 homes", 300)
            reader.run(text)
        assert "Traceback" not in reader.said()
    assert len(list((folder / "homes").glob("*/home.yaml"))) == 10
    assert os.stat(folder / "codes.key").st_mode & 0o077 == 0
