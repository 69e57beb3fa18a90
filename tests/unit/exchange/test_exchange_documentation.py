# SPDX-License-Identifier: Apache-2.0
"""`docs/exchange.md` and the contract say the same: transactions, members, events, codes, records."""

from __future__ import annotations

import re
from dataclasses import MISSING, fields
from pathlib import Path

import pytest
from commonwatt_chaincode.exchange import Exchange, keys
from commonwatt_chaincode.exchange.refusals import Code

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "exchange.md").read_text()
SOURCE = "".join(path.read_text() for path in (ROOT / "chaincode/commonwatt_chaincode/exchange").glob("*.py"))
TRANSACTIONS = Exchange().transactions()
ROWS = {
    name: argument
    for name, argument in re.findall(r"^\| (\w+) \| [^|]+ \| `(.*?)` \| ", PAGE, re.MULTILINE)
    if name in TRANSACTIONS
}


@pytest.mark.parametrize("name", TRANSACTIONS)
def test_each_transaction_has_a_row_with_its_members(name: str) -> None:
    stated = {member: bool(mark) for member, mark in re.findall(r'"(\w+)"(\??)', ROWS[name])}
    kind = TRANSACTIONS[name].parameters[0].annotation
    assert stated == {one.name: one.default is not MISSING for one in fields(kind)}


def test_every_code_event_and_key_is_told() -> None:
    refusals = PAGE.partition("## Refusals")[2].partition("## What holds")[0]
    listed = [
        code
        for row in re.findall(r"^\| (`.*?) \|", refusals, re.MULTILINE)
        for code in re.findall(r"`(\w+)`", row)
    ]
    assert sorted(listed) == sorted(code.value for code in Code)
    assert [code.name for code in Code if f"Code.{code.name}" not in SOURCE] == []
    for event in re.findall(r'set_event\("(\w+)"', SOURCE):
        assert f"| `{event}` |" in PAGE
    for key in (keys.RULES, keys.CLOCK, "exchange/round/", "exchange/link/", "exchange/attested/"):
        assert f"`{key}" in PAGE
