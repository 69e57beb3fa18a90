# SPDX-License-Identifier: Apache-2.0
"""Rich queries through a peer: the embedded one, and Fabric's own on a CouchDB where the tests are given one.

COUCHDB_URL=http://USER:PASSWORD@HOST:PORT names a server that the tests may fill; the network's channel gets databases
there, which are deleted before and after.
"""

from __future__ import annotations

import base64
import json
import os
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import pytest
from commonwatt_client import EndorseError
from commonwatt_client.admin import CollectionConfig
from commonwatt_network.backends.native import COUCHDB_PASSWORD, COUCHDB_USER
from commonwatt_network.down import down
from commonwatt_network.model.topology import Channel, Topology, default_topology
from commonwatt_network.model.topology_parts import CouchDB
from commonwatt_network.up import up

from .conftest import RunningNetwork, quiet, require_backend, run_apart
from .probe_network import PROBE, Probe

MEMBER = "OR('NewtownMSP.member')"
CHANNEL = "richqueries"
ASSETS = {
    "asset1": {"docType": "asset", "owner": "tom", "size": 5, "color": "blue", "made": {"year": 2020}, "tags": ["a", "b"]},
    "asset2": {"docType": "asset", "owner": "tom", "size": 10, "color": "red", "made": {"year": 2021}, "tags": []},
    "asset3": {"docType": "asset", "owner": "Anna", "size": 15, "color": "green", "tags": ["b", 3]},
    "asset4": {"docType": "asset", "owner": "bob", "size": 20, "color": "<blue>", "made": None},
    "asset5": {"docType": "other", "owner": "tom", "size": "large"},
}  # fmt: skip


