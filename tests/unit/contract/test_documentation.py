# SPDX-License-Identifier: Apache-2.0
"""`docs/contract.md` and the contract say the same: transactions, members, results, events, refusals."""

import json
import re
from collections.abc import Iterator
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import pytest
from commonwatt_chaincode.contract import Code, Market
from commonwatt_chaincode.market.parameters import NAMES

from .scenario import every_transaction

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "contract.md").read_text()
TRANSACTIONS = Market().transactions()
SECTIONS = {
    name: " ".join(text.split())
    for name, text in re.findall(r"^### (\w+) \([^\n]*\)\n(.*?)(?=^##|\Z)", PAGE, re.DOTALL | re.MULTILINE)
}
ROWS = {
    row[0]: row[1:]
    for row in re.findall(r"^\| (\w+) \| `(.*?)` \| (.*?) \| (.*?) \|$", PAGE, re.MULTILINE)
    if row[0] in TRANSACTIONS
}
QUOTED = re.compile(r'"(\w+)"')


def test_every_transaction_has_its_section_or_row() -> None:
    assert set(SECTIONS) == {name for name, entry in TRANSACTIONS.items() if entry.writes}
    assert set(ROWS) == {name for name, entry in TRANSACTIONS.items() if not entry.writes}


def stated_members(name: str) -> dict[str, bool]:
    """The members of a transaction's argument as the page lists them, and whether it calls them optional."""
    if name in ROWS:
        return {member: bool(mark) for member, mark in re.findall(r'"(\w+)"(\??)', ROWS[name][0])}
    argument = SECTIONS[name]
    argument = argument[argument.index("`{") + 2 : argument.index("}`")]
    flat = re.sub(r"\{.*\}", "{}", argument)
    parts = re.split(r', (?="\w+":)', flat)
    return {QUOTED.findall(part)[0]: "?" in part or "default" in part for part in parts}


@pytest.mark.parametrize("name", TRANSACTIONS)
def test_members_of_arguments(name: str) -> None:
    argument = TRANSACTIONS[name].parameters[0].annotation
    taken = {
        field.name: field.default is not MISSING or field.default_factory is not MISSING
        for field in fields(argument)
    }
    assert stated_members(name) == taken


def test_parameters() -> None:
    listed = SECTIONS["configure"][: SECTIONS["configure"].index("} (default")]
    words = {"simulated", "live", "clock", "at", "starts_at", "parameters", "home", "meter"}
    values = {"sqrt_sum", "rms", "mean", "WASTE", "FEED_IN", "per_request", "fixed_rounds"}
    assert set(QUOTED.findall(listed)) - words - values == set(NAMES)


def names_in(value: Any) -> Iterator[str]:
    """Every member's name in a JSON value, but for those of the parameters and of the tie keys, which are data."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield name
            if name not in ("parameters", "keys"):
                yield from names_in(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from names_in(inner)


async def test_results_and_events() -> None:
    results: dict[str, set[str]] = {name: set() for name in TRANSACTIONS}
    for name, invocation in await every_transaction():
        stated = SECTIONS.get(name) or " ".join(ROWS[name])
        results[name] |= set(invocation.json()) - {"transaction"}
        if invocation.event:
            event, payload = invocation.event
            assert f"`{event}`" in PAGE, event
            unsaid = set(names_in(json.loads(payload))) - {"transaction"} - set(QUOTED.findall(stated))
            assert not unsaid or "(the result)" in stated, (name, unsaid)
    for name, members in results.items():
        stated = SECTIONS.get(name) or ROWS[name][1]
        if "that of `report_reading`" in stated:
            stated += SECTIONS["report_reading"]
        if '`{"' in stated or name in SECTIONS:
            assert members <= set(QUOTED.findall(stated)), (name, members - set(QUOTED.findall(stated)))


def test_every_code_is_documented_and_used() -> None:
    table = PAGE[PAGE.index("| code | when |") :]
    listed = [
        code
        for row in re.findall(r"^\| (`.*?) \|", table, re.MULTILINE)
        for code in re.findall(r"`(\w+)`", row)
    ]
    assert sorted(listed) == sorted(code.value for code in Code)
    folder = ROOT / "chaincode" / "commonwatt_chaincode" / "contract"
    source = "".join(path.read_text() for path in folder.glob("*.py"))
    assert [code.name for code in Code if f"Code.{code.name}" not in source] == []
