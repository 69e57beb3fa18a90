# SPDX-License-Identifier: Apache-2.0
"""What the contract's image installs: exactly what `uv.lock` has, and what the list for others names."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CHAINCODE = Path(__file__).parents[4] / "chaincode"
REQUIREMENTS = CHAINCODE / "requirements.txt"
AGAIN = "run `make chaincode-lock`"


def exported(*words: str) -> str:
    """What `uv export` says of the contract's locked dependencies."""
    uv = shutil.which("uv") or shutil.which("uv", path=str(Path(sys.executable).parent))
    if uv is None:
        pytest.skip("uv is neither on PATH nor in the environment")
    command = [uv, "export", "--quiet", "--frozen", "--no-dev", *words]
    return subprocess.run(
        command, cwd=CHAINCODE, check=True, capture_output=True, text=True, timeout=60
    ).stdout


def without_comments(text: str) -> list[str]:
    return [line for line in text.splitlines() if not line.lstrip().startswith("#")]


def locked() -> dict[str, str]:
    """Package -> version, of the image's requirements."""
    return dict(re.findall(r"^([a-z0-9-]+)==([^ ]+) ", REQUIREMENTS.read_text(), re.MULTILINE))


def test_the_image_installs_what_the_lock_has() -> None:
    wanted = without_comments(exported("--no-emit-project"))
    assert without_comments(REQUIREMENTS.read_text()) == wanted, AGAIN


def test_each_file_is_known_by_its_hash() -> None:
    for entry in re.split(r"\n(?=[a-z])", "\n".join(without_comments(REQUIREMENTS.read_text()))):
        assert "--hash=sha256:" in entry, entry
    assert {"cryptography", "grpcio", "hyperledger-fabric-protos", "protobuf"} <= locked().keys()


def test_the_bill_of_materials_names_what_is_installed() -> None:
    bill = json.loads(exported("--format", "cyclonedx1.5"))
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.5")
    named = {component["name"]: component["version"] for component in bill["components"]}
    named.pop("commonwatt-chaincode", None)
    assert named == locked()


def test_the_contract_needs_nothing_beside_its_requirements() -> None:
    described = (CHAINCODE / "pyproject.toml").read_text()
    needed = re.search(r"^dependencies = \[(.*?)^\]", described, re.MULTILINE | re.DOTALL)
    assert needed
    names = re.findall(r'"([a-z-]+)', needed[1])
    assert set(names) <= locked().keys()
