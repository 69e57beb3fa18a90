# SPDX-License-Identifier: Apache-2.0
"""Rich queries through a peer: the embedded one answers as Fabric's own does with CouchDB (see rich_network.py)."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import suppress
from typing import Any

import pytest
from commonwatt_client import EndorseError, EvaluateError

from .probe_network import Probe
from .rich_network import ASSETS, assets, assets_probe  # noqa: F401


@pytest.fixture
async def probe(assets: Any) -> Any:  # noqa: F811
    async with assets.connect() as gateway:
        yield assets_probe(gateway)


def query(selector: dict[str, Any], **options: Any) -> str:
    return json.dumps({"selector": selector, **options})


@pytest.mark.parametrize(
    ("selector", "numbers"),
    [
        ({"owner": "tom"}, "125"),
        ({"docType": "asset", "owner": "tom"}, "12"),
        ({"size": {"$gt": 5, "$lte": 15}}, "23"),
        ({"size": {"$gte": 15}}, "345"),  # strings come after numbers
        ({"size": {"$lt": 10}}, "1"),
        ({"owner": {"$gt": "b"}}, "1245"),  # Anna is before bob, whatever the case
        ({"owner": {"$ne": "tom"}}, "34"),
        ({"color": {"$in": ["red", "green"]}}, "23"),
        ({"color": {"$nin": ["red", "green"]}}, "14"),  # without a colour there is nothing to compare
        ({"$or": [{"size": 5}, {"owner": "bob"}]}, "14"),
        ({"$and": [{"size": {"$gt": 5}}, {"docType": "asset"}]}, "234"),
        ({"$not": {"color": "red"}}, "134"),
        ({"$nor": [{"owner": "tom"}, {"size": 15}]}, "4"),
        ({"made": {"$exists": False}, "docType": {"$gt": None}}, "35"),
        ({"made.year": {"$exists": True}}, "12"),
        ({"made": {"year": 2020}}, "1"),
        ({"made.year": {"$gt": 2020}}, "2"),
        ({"made": None}, "4"),
        ({"color": {"$regex": "^[br]"}}, "12"),
        ({"tags": {"$elemMatch": {"$eq": "b"}}}, "13"),
        ({"tags": {"$elemMatch": {"$gt": 1, "$lt": 5}}}, "3"),
        ({"tags": {"$size": 2}}, "13"),
        ({"tags": {"$all": ["a", "b"]}}, "1"),
        ({"_id": {"$gt": "asset2", "$lt": "asset5"}}, "34"),
        ({"owner": {"$beginsWith": "t"}, "size": {"$type": "number"}}, "12"),
    ],
)
async def test_selectors(probe: Probe, selector: dict[str, Any], numbers: str) -> None:
    expected = [f"asset{number}" for number in numbers]
    assert await probe.json("rich", query(selector)) == expected
    assert await probe.json("private_rich", "secrets", query(selector)) == expected


async def test_fields_and_hints(probe: Probe) -> None:
    wanted = query(
        {"owner": "bob"}, fields=["color", "made"], use_index=["_design/indexOwnerDoc", "indexOwner"], limit=1
    )
    rows = await probe.json("rich_values", wanted)
    assert rows == [{"key": "asset4", "text": '{"color":"\\u003cblue\\u003e","made":null}'}]
    assert await probe.json("rich_values", query({"owner": "bob"}, fields=[])) == [
        {"key": "asset4", "text": "{}"}
    ]
    whole = await probe.json("rich_values", query({"owner": "bob"}))
    assert json.loads(whole[0]["text"]) == ASSETS["asset4"]
    assert await probe.json("rich", query({"docType": "asset"}, limit=1, skip=2)) == ["asset3", "asset4"]


async def test_what_is_no_json_is_found_by_its_key(probe: Probe) -> None:
    assert await probe.json("rich", query({})) == [*ASSETS, "plain"]
    assert await probe.json("rich_values", query({"_id": "plain"})) == [{"key": "plain", "text": "no JSON"}]


async def test_pages_follow_each_other(probe: Probe) -> None:
    wanted = query({"docType": "asset"})
    first, bookmark = await probe.json("rich_page", wanted, 3, "")
    second, end = await probe.json("rich_page", wanted, 3, bookmark)
    third, last = await probe.json("rich_page", wanted, 3, end)
    assert (first, second, third) == (["asset1", "asset2", "asset3"], ["asset4"], [])
    assert last == end
    assert await probe.json("rich_page", query({"docType": "none"}), 3, "") == [[], "nil"]


async def test_sorting(probe: Probe, assets: Any) -> None:  # noqa: F811
    """CouchDB sorts by an index alone; the embedded peer needs none, and finds what an index would hold."""
    wanted = query({"docType": {"$gt": None}}, sort=[{"color": "desc"}], fields=["color"])
    if assets.backend == "native":
        assert "No index exists for this sort, try indexing by the sort fields." in await probe.refusal(
            "rich", wanted
        )
        return
    assert await probe.json("rich", wanted) == ["asset2", "asset3", "asset1", "asset4"]
    first, bookmark = await probe.json("rich_page", wanted, 3, "")
    second, _ = await probe.json("rich_page", wanted, 3, bookmark)
    assert [*first, *second] == ["asset2", "asset3", "asset1", "asset4"]
    assert await probe.json("rich", query({}, sort=["owner", "size"])) == [
        "asset3", "asset4", "asset1", "asset2", "asset5",
    ]  # fmt: skip


async def test_a_long_query_keeps_a_peer_from_nothing(probe: Probe, assets: Any) -> None:  # noqa: F811
    """Regular expressions that stop other programs, deep and wide selectors: refused or answered, and others go on."""
    if assets.backend == "native":
        pytest.skip("the bounds of CouchDB are its own")
    await probe.submit("put", "text", json.dumps({"text": "a" * 50_000}))
    alternatives = [{"text": {"$regex": f"(a|aa)+{number}$"}} for number in range(5_000)]
    hostile = [
        query({"text": {"$regex": "(a+)+$b"}}),
        query({"text": {"$regex": "(?:a?){900}a{900}"}}),
        query({"$or": alternatives}),
        '{"selector":' + '{"a":' * 50_000 + "1" + "}" * 50_001,
        query({"$and": [{"a": {"$gt": number}} for number in range(20_000)]}),
    ]
    longest_s = 0.0
    done = asyncio.Event()

    async def ask_meanwhile() -> None:
        nonlocal longest_s
        while not done.is_set():
            began = time.monotonic()
            await probe.evaluate("get", "plain")
            longest_s = max(longest_s, time.monotonic() - began)

    watching = asyncio.create_task(ask_meanwhile())
    for text in hostile:
        with suppress(EvaluateError):
            await probe.json("rich", text)
    done.set()
    await watching
    await probe.submit("delete", "text")
    assert longest_s < 3, f"another call took {longest_s:.1f} s"


REFUSED = {
    "": "EOF",
    "[]": "json: cannot unmarshal array into Go value of type map[string]interface {}",
    "{}": "missing_required_key: Missing required key: selector",
    '{"selector": 5}': "invalid_selector_json: Selector must be a JSON object, not: 5",
    query({"a": {"$in": 5}}): "bad_arg: Bad argument for operator $in: 5",
    query({"a": {"$and": "ab"}}): "bad_arg: Bad argument for operator $and: <<97,98>>",
    query({"a": {"$regex": "("}}): "bad_arg: Bad argument for operator $regex: <<40>>",
    query({"a": {"$near": 5}}): "not_supported: Unsupported operator: $near",
    query({"a": {"$foo": 5}}): "invalid_operator: Invalid operator: $foo",
    query({"": 5}): "invalid_selector: One or more conditions is missing a field name.",
    query({"$gt": 5}): "invalid_selector: One or more conditions is missing a field name.",
    query({}, skip=-1): "invalid_non_neg_integer: -1 is not an integer greater than or equal to zero",
    query(
        {}, sort=[{"a": "asc"}, {"b": "desc"}]
    ): "unsupported_mixed_sort: Sorts currently only support a single direction for all fields.",
    query({}, sort=[{"a": "up"}]): "invalid_sort_field: Invalid sort field: ",
    query({}, fields="a"): "fields definition must be an array",
    query({}, other=1): "invalid_key: Invalid key other for this request.",
    query({}, bookmark="x"): 'invalid_bookmark: Invalid bookmark value: "x"',
}


@pytest.mark.parametrize("text", REFUSED)
async def test_refusals_are_in_couchdbs_words(probe: Probe, text: str) -> None:
    code, colon, reason = REFUSED[text].partition(": ")
    words = REFUSED[text]
    if colon and "_" in code:
        words = f"error handling CouchDB request. Error:{code},  Status Code:400,  Reason:{reason}"
    assert words in await probe.refusal("rich", text)


async def test_rows_are_read_and_phantoms_are_not_noticed(probe: Probe) -> None:
    await probe.submit("put", "seen", '{"kind": "seen"}')
    wanted = query({"kind": "seen"})
    proposals = [
        probe.contract.new_proposal("rich_then_put", arguments=[wanted, f"into{number}"])
        for number in range(2)
    ]
    first, second = [await proposal.endorse() for proposal in proposals]
    await probe.submit("put", "phantom", '{"kind": "seen"}')
    assert (await (await first.submit()).status()).code.name == "VALID"  # another row came: nobody notices
    await probe.submit("put", "seen", '{"kind": "seen", "again": true}')
    assert (await (await second.submit()).status()).code.name == "MVCC_READ_CONFLICT"
    for key in ("seen", "phantom", "into0"):
        await probe.submit("delete", key)


async def test_queries_beside_writes(probe: Probe) -> None:
    everything = query({"docType": "asset"})
    assert await probe.submit("put_then_rich", everything, "into") == "4"
    with pytest.raises(EndorseError, match="already performed a paginated query. Writes are not allowed"):
        await probe.submit("rich_page_then_put", everything, "into")
    with pytest.raises(EndorseError, match="already performed queries on pvt data. Writes are not allowed"):
        await probe.submit("private_rich_then_put", "secrets", everything, "into")
    await probe.submit("delete", "into")
