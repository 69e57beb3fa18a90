# SPDX-License-Identifier: Apache-2.0
"""Bad input of every kind, for every transaction and every member of its argument: refused, nothing written.

Kinds and members are read from the contract itself: a transaction or member that it gains is tried too.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from copy import copy
from dataclasses import MISSING, fields, is_dataclass
from types import NoneType
from typing import Any, Literal, get_args, get_origin, get_type_hints

import pytest
from commonwatt_chaincode.contract.arguments import Within
from commonwatt_chaincode.forward import ForwardMarket

from ..contract.test_bad_input import DEEP, MEGABYTE, NO_FLAGS, NO_INTEGERS, NO_OBJECTS, NO_TEXTS
from .good import GOOD
from .neighbourhood import BANDS, TARIFF, Neighbourhood

TRANSACTIONS = ForwardMarket().transactions()
NO_LISTS = (0, "x", True, {}, [0.5], [{}], [None], MEGABYTE)
OTHER_FORMS: dict[str, Any] = {
    "register_home": {"homes": []},
    "confirm_home": {"homes": []},
    "forget_home": {"homes": [], "before": 0},
}
"""Another argument that a transaction takes instead; its own tests try its bounds."""


def classes(name: str) -> list[type]:
    """What a transaction's argument may be."""
    annotation = TRANSACTIONS[name].parameters[0].annotation
    return [annotation] if is_dataclass(annotation) else list(get_args(annotation))


def members(name: str) -> Iterator[tuple[str, Any, Within | None, bool]]:
    """Name, kind, bounds and whether it may be null of each member of a transaction's first form."""
    kind = classes(name)[0]
    marked, plain = get_type_hints(kind, include_extras=True), get_type_hints(kind)
    for field in fields(kind):
        hint = marked[field.name]
        parts = (hint, *get_args(hint))
        bounds = [
            one for part in parts for one in getattr(part, "__metadata__", ()) if isinstance(one, Within)
        ]
        kinds = [plain[field.name], *get_args(plain[field.name])]
        found = [one for one in kinds if one in (int, str, bool) or get_origin(one) in (dict, tuple)]
        found += [dict for one in kinds if is_dataclass(one)]
        found += [str for one in kinds if get_origin(one) is Literal]
        yield field.name, get_origin(found[0]) or found[0], (bounds or [None])[0], NoneType in kinds


def bad_values(kind: Any, bounds: Within | None, nullable: bool) -> Iterator[Any]:
    """Values that a member of this kind does not take."""
    yield from {int: NO_INTEGERS, str: NO_TEXTS, bool: NO_FLAGS, dict: NO_OBJECTS, tuple: NO_LISTS}[kind]
    if bounds is not None:
        yield from (bounds.low - 1, bounds.high + 1)
    if not nullable:
        yield None


MEMBERS = [(name, *member) for name in TRANSACTIONS for member in members(name)]


def test_the_table_has_every_transaction() -> None:
    assert set(GOOD) == set(TRANSACTIONS)
    assert len(MEMBERS) > 60


@pytest.mark.parametrize("name", TRANSACTIONS)
async def test_values_that_are_none_of_a_member(newtown: Neighbourhood, name: str) -> None:
    who, argument = GOOD[name]
    before = copy(newtown.ledger.state.values)
    for member, kind, bounds, nullable in members(name):
        for value in bad_values(kind, bounds, nullable):
            done = await newtown.submit(who, name, json.dumps(argument | {member: value}))
            assert done.message.startswith("bad_argument: "), (member, repr(value)[:80], done.message)
    assert newtown.ledger.state.values == before


