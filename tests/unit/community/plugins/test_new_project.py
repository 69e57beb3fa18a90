# SPDX-License-Identifier: Apache-2.0
"""`commonwatt plugin new`: a package whose own tests pass at once."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from commonwatt_client.exit_codes import UsageError
from commonwatt_community.plugins.new_project import KINDS, new_plugin


def test_each_kind_passes_its_own_tests(tmp_path):
    folders = [new_plugin(kind, f"my-{kind}", tmp_path) for kind in KINDS]
    spoiled = new_plugin("forecast", "tide", tmp_path)
    module = spoiled / "tide.py"
    module.write_text(module.read_text().replace("// 2", "// 3"))
    runs = [
        subprocess.Popen(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        )
        for folder in (*folders, spoiled)
    ]
    said = [run.communicate()[0] for run in runs]
    assert [run.returncode for run in runs] == [0, 0, 0, 0, 0, 0, 1], "\n".join(said)
    for one, tests in zip(said[:6], (2, 3, 3, 3, 3, 2), strict=True):
        assert f"{tests} passed" in one


@pytest.mark.parametrize(
    ("kind", "name", "said"),
    [
        (
            "tariff",
            "tide",
            "tariff is no kind of plug-in: strategy, forecast, battery, meter, mechanism, traces are",
        ),
        ("forecast", "Tide", "is no name for a plug-in"),
        ("forecast", "../tide", "is no name for a plug-in"),
        ("forecast", "t" * 41, "is no name for a plug-in"),
        ("forecast", "yesterday", "there is a forecast yesterday already"),
        ("forecast", "json", "json is already the name of a Python module"),
        ("forecast", "numpy", "numpy is already the name of a Python module"),
        ("forecast", "taken", "exists already; nothing was written"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_written(tmp_path, kind, name, said):
    (tmp_path / "taken").mkdir()
    with pytest.raises(UsageError) as refused:
        new_plugin(kind, name, tmp_path)
    assert said in str(refused.value)
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path):
    with pytest.raises(UsageError, match="cannot be written: No such file or directory"):
        new_plugin("forecast", "tide", tmp_path / "none")
