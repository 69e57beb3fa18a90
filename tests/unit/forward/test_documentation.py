# SPDX-License-Identifier: Apache-2.0
"""`docs/forward-contract.md` and the contract say the same: transactions, members, answers, records, events, codes."""

from __future__ import annotations

import re
from dataclasses import MISSING, fields
from pathlib import Path
from typing import get_args

import pytest
from commonwatt_chaincode.contract import Market
from commonwatt_chaincode.forward import ForwardMarket
from commonwatt_chaincode.forward.refusals import Code
from commonwatt_chaincode.shim.testing import MemoryLedger

from .neighbourhood import CHANNEL, Neighbourhood, both_markets
from .scenario import play
from .test_bad_input import classes

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "forward-contract.md").read_text()
TRANSACTIONS = ForwardMarket().transactions()
ROWS = {
    name: (who, argument, tells)
    for name, who, argument, tells in re.findall(
        r"^\| (\w+) \| (.*?) \| (.*?) \| (.*?) \|$", PAGE, re.MULTILINE
    )
    if name in TRANSACTIONS
}


def section(title: str) -> str:
    return re.findall(rf"^## {title}\n(.*?)(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE)[0]


def test_every_transaction_has_its_row() -> None:
    writing, asking = section("Transactions").split("Queries, to be evaluated:")
    for part, writes in ((writing, True), (asking, False)):
        listed = {name for name in re.findall(r"^\| (\w+) \|", part, re.MULTILINE) if name in TRANSACTIONS}
        assert listed == {name for name, entry in TRANSACTIONS.items() if entry.writes == writes}


@pytest.mark.parametrize("name", TRANSACTIONS)
def test_members_of_arguments(name: str) -> None:
    stated = dict(re.findall(r'"(\w+)"(\??)', ROWS[name][1].partition("`, or `")[0]))
    kind = classes(name)[0]
    assert {member: bool(mark) for member, mark in stated.items()} == {
        one.name: one.default is not MISSING or one.default_factory is not MISSING for one in fields(kind)
    }


async def test_answers_events_and_records_are_told() -> None:
    town = Neighbourhood(MemoryLedger(both_markets, CHANNEL, name="market", collections=["community"]))
    await play(town)
    for _, name, done in town.submitted:
        if done.event:
            assert f"| `{done.event[0]}` |" in section("Events")
        for key in done.writes:
            kind = key[1].split("/")[0] if isinstance(key, tuple) else key.split("/")[0]
            assert re.search(rf"`{kind}[/`]", section("Records")), key
        told = re.findall(r'"(\w+)"', ROWS[name][2])
        if done.status < 400 and told:
            assert set(done.json()) >= set(told) - {"caps", "kid", "from_period"}, name
            if "the registration" not in ROWS[name][2]:  # a record, which has members of its own
                assert set(done.json()) <= set(told), name


def test_every_code_is_documented_and_used() -> None:
    rows = re.findall(r"^\| (`.*?) \|", section("Refusals"), re.MULTILINE)
    listed = [code for row in rows for code in re.findall(r"`(\w+)`", row)]
    assert sorted(listed) == sorted(code.value for code in Code)
    folder = ROOT / "chaincode" / "commonwatt_chaincode" / "forward"
    source = "".join(path.read_text() for path in folder.glob("*.py"))
    assert [code.name for code in Code if f"Code.{code.name}" not in source] == []


async def test_the_metadata_of_two_contracts_tell_their_arguments_apart() -> None:
    """Both have a ``Configure`` and a ``OneHome``, which are not the same."""
    town = Neighbourhood()
    metadata = (await town.ledger.evaluate("org.hyperledger.fabric:GetMetadata")).json()
    schemas = metadata["components"]["schemas"]
    for contract in (Market(), ForwardMarket()):
        told = metadata["contracts"][contract.contract_name()]["transactions"]
        for entry in told:
            schema = entry["parameters"][0]["schema"]
            name = (schema.get("anyOf") or [schema])[0]["$ref"].rpartition("/")[2]
            annotation = contract.transactions()[entry["name"]].parameters[0].annotation
            kind = annotation if isinstance(annotation, type) else get_args(annotation)[0]
            assert set(schemas[name]["properties"]) == {one.name for one in fields(kind)}, entry["name"]
            assert schemas[name]["$id"] == name