@pytest.mark.parametrize("name", TRANSACTIONS)
async def test_arguments_that_are_not_one_object_of_known_members(newtown: Neighbourhood, name: str) -> None:
    who, argument = GOOD[name]
    before = copy(newtown.ledger.state.values)
    twice = "".join(f'"{key}": {json.dumps(argument[key])}, ' for key in argument)
    texts = ["{", "null", "[]", '"text"', "1", "NaN", "1e999", "[{}]", DEEP, MEGABYTE, "\xff"]
    texts += [json.dumps(argument | {"extra": 1}), "{" + twice + '"home": "h1", "home": "h1"}']
    texts += ['{"home": ' + DEEP + "}", json.dumps({"note": MEGABYTE})]
    if name in OTHER_FORMS:
        texts += [json.dumps(OTHER_FORMS[name]), json.dumps(argument | OTHER_FORMS[name])]
    if any(one.default is MISSING and one.default_factory is MISSING for one in fields(classes(name)[0])):
        texts += ["{}"]
    for text in texts:
        done = await newtown.submit(who, name, text)
        assert done.message.startswith("bad_argument: "), (text[:60], done.message)
    assert newtown.ledger.state.values == before


@pytest.mark.parametrize("home", ["", "h 1", "h/1", "../h1", "h1\x00", "é", "h1\n", "h" * 65])
async def test_home_ids_that_are_none(newtown: Neighbourhood, home: str) -> None:
    for name, (who, argument) in GOOD.items():
        if "home" in argument:
            assert await newtown.refused(who, name, argument | {"home": home}) == "bad_argument"


async def test_homes_that_do_not_exist(newtown: Neighbourhood) -> None:
    elsewhere = {"register_home": "", "message_status": "", "get_keys": "no_key"}
    for name, (_, argument) in GOOD.items():
        if "home" not in argument or elsewhere.get(name) == "":
            continue
        who = "grid" if GOOD[name][0] == "grid" else "operator"
        code = await newtown.refused(who, name, argument | {"home": "h9"}, {"possession": b"x"})
        assert code == elsewhere.get(name, "unknown_home"), name


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("schedules", [{"days": {"weekdays": [1]}, "bands": [{"name": "x" * 41}]}]),
        ("schedules", [{"days": {}, "bands": []}]),
        ("schedules", [{"days": {"weekdays": [7], "holidays": True}, "bands": BANDS}, *TARIFF["schedules"]]),
        ("schedules", [{"days": {"weekdays": [1, 1]}, "bands": BANDS}]),
        ("demand", {"days": {"weekdays": [-1]}, "from_min": 0, "to_min": 5, "price_uaud_per_kw": 1}),
        ("local_fee", -1),
        ("supply_naud_per_day", 10**16),
        ("demand", {"days": {"weekdays": [1]}, "from_min": 5, "to_min": 5, "price_uaud_per_kw": 1}),
        ("demand", {"days": {"weekdays": [1]}, "from_min": 0, "to_min": 5, "price_uaud_per_kw": 10**400}),
    ],
)
async def test_tariffs_that_are_none(newtown: Neighbourhood, member: str, value: Any) -> None:
    who, argument = GOOD["configure"]
    tariff = argument["tariff"] | {member: value}
    assert await newtown.refused(who, "configure", argument | {"tariff": tariff}) == "bad_argument"


@pytest.mark.parametrize(
    "keys", [{"h1": 500_001, "h2": 500_000}, {"h1": -1}, {"h 1": 1}, {"h1": 1.0}, {"h1": True}]
)
async def test_sharing_keys_that_are_none(newtown: Neighbourhood, keys: Any) -> None:
    who, argument = GOOD["set_sharing_keys"]
    assert await newtown.refused(who, "set_sharing_keys", argument | {"keys": keys}) == "bad_argument"


async def test_spans_and_days_that_are_too_long(newtown: Neighbourhood) -> None:
    for name, to_period in (
        ("list_periods", 31 * 1_440 + 1),
        ("get_prices", 31 * 1_440 + 1),
        ("list_awards", 31 * 1_440 + 1),
        ("list_periods", 0),
        ("set_envelope", 401 * 1_440),
        ("set_envelope", 0),
    ):
        who, argument = GOOD[name]
        changed = argument | {"to_period": argument["from_period"] + to_period}
        assert await newtown.refused(who, name, changed) == "bad_argument", name