@pytest.fixture(scope="module", params=["embedded", "native"])
def assets(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """One peer with the assets above, a value that is no JSON, and a private collection."""
    topology = _topology()
    if request.param == "native":
        topology = _with_couchdb(topology)
    version = require_backend(request.param)
    directory = tmp_path_factory.mktemp(request.param) / ".commonwatt"
    try:
        result = run_apart(lambda: up(directory, topology, request.param, quiet))
        network = RunningNetwork(request.param, version, result.nodes)
        network.deploy(
            PROBE,
            "assets",
            channel=CHANNEL,
            endorsement_policy=MEMBER,
            collections=(CollectionConfig("secrets", MEMBER),),
        )
        run_apart(lambda: _fill(network))
        yield network
    finally:
        down(directory)
        if request.param == "native":
            _delete_databases()


def _topology() -> Topology:
    base = default_topology(homes=1)
    return base.model_copy(
        update={
            "organizations": {"newtown": base.organizations["newtown"]},
            "channels": {CHANNEL: Channel(organizations=["newtown"])},
            "chaincodes": {},
        }
    )


def _with_couchdb(topology: Topology) -> Topology:
    url = os.environ.get("COUCHDB_URL")
    if not url:
        pytest.skip("COUCHDB_URL names no CouchDB server for Fabric's peer")
    parts = urlsplit(url)
    os.environ[COUCHDB_USER], os.environ[COUCHDB_PASSWORD] = str(parts.username), str(parts.password)
    _delete_databases()
    address = f"http://{parts.hostname}:{parts.port}"
    return topology.model_copy(update={"state": CouchDB(couchdb=address)})


def _delete_databases() -> None:
    for name in _request("GET", "/_all_dbs"):
        if name.startswith((CHANNEL, "fabric__internal")):
            with suppress(OSError):
                _request("DELETE", "/" + urllib.request.quote(name, safe=""))


def _request(method: str, path: str) -> Any:
    parts = urlsplit(os.environ["COUCHDB_URL"])
    credentials = base64.b64encode(f"{parts.username}:{parts.password}".encode()).decode()
    request = urllib.request.Request(
        f"http://{parts.hostname}:{parts.port}{path}",
        method=method,
        headers={"Authorization": f"Basic {credentials}"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def _probe(gateway: Any) -> Probe:
    return Probe(gateway, gateway.get_network(CHANNEL).get_contract("assets"))


async def _fill(network: RunningNetwork) -> None:
    async with network.connect() as gateway:
        probe = _probe(gateway)
        entries = [{"key": key, "text": json.dumps(asset)} for key, asset in ASSETS.items()]
        await probe.submit("put_entries", [*entries, {"key": "plain", "text": "no JSON"}])
        for key, asset in ASSETS.items():
            value = json.dumps(asset).encode()
            await probe.submit("put_private", "secrets", key, transient={"value": value})


@pytest.fixture
async def probe(assets: Any) -> Any:
    async with assets.connect() as gateway:
        yield _probe(gateway)


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
    wanted = query({"owner": "bob"}, fields=["color", "made"], use_index=["_design/indexOwnerDoc", "indexOwner"], limit=1)
    rows = await probe.json("rich_values", wanted)
    assert rows == [{"key": "asset4", "text": '{"color":"\\u003cblue\\u003e","made":null}'}]
    assert await probe.json("rich_values", query({"owner": "bob"}, fields=[])) == [{"key": "asset4", "text": "{}"}]
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


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "EOF"),
        ("[]", "json: cannot unmarshal array into Go value of type map[string]interface {}"),
        ("{}", "Error:missing_required_key,  Status Code:400,  Reason:Missing required key: selector"),
        ('{"selector": 5}', "Error:invalid_selector_json,  Status Code:400,  Reason:Selector must be a JSON object, not: 5"),
        (query({"a": {"$in": 5}}), "Error:bad_arg,  Status Code:400,  Reason:Bad argument for operator $in: 5"),
        (query({"a": {"$and": "ab"}}), "Error:bad_arg,  Status Code:400,  Reason:Bad argument for operator $and: <<97,98>>"),
        (query({"a": {"$regex": "("}}), "Error:bad_arg,  Status Code:400,  Reason:Bad argument for operator $regex: <<40>>"),
        (query({"a": {"$near": 5}}), "Error:not_supported,  Status Code:400,  Reason:Unsupported operator: $near"),
        (query({"a": {"$foo": 5}}), "Error:invalid_operator,  Status Code:400,  Reason:Invalid operator: $foo"),
        (query({"": 5}), "Error:invalid_selector,  Status Code:400,  Reason:One or more conditions is missing a field name."),
        (query({"$gt": 5}), "Error:invalid_selector,  Status Code:400,  Reason:One or more conditions is missing a field name."),
        (query({}, skip=-1), "Error:invalid_non_neg_integer,  Status Code:400,  Reason:-1 is not an integer greater than or equal to zero"),
        (query({}, sort=[{"a": "asc"}, {"b": "desc"}]), "Error:unsupported_mixed_sort,  Status Code:400,  Reason:Sorts currently only support a single direction for all fields."),
        (query({}, fields="a"), "fields definition must be an array"),
        (query({}, other=1), "Error:invalid_key,  Status Code:400,  Reason:Invalid key other for this request."),
        (query({}, bookmark="x"), 'Error:invalid_bookmark,  Status Code:400,  Reason:Invalid bookmark value: "x"'),
    ],
)  # fmt: skip
async def test_refusals_are_in_couchdbs_words(probe: Probe, text: str, words: str) -> None:
    assert words in await probe.refusal("rich", text)


async def test_rows_are_read_and_phantoms_are_not_noticed(probe: Probe, assets: Any) -> None:
    await probe.submit("put", "seen", '{"kind": "seen"}')
    wanted = query({"kind": "seen"})
    proposals = [
        probe.contract.new_proposal("rich_then_put", arguments=[wanted, f"into{number}"]) for number in range(2)
    ]
    first, second = [await proposal.endorse() for proposal in proposals]
    await probe.submit("put", "phantom", '{"kind": "seen"}')
    await (await first.submit()).get_status()  # another row came: nothing guards against it
    await probe.submit("put", "seen", '{"kind": "seen", "again": true}')
    commit = await second.submit()
    status = await commit.get_status()
    assert not status.successful
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
