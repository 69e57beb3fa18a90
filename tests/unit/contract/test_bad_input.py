# SPDX-License-Identifier: Apache-2.0
"""Bad input of every kind, for every transaction and every member of its argument: refused, nothing written.

Kinds and members are read from the contract itself: a transaction or member that it gains is tried too.
"""

import json
from collections.abc import Iterator
from copy import copy
from dataclasses import MISSING, fields
from types import NoneType
from typing import Any, get_args, get_origin, get_type_hints

import pytest
from commonwatt_chaincode.contract import Market
from commonwatt_chaincode.contract.arguments import Within
from commonwatt_chaincode.market.parameters import NAMES, Parameters

MEGABYTE = "x" * 2**20
DEEP = "[" * 100_000 + "]" * 100_000
ROUND = "01351690200-h1"
REGISTRATION = {"home": "h1", "home_class": "consumer"}
OFFER = {"round": ROUND, "home": "p1", "energy_wh": 600, "price_uaud_per_kwh": 150_000}
READING = {"home": "h1", "interval_start": 0, "interval_end": 3_600, "use_wh": 1, "generation_wh": 0}
CORRECTION = {"home": "h1", "interval_start": 0, "use_wh": 1, "generation_wh": 0, "reason": "misread"}
GOOD: dict[str, tuple[str, dict[str, Any]]] = {
    "configure": ("operator", {"parameters": {"beta": 1}}),
    "register_home": ("operator", REGISTRATION),
    "advance_clock": ("operator", {"at": 2_000_000_000}),
    "open_round": ("operator", {}),
    "settle_interval": ("h1", READING | {"bid": True}),
    "correct_reading": ("meter of h1", CORRECTION),
    "submit_request": ("h1", {"round": ROUND, "home": "h1", "energy_wh": 900, "interval_start": 0}),
    "cancel_request": ("h1", {"round": ROUND, "home": "h1"}),
    "submit_offer": ("p1", OFFER),
    "withdraw_offer": ("p1", {"round": ROUND, "home": "p1"}),
    "close_round": ("operator", {"round": ROUND}),
    "report_reading": ("h1", READING),
    "settle_day": ("operator", {"day": 1}),
    "suggested_price": ("h1", {}),
    "get_prices": ("operator", {}),
    "get_round": ("h1", {"round": ROUND}),
    "list_rounds": ("h1", {}),
    "get_home": ("h1", {"home": "h1"}),
    "get_battery": ("h1", {"home": "h1"}),
    "get_bill": ("h1", {"home": "h1", "day": 1}),
    "list_trades": ("h1", {}),
    "list_readings": ("h1", {"home": "h1"}),
    "get_parameters": ("h1", {}),
    "audit": ("h1", {"round": ROUND}),
}
"""Who may send each transaction, and an argument of the right form."""

TRANSACTIONS = Market().transactions()
NO_INTEGERS = (1.5, 900.0, "900", True, [], {}, [1], 2**63, -(2**63), 10**400, "", float("nan"))
NO_TEXTS = (1, 1.5, True, [], {}, ["h1"], "", "\x00", "\ud800", MEGABYTE)
NO_FLAGS = (0, 1, "true", "", [], {}, 1.5)
NO_OBJECTS = (0, "x", True, [], [["beta", 1]], MEGABYTE)


def members(name: str) -> Iterator[tuple[str, type, Within | None, bool]]:
    """Name, kind, bounds and whether it may be null of each member of a transaction's argument."""
    argument = TRANSACTIONS[name].parameters[0].annotation
    hints = get_type_hints(argument, include_extras=True)
    for field in fields(argument):
        hint = hints[field.name]
        parts = (hint, *get_args(hint))
        bounds = (
            mark for part in parts for mark in getattr(part, "__metadata__", ()) if isinstance(mark, Within)
        )
        plain = get_type_hints(argument)[field.name]
        kinds = [each for each in (plain, *get_args(plain)) if each in (int, str, bool)]
        kind = dict if get_origin(plain) is dict else kinds[0] if kinds else str  # a Literal of words
        assert (
            field.default is not MISSING
            or field.default_factory is not MISSING
            or field.name in GOOD[name][1]
        )
        yield field.name, kind, next(bounds, None), NoneType in get_args(plain)


