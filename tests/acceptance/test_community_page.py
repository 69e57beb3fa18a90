# SPDX-License-Identifier: Apache-2.0
"""docs/community.md, word by word: files written, commands run, from an empty folder to a market that verifies."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..support.page_reader import Reader, blocks, reading

PAGE = Path(__file__).parents[2] / "docs" / "community.md"
STAYING = ("commonwatt serve", "commonwatt operate", "commonwatt home run")


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    with reading(tmp_path, "newtown/.commonwatt") as one:
        yield one


@pytest.mark.long
@pytest.mark.timeout(900)
def test_a_new_user_founds_a_community_of_three_homes(reader: Reader) -> None:
    for name, kind, text in blocks(PAGE):
        if name is not None:
            (reader.folder / name).write_text(text)
        elif kind != "sh":
            raise AssertionError(f"a block of {kind} that no file is named for: {text[:80]}")
        elif text.startswith(STAYING):
            reader.stay(text.strip())
            if text.startswith("commonwatt serve"):
                key = reader.folder / ".commonwatt-service" / "receipts-key.jws"
                reader.until("the service's key", key.exists, 120)
        elif text.startswith("commonwatt verify"):
            reader.until(
                "the first trade",
                lambda: re.search(r"cleared, \d[\d,]* Wh at", reader.said()) is not None,
                420,
            )
            reader.until("the first settlement", lambda: "settled, 3 homes" in reader.said(), 180)
            reader.run(text)
        else:
            reader.run(text)
    bundle = json.loads((reader.folder / "bundles" / "ada.json").read_text())
    assert bundle["home"] == "ada"
    assert (reader.folder / "bundles" / "ada.png").read_bytes().startswith(b"\x89PNG")
    assert "Traceback" not in reader.said()
    assert os.stat(reader.folder / "codes.key").st_mode & 0o077 == 0


def test_the_page_names_each_file_that_it_shows() -> None:
    named = [name for name, kind, _ in blocks(PAGE) if kind != "sh"]
    assert named == ["community.yaml", "homes.csv", "sun.csv", "use.csv"]
