# SPDX-License-Identifier: Apache-2.0
"""A new chaincode project: names that would not work are refused, and a folder is there whole or not at all."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from commonwatt_network.development import new_project as module
from commonwatt_network.development.new_project import check_name, new_project
from commonwatt_network.errors import UsageError
from commonwatt_network.model.topology import load_topology


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Assets", "lower-case letters"),
        ("", "lower-case letters"),
        ("../assets", "lower-case letters"),
        ("9lives", "a letter first"),
        ("a" * 41, "40 characters at most"),
        ("a--b", "hyphens stand one by one"),
        ("a-", "hyphens stand one by one"),
        ("qscc", "Fabric's own chaincodes"),
        ("peer0", "peer's name"),
        ("class", "Python module"),
        ("json", "Python module"),
        ("client", "Python module"),
        ("pytest", "Python module"),
        ("test-assets", "Python module"),
        ("commonwatt-network", "Python module"),
    ],
)
def test_a_name_that_would_not_work_is_refused(tmp_path: Path, name: str, words: str) -> None:
    with pytest.raises(UsageError, match=words) as refused:
        new_project(name, tmp_path)
    assert "\n" not in str(refused.value)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_exists_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "assets").mkdir()
    (tmp_path / "kept").symlink_to(tmp_path / "nowhere")
    for name in ("assets", "kept"):
        with pytest.raises(UsageError, match="exists already; nothing was written"):
            new_project(name, tmp_path)
    assert list((tmp_path / "assets").iterdir()) == []


def test_nothing_is_left_of_a_project_that_could_not_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module.Path, "write_text", full)
    with pytest.raises(UsageError, match="No space left"):
        new_project("assets", tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "name", ["assets", "a", "my-very-long-tokens-of-a-long-name-indee", "contract", "asset"]
)
def test_a_project_is_lint_clean_and_its_topology_reads(tmp_path: Path, name: str) -> None:
    folder = new_project(name, tmp_path)
    assert load_topology(folder / "topology.yaml").chaincodes[name].folder == folder
    ruff = Path(sys.executable).with_name("ruff")
    assert not [path for path in folder.iterdir() if "{{" in path.read_text()]
    for command in (["check", "--select", "E,F,W,I,B,UP,SIM,RUF,PT,ASYNC"], ["format", "--check"]):
        done = subprocess.run([ruff, *command, "--no-cache", "."], cwd=folder, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout


def test_a_hyphen_is_an_underscore_in_python() -> None:
    assert check_name("my-tokens") == "my_tokens"
