# SPDX-License-Identifier: Apache-2.0
"""Who calls when a name, a name with its organisation, or nobody is given; and JSON that stays what it is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from commonwatt_client import ConfigurationError, NoNetworkError
from commonwatt_network.errors import UsageError
from commonwatt_network.transact import (
    Answer,
    Call,
    Caller,
    endorsers_of,
    find_caller,
    laid_out,
    read_networks,
)


def user(role: str | None = None) -> dict[str, Any]:
    return {"attributes": {"role": role} if role else {}}


CONTENT: dict[str, Any] = {
    "organizations": {
        "north": {"users": {"admin": user(), "home001": user("home"), "alice": user(), "bob": user()}},
        "south": {"users": {"admin": user(), "bob": user(), "chief": user("operator")}},
        "west": {"users": {"admin": user(), "walt": user()}},
    },
    "channels": {
        "shared": {"organizations": ["north", "south"]},
        "southern": {"organizations": ["south"]},
        "others": {"organizations": ["nobody-here"]},
    },
}


@pytest.mark.parametrize(
    ("channel", "named", "found"),
    [
        ("shared", "alice", Caller("north", "alice")),
        ("shared", "south/bob", Caller("south", "bob")),
        ("southern", "bob", Caller("south", "bob")),
        ("shared", "walt", Caller("west", "walt")),
        ("shared", None, Caller("north", "alice")),
        ("southern", None, Caller("south", "chief")),
    ],
)
def test_a_caller_is_found(channel: str, named: str | None, found: Caller) -> None:
    assert find_caller(CONTENT, channel, named) == found


@pytest.mark.parametrize(
    ("channel", "named", "words"),
    [
        ("nowhere", "alice", "no channel nowhere; it has shared, southern, others"),
        ("shared", "bob", "bob is a user of north and south; say which: --as north/bob or south/bob"),
        (
            "shared",
            "zoe",
            "no organisation of channel shared has a user zoe; they have admin, home001, alice",
        ),
        ("shared", "east/alice", "no organisation east; it has north, south, west"),
        ("shared", "north/zoe", "north has no user zoe; it has admin, home001, alice, bob"),
        ("others", None, "no organisation of channel others has a user here"),
    ],
)
def test_a_caller_who_cannot_be_meant_is_refused(channel: str, named: str | None, words: str) -> None:
    with pytest.raises(UsageError) as refused:
        find_caller(CONTENT, channel, named)
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("market", "call", "endorsers"),
    [
        ("forward", Call("shared", "market", "say", transient={"messages": b"m"}), ["north", "south"]),
        ("forward", Call("shared", "market", "say", transient={"m": b"m"}, endorsers=["south"]), ["south"]),
        ("forward", Call("shared", "market", "say", transient={"m": b"m"}, collections=["community"]), []),
        ("forward", Call("shared", "market", "ask"), []),
        ("forward", Call("shared", "notes", "say", transient={"m": b"m"}), []),
        ("ex_post", Call("shared", "market", "say", transient={"m": b"m"}), []),
        (
            None,
            Call("shared", "market", "say", transient={"m": b"m"}, endorsers=["a,b", "c"]),
            ["a", "b", "c"],
        ),
    ],
)
def test_transient_data_of_a_forward_market_go_to_its_organisations_by_name(
    market: str | None, call: Call, endorsers: list[str]
) -> None:
    said = {"market": market} if market else {}
    channels = {"shared": {"organizations": ["north", "south"], **said}}
    assert endorsers_of({**CONTENT, "channels": channels}, call) == endorsers


def test_json_is_laid_out_only_where_nothing_is_lost() -> None:
    assert laid_out('{"b":1,"a":[true,null]}') == '{\n  "b": 1,\n  "a": [\n    true,\n    null\n  ]\n}'
    assert laid_out('"ü"') == '"ü"'
    assert laid_out("5") == "5"
    for kept in ('{"a":1.10}', '{"a":1,"a":2}', "1e400", "[NaN", "text", "", "[" * 100_000):
        assert laid_out(kept) is None, kept[:20]
    assert laid_out('{"a":"1"}') != laid_out('{"a":1}')


def test_what_a_transaction_returned_as_json() -> None:
    caller = Caller("north", "alice")
    assert Answer(caller, b'{"a":1}', "ab", 7).to_json() == {
        "result": {"a": 1},
        "caller": "north/alice",
        "status": "VALID",
        "transaction_id": "ab",
        "block_number": 7,
    }
    assert Answer(caller, b"1.10").to_json() == {"result": "1.10", "caller": "north/alice"}
    assert Answer(caller, b"\xff").to_json() == {"result_base64": "/w==", "caller": "north/alice"}


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"organizations": {"a": {}}, "channels": {}}', '{"organizations": 1}', "\xff"]
)
def test_a_file_that_describes_no_network(tmp_path: Path, text: str) -> None:
    path = tmp_path / "network.json"
    with pytest.raises(NoNetworkError, match="make network-up"):
        read_networks(path)
    path.write_text(text, encoding="latin-1")
    with pytest.raises(ConfigurationError, match="is not a network file"):
        read_networks(path)
    path.write_text(json.dumps(CONTENT))
    assert read_networks(path) == CONTENT