def bad_values(kind: type, bounds: Within | None, nullable: bool) -> Iterator[Any]:
    """Values that a member of this kind does not take."""
    yield from {int: NO_INTEGERS, str: NO_TEXTS, bool: NO_FLAGS, dict: NO_OBJECTS}[kind]
    if bounds is not None:
        yield from (bounds.low - 1, bounds.high + 1, -1)
    if not nullable:
        yield None


MEMBERS = [(name, *member) for name in TRANSACTIONS for member in members(name)]


def test_the_table_has_every_transaction() -> None:
    assert set(GOOD) == set(TRANSACTIONS)
    assert len(MEMBERS) > 45


@pytest.mark.parametrize(
    ("name", "member", "kind", "bounds", "nullable"), MEMBERS, ids=[f"{one[0]}-{one[1]}" for one in MEMBERS]
)
async def test_values_that_are_none_of_a_member(
    simulated: Any, name: str, member: str, kind: type, bounds: Within | None, nullable: bool
) -> None:
    who, argument = GOOD[name]
    before = copy(simulated.ledger.state.values)
    for value in bad_values(kind, bounds, nullable):
        code = await simulated.refused(who, name, json.dumps(argument | {member: value}))
        assert code == "bad_argument", repr(value)[:80]
    assert simulated.ledger.state.values == before


@pytest.mark.parametrize("name", TRANSACTIONS)
async def test_arguments_that_are_not_one_object_of_known_members(simulated: Any, name: str) -> None:
    who, argument = GOOD[name]
    before = copy(simulated.ledger.state.values)
    whole = json.dumps(argument | {"extra": 1})
    twice = (
        '{"round": 1, "round": 1'
        + "".join(f', "{key}": {json.dumps(argument[key])}' for key in argument)
        + "}"
    )
    for text in (
        "{",
        "null",
        "[]",
        '"text"',
        "1",
        "NaN",
        "1e999",
        "[{}]",
        DEEP,
        MEGABYTE,
        whole,
        twice,
        "\xff",
    ):
        assert await simulated.refused(who, name, text) == "bad_argument", text[:40]
    for inside in ('{"home": ' + DEEP + "}", '{"round": ' + DEEP + "}", json.dumps({"note": MEGABYTE})):
        assert await simulated.refused(who, name, inside) == "bad_argument", inside[:40]
    if any(field.default is MISSING and field.default_factory is MISSING for field in _fields(name)):
        assert await simulated.refused(who, name, {}) == "bad_argument"
    assert simulated.ledger.state.values == before


@pytest.mark.parametrize("name", TRANSACTIONS)
async def test_homes_rounds_days_and_versions_that_do_not_exist(simulated: Any, name: str) -> None:
    who, argument = GOOD[name]
    known = {member for member, *_ in members(name)}
    if "round" in known:
        at = {"at": 2_000_000_000} if name == "advance_clock" else {}
        code = await simulated.refused(who, name, argument | {"round": "99999999"} | at)
        assert code == "unknown_round"
    if "home" in known and name != "register_home":
        code = await simulated.refused(
            "operator" if name == "settle_day" else who, name, argument | {"home": "h9"}
        )
        assert code == "unknown_home"
    if name == "get_bill":
        assert await simulated.refused(who, name, argument) == "unknown_bill"
    if name == "get_parameters":
        assert await simulated.refused(who, name, {"version": 9}) == "unknown_version"


@pytest.mark.parametrize("name", NAMES)
async def test_values_that_are_none_of_a_parameter(simulated: Any, name: str) -> None:
    kind = type(getattr(Parameters(), name))
    bad = {int: NO_INTEGERS, str: (*NO_TEXTS, "median"), bool: NO_FLAGS, tuple: (*NO_OBJECTS, {}, [[]])}[kind]
    for value in (*bad, None):
        argument = json.dumps({"parameters": {name: value}})
        assert await simulated.refused("operator", "configure", argument) == "bad_argument", repr(value)[:80]


@pytest.mark.parametrize("home", ["", "h 1", "h/1", "../h1", "h1\x00", "é", "h1\n", "h" * 65])
async def test_home_ids_that_are_none(simulated: Any, home: str) -> None:
    for name, (who, argument) in GOOD.items():
        if "home" in argument:
            assert await simulated.refused(who, name, argument | {"home": home}) == "bad_argument"


def _fields(name: str) -> Any:
    return fields(TRANSACTIONS[name].parameters[0].annotation)
