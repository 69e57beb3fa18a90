# SPDX-License-Identifier: Apache-2.0
"""What `make release` refuses, and the bill of materials that it writes."""

from __future__ import annotations

import importlib
import json
import os
import re
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

PARTS = ("chaincode", "client", "network", "audit", "community", "loadgen")
# Majors come often or are dates, and have not broken what the kit uses of these.
UNBOUND = {
    "argon2-cffi",
    "cryptography",
    "distributed",
    "psutil",
    "pyarrow",
    "pytest",
    "pytest-asyncio",
    "rich",
}


@pytest.fixture
def release(repository: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(repository / "tools"))
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    return importlib.import_module("release")


def test_archives_that_differ_or_are_not_in_both_folders_are_named(release: Any, tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    for folder, written in ((one, b"1"), (other, b"2")):
        folder.mkdir()
        (folder / "same.whl").write_bytes(b"0")
        (folder / "changed.tar.gz").write_bytes(written)
    (one / "alone.whl").write_bytes(b"0")
    assert release.differences(one, other) == ["alone.whl", "changed.tar.gz"]


def test_the_bill_of_materials_names_every_library_and_is_the_same_twice(release: Any) -> None:
    text = release.bill_of_materials("1.2.3", 1_760_000_000)
    assert text == release.bill_of_materials("1.2.3", 1_760_000_000)
    content = json.loads(text)
    assert (content["bomFormat"], content["specVersion"]) == ("CycloneDX", "1.5")
    assert content["metadata"]["component"]["version"] == "1.2.3"
    named = {one["name"] for one in content["components"]}
    assert {f"commonwatt-{part}" for part in PARTS} | {"cryptography", "grpcio", "typer", "pyarrow"} <= named
    assert not named & {"pytest-xdist", "ruff", "mypy"}, (
        "tools for development are no part of what is released"
    )


def test_a_version_that_is_none_is_refused(release: Any) -> None:
    with pytest.raises(SystemExit, match="is no version"):
        release.set_version("next")


def test_pages_name_the_version_in_force(release: Any, repository: Path) -> None:
    for name, place in release.TELLS_THE_VERSION.items():
        assert set(re.findall(place, (repository / name).read_text())) == {release.version()}, name


@pytest.mark.parametrize("part", PARTS)
def test_libraries_whose_next_major_may_break_the_kit_have_an_upper_bound(
    part: str, repository: Path
) -> None:
    project = tomllib.loads((repository / part / "pyproject.toml").read_text())["project"]
    extras = project.get("optional-dependencies", {}).values()
    for stated in [*project["dependencies"], *(one for extra in extras for one in extra)]:
        name = re.match(r"[a-z0-9-]+", stated)
        assert name is not None
        assert name[0].startswith("commonwatt-") or name[0] in UNBOUND or "<" in stated, stated
