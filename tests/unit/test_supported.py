# SPDX-License-Identifier: Apache-2.0
"""SUPPORTED.md and docs/trust.md name tests that exist."""

import re
from pathlib import Path

import pytest


@pytest.mark.parametrize(("page", "least"), [("SUPPORTED.md", 50), ("docs/trust.md", 25)])
def test_every_named_test_exists(repository: Path, page: str, least: int) -> None:
    text = (repository / page).read_text("utf-8")
    named = set(re.findall(r"`(tests/[\w/.]+\.py)(?:(?:::\w+)?::(\w+))?`", text))
    assert len(named) > least
    for path, function in sorted(named):
        file = repository / path
        assert file.is_file(), f"{page} names {path}, which does not exist"
        if function:
            defined = re.search(rf"^ *(?:async )?def {function}\(", file.read_text("utf-8"), re.MULTILINE)
            assert defined, f"{page} names {function}, which {path} does not define"


def test_every_row_names_its_proof(repository: Path) -> None:
    rows = [
        line for line in (repository / "SUPPORTED.md").read_text("utf-8").splitlines() if line[:2] == "| "
    ]
    missing = [row for row in rows if "tests/" not in row and not row.startswith("| feature")]
    assert not missing
