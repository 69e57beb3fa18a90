# SPDX-License-Identifier: Apache-2.0
"""Bad input for every transaction of the exchange and every member of its argument: refused, nothing written."""

from __future__ import annotations

import json
from typing import Any

import pytest
from commonwatt_chaincode.exchange import Exchange

from ..contract.test_bad_input import DEEP, MEGABYTE
from .good import GOOD
from .region import Region

TRANSACTIONS = Exchange().transactions()
BAD = {
    int: (-1, 2**60, 1.5, "1", True, [], {}, None),
    str: ("", "a/b", "a\x00", "É", MEGABYTE, 1, True, [], {}, None),
    list: (0, "x", {}, [], [{}], [None], [1], None),
}
OPTIONAL = {"found": {"at_s"}}
"""Members that may be null."""


@pytest.mark.parametrize("name", TRANSACTIONS)
async def test_values_that_are_none_of_a_member(region: Region, name: str) -> None:
    who, argument = GOOD[name]
    for member, good in argument.items():
        for value in BAD[type(good)]:
            if value is None and member in OPTIONAL.get(name, ()):
                continue
            code = await region.refused(who, name, json.dumps(argument | {member: value}))
            assert code == "bad_argument", (member, value)


@pytest.mark.parametrize("name", TRANSACTIONS)
async def test_arguments_that_are_not_one_object_of_known_members(region: Region, name: str) -> None:
    who, argument = GOOD[name]
    texts = ["{", "null", "[]", '"text"', "1", "NaN", DEEP, MEGABYTE, json.dumps(argument | {"extra": 1})]
    if argument and name != "found":
        texts += ["{}", '{"channel": "newtown", "channel": "newtown"}']
    for text in texts:
        assert await region.refused(who, name, text) == "bad_argument", text[:60]


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("found", {"due_before_s": 30}),
        ("anchor", {"to_period": GOOD["anchor"][1]["from_period"]}),
        ("anchor", {"header": "AB" * 32}),
        ("list_attested", {"from_period": 0}),
        ("set_link", {"buyer": "newtown"}),
        ("register_community", {"chaincode": "a" * 65}),
        ("attest", {"periods": GOOD["attest"][1]["periods"] * 2}),
        ("attest", {"periods": [{"period": n, "version": 1, "digest": "0" * 64} for n in range(301)]}),
        ("attest", {"periods": [{"period": 1, "version": 0, "digest": "0" * 64}]}),
    ],
)
async def test_values_that_do_not_go_together(region: Region, name: str, change: dict[str, Any]) -> None:
    who, argument = GOOD[name]
    assert await region.refused(who, name, argument | change) == "bad_argument"


async def test_communities_that_do_not_exist(region: Region) -> None:
    for name, (_, argument) in GOOD.items():
        for member in ("channel", "seller", "buyer"):
            if member in argument and name != "register_community":
                assert (
                    await region.refused("grid", name, argument | {member: "nowhere"}) == "unknown_community"
                )
