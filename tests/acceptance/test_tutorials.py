# SPDX-License-Identifier: Apache-2.0
"""docs/tutorials, word by word: a reader in an empty folder writes the files and runs the commands.

The other two tutorials have tests of their own: test_community_page.py and test_consortium.py.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from ..support.installed import install_editable
from ..support.page_reader import Reader, blocks, reading

TUTORIALS = Path(__file__).parents[2] / "docs" / "tutorials"
INSTALL = "python3 -m pip install --editable patient\n"
pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]


def printed(page: Path) -> list[str]:
    """The lines that a page shows as what commands print: indented, outside of blocks."""
    prose = re.sub(r"```\w+\n.*?```", "", page.read_text("utf-8"), flags=re.DOTALL)
    return [line.strip() for line in prose.splitlines() if line.startswith("    ")]


def install_patient(reader: Reader) -> None:
    """In place of pip, which would ask a registry for the build's tools."""
    site = reader.folder / "site"
    install_editable(reader.folder / "patient", site)
    reader.environment["PYTHONPATH"] = f"{site}:{reader.folder / 'patient'}"


def test_a_researcher_compares_policies_and_adds_a_strategy(tmp_path: Path) -> None:
    page, said = TUTORIALS / "research.md", ""
    with reading(tmp_path) as reader:
        for name, kind, text in blocks(page):
            if name is not None:
                (reader.folder / name).write_text(text)
                continue
            assert kind == "sh", text
            if INSTALL in text:
                install_patient(reader)
            said += reader.run(text.replace(INSTALL, ""))
    lines = {" ".join(line.split()) for line in said.splitlines()}
    assert printed(page)
    assert {" ".join(line.split()) for line in printed(page)} - lines == set()
    assert "2 homes, 1 with generation" in said
    for folder in ("reserve", "sell-all", "own", "patient-day"):
        assert json.loads((tmp_path / folder / "summary.json").read_text())["definitions"]
        assert (tmp_path / folder / "report.html").stat().st_size > 10_000
    patient, reserve = (
        json.loads((tmp_path / folder / "summary.json").read_text())["communities"][0]["totals"]
        for folder in ("patient-day", "reserve")
    )
    assert patient["fills"] > 0
    assert patient != reserve


def test_a_python_team_writes_changes_and_calls_a_contract(tmp_path: Path) -> None:
    page, said = TUTORIALS / "fabric.md", ""
    with reading(tmp_path, "assets/.commonwatt") as reader:
        for name, kind, text in blocks(page):
            if name is not None:
                (reader.folder / name).write_text(text)
                continue
            assert kind == "sh", text
            if text.startswith("commonwatt chaincode dev"):
                reader.stay(text.strip())
                reader.says("live: assets 1.0, sequence 1 on shared", 120)
                reader.says("end with Ctrl-C", 60)
                continue
            if text.startswith("commonwatt network down"):
                reader.interrupt()
            said += reader.run(text)
            if "change.py" in text:
                reader.says("live: assets 1.0, sequence 2 on shared", 120)
    assert "3 passed" in said
    assert "forbidden: asset a1 is NorthMSP/alice's" in said
    assert said.count('"owner": "NorthMSP/alice"') >= 3
    assert "bad_size: the size is at most 100, not 500" in said
    assert "bob sees {'id': 'a3'" in said
