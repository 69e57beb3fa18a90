# SPDX-License-Identifier: Apache-2.0
"""What a transaction sees of the ledger, with Fabric's semantics."""

import hashlib
import inspect
from collections.abc import Callable
from typing import Any

import pytest
from commonwatt_chaincode.shim import KeyEndorsementPolicy, Response, Stub
from commonwatt_chaincode.shim.testing import MemoryLedger, caller


async def test_a_transaction_does_not_read_its_own_write(ledger: MemoryLedger) -> None:
    first = await ledger.submit("put", "k", "1")
    second = await ledger.submit("put", "k", "2")
    assert (first.payload, second.payload) == (b"", b"1")
    assert first.reads == {"k": None}
    assert second.reads == {"k": (1, 0)}
    assert second.writes == {"k": b"2"}
    assert ledger.get("k") == b"2"


async def test_an_absent_key_reads_as_none(ledger: MemoryLedger) -> None:
    done = await ledger.evaluate("get_many", ["absent"])
    assert done.json() == [None]


async def test_an_empty_key_is_refused_and_the_caller_reads_why(ledger: MemoryLedger) -> None:
    done = await ledger.submit("put_empty_key")
    assert (done.status, done.message) == (500, "a key may not be empty")


NAMELESS: dict[str, Callable[[Stub], Any]] = {
    "get_private_data": lambda stub: stub.get_private_data("", "k"),
    "get_private_data_states": lambda stub: stub.get_private_data_states("", ["k"]),
    "get_private_data_hash": lambda stub: stub.get_private_data_hash("", "k"),
    "put_private_data": lambda stub: stub.put_private_data("", "k", b"x"),
    "delete_private_data": lambda stub: stub.delete_private_data("", "k"),
    "purge_private_data": lambda stub: stub.purge_private_data("", "k"),
    "get_private_data_by_range": lambda stub: stub.get_private_data_by_range("", "a", "z").rows(),
    "get_private_data_by_partial_composite_key": (
        lambda stub: stub.get_private_data_by_partial_composite_key("", "kind").rows()
    ),
    "get_private_data_query_result": lambda stub: stub.get_private_data_query_result("", "{}").rows(),
    "get_private_data_validation_parameter": lambda stub: stub.get_private_data_validation_parameter("", "k"),
    "set_private_data_validation_parameter": (
        lambda stub: stub.set_private_data_validation_parameter("", "k", b"x")
    ),
}
KEYLESS: dict[str, Callable[[Stub], Any]] = {
    "get_state": lambda stub: stub.get_state(""),
    "get_states": lambda stub: stub.get_states(["k", ""]),
    "put_state": lambda stub: stub.put_state("", b"x"),
    "delete_state": lambda stub: stub.delete_state(""),
    "get_history_for_key": lambda stub: stub.get_history_for_key("").rows(),
    "get_state_validation_parameter": lambda stub: stub.get_state_validation_parameter(""),
    "set_state_validation_parameter": lambda stub: stub.set_state_validation_parameter("", b"x"),
    "get_private_data": lambda stub: stub.get_private_data("secrets", ""),
    "get_private_data_states": lambda stub: stub.get_private_data_states("secrets", ["k", ""]),
    "get_private_data_hash": lambda stub: stub.get_private_data_hash("secrets", ""),
    "put_private_data": lambda stub: stub.put_private_data("secrets", "", b"x"),
    "delete_private_data": lambda stub: stub.delete_private_data("secrets", ""),
    "purge_private_data": lambda stub: stub.purge_private_data("secrets", ""),
    "get_private_data_validation_parameter": (
        lambda stub: stub.get_private_data_validation_parameter("secrets", "")
    ),
    "set_private_data_validation_parameter": (
        lambda stub: stub.set_private_data_validation_parameter("secrets", "", b"x")
    ),
}


@pytest.mark.parametrize(
    ("calls", "said"),
    [(NAMELESS, "a private data collection needs a name"), (KEYLESS, "a key may not be empty")],
)
async def test_every_call_refuses_an_empty_collection_or_key(
    calls: dict[str, Callable[[Stub], Any]], said: str
) -> None:
    """As Fabric's own shims do: peers take the empty collection's name for the world state."""

    async def handle(stub: Stub) -> Response:
        await calls[stub.function](stub)
        return Response(200)

    ledger = MemoryLedger(handle, collections=["secrets"])
    for name in calls:
        done = await ledger.evaluate(name)
        assert (name, done.status, done.message, done.reads, done.ranges) == (name, 500, said, {}, ())


def test_no_call_with_a_collection_is_forgotten() -> None:
    takes_collection = {
        name
        for name, method in inspect.getmembers(Stub, inspect.isfunction)
        if "collection" in inspect.signature(method).parameters and not name.startswith("_")
    }
    assert takes_collection == NAMELESS.keys()


async def test_an_empty_value_is_refused(ledger: MemoryLedger) -> None:
    done = await ledger.submit("put", "k", "")
    assert done.status == 500
    assert "may not be empty" in done.message


async def test_a_deleted_key_is_gone_and_stays_in_the_history(ledger: MemoryLedger) -> None:
    await ledger.submit("put", "k", "1", timestamp=10)
    await ledger.submit("delete", "k", timestamp=20)
    assert (await ledger.evaluate("get", "k")).payload == b""
    rows = [row[1:] for row in (await ledger.evaluate("history", "k")).json()]
    assert rows == [["", 20, True], ["1", 10, False]]


async def test_a_range_holds_simple_keys_in_order_and_no_composite_ones(ledger: MemoryLedger) -> None:
    for key in ("b", "a", "c"):
        await ledger.submit("put", key, key)
    await ledger.submit("put_composite", "kind", ["x"], "composite")
    assert [row["key"] for row in (await ledger.evaluate("range", "", "")).json()] == ["a", "b", "c"]
    assert [row["key"] for row in (await ledger.evaluate("range", "b", "c")).json()] == ["b"]


async def test_a_partial_composite_key_finds_what_continues_it(ledger: MemoryLedger) -> None:
    for attributes in (["a", "2"], ["a", "1"], ["b", "1"], ["aa", "1"]):
        await ledger.submit("put_composite", "kind", attributes, "x")
    assert (await ledger.evaluate("partial", "kind", ["a"])).json() == [["a", "1"], ["a", "2"]]
    assert len((await ledger.evaluate("partial", "kind", [])).json()) == 4


@pytest.mark.parametrize("size", [0, -1, 2**31])
async def test_a_page_of_no_size_is_refused(ledger: MemoryLedger, size: int) -> None:
    done = await ledger.evaluate("page", "", "", size, "")
    assert (done.status, done.message) == (500, f"a page has from 1 to 2147483647 rows, not {size}")


async def test_pages_continue_at_their_bookmark(ledger: MemoryLedger) -> None:
    await ledger.submit("put_many", "k", 5)
    seen, bookmark = [], ""
    while True:
        keys, bookmark = (await ledger.evaluate("page", "k", "l", 2, bookmark)).json()
        seen.append(len(keys))
        if not bookmark:
            break
    assert seen == [2, 2, 1]


async def test_a_key_that_changed_since_it_was_read_invalidates(ledger: MemoryLedger) -> None:
    one = await ledger.evaluate("increment", "n")
    other = await ledger.evaluate("increment", "n")
    assert [ledger.commit(one), ledger.commit(other)] == ["VALID", "MVCC_READ_CONFLICT"]
    assert ledger.get("n") == b"1"


async def test_a_row_that_came_into_a_range_invalidates(ledger: MemoryLedger) -> None:
    await ledger.submit("put_many", "k", 3)
    counted = await ledger.evaluate("count_range", "k", "l", "total")
    await ledger.submit("put", "k9", "x")
    assert ledger.commit(counted) == "PHANTOM_READ_CONFLICT"
    assert ledger.get("total") is None


async def test_private_values_hashes_deletions_and_purges(ledger: MemoryLedger) -> None:
    await ledger.submit("put_private", "secrets", "k", transient={"value": b"hidden"})
    assert (await ledger.evaluate("get_private", "secrets", "k")).payload == b"hidden"
    digest = (await ledger.evaluate("get_private_hash", "secrets", "k")).payload
    assert digest.decode() == hashlib.sha256(b"hidden").hexdigest()
    assert ledger.get("k") is None
    await ledger.submit("put_private_many", "secrets", ["p", "q"])
    assert (await ledger.evaluate("private_range", "secrets", "p", "r")).json() == ["p", "q"]
    await ledger.submit("delete_private", "secrets", "p")
    await ledger.submit("purge_private", "secrets", "q")
    assert (await ledger.evaluate("get_private_many", "secrets", ["p", "q", "k"])).json() == [
        None,
        None,
        "hidden",
    ]


async def test_a_write_into_a_missing_collection_fails_the_transaction(ledger: MemoryLedger) -> None:
    done = await ledger.submit("put_private", "nowhere", "k", transient={"value": b"hidden"})
    assert done.status == 500
    assert "nowhere" in done.message
    assert "WRITE_BATCH_STATE" in done.message or "PUT_STATE" in done.message


async def test_a_key_can_demand_endorsers_of_its_own(ledger: MemoryLedger) -> None:
    await ledger.submit("put", "k", "1")
    await ledger.submit("require_organizations", "k", ["BMSP", "AMSP"])
    assert (await ledger.evaluate("required_organizations", "k")).json() == ["AMSP", "BMSP"]


def test_key_endorsement_policies_are_read_back_and_refuse_emptiness() -> None:
    policy = KeyEndorsementPolicy()
    policy.add_organizations(["BMSP", "AMSP"], "PEER")
    again = KeyEndorsementPolicy(policy.policy())
    assert again.organizations() == ["AMSP", "BMSP"]
    assert again.policy() == policy.policy()
    again.delete_organizations(["AMSP", "BMSP"])
    with pytest.raises(ValueError, match="at least one"):
        again.policy()


async def test_a_called_chaincode_answers_and_writes_within_the_transaction(ledger: MemoryLedger) -> None:
    done = await ledger.submit("call", "other", "", ["put_large", "k", "value"])
    assert done.payload.decode() == hashlib.sha256(b"value").hexdigest()
    assert {place if isinstance(place, str) else place.namespace for place in done.writes} == {
        "caller",
        "other",
    }


@pytest.mark.parametrize("name", ["absent", "other"])
async def test_a_call_that_fails_fails_the_caller(ledger: MemoryLedger, name: str) -> None:
    done = await ledger.submit("call", name, "", ["refuse", "k"])
    assert done.status == 500
    assert f"chaincode {name} answered" in done.message
    assert ledger.get("caller") is None


async def test_an_event_leaves_with_its_transaction(ledger: MemoryLedger) -> None:
    assert (await ledger.submit("announce", "greeting", "hello")).event == ("greeting", b"hello")


async def test_a_refusal_keeps_nothing(ledger: MemoryLedger) -> None:
    done = await ledger.submit("refuse", "k")
    assert (done.status, done.message) == (400, "not_today: this transaction always refuses")
    assert (done.event, done.writes, ledger.get("k")) == (None, {}, None)


async def test_the_creator_comes_with_the_attributes_of_its_certificate(ledger: MemoryLedger) -> None:
    creator = caller("home001", "NewtownMSP", {"home.id": "home001"}, role="home")
    seen = (await ledger.evaluate("who", creator=creator, transient={"value": b"x"}, timestamp=77)).json()
    assert seen["mspid"] == "NewtownMSP"
    assert seen["attributes"] == {"home.id": "home001", "role": "home"}
    assert seen["id"] == "x509::CN=home001::CN=ca.NewtownMSP"
    assert (seen["seconds"], seen["transient"], seen["channel_id"]) == (77, ["value"], "channel")


async def test_rich_queries_have_the_peer_s_answers_and_words(ledger: MemoryLedger) -> None:
    for number in range(5):
        await ledger.submit("put", f"k{number}", f'{{"n":{number}}}')
    wanted = '{"selector":{"n":{"$gt":1}}}'
    found = await ledger.evaluate("rich", wanted)
    assert (found.json(), sorted(found.reads)) == (["k2", "k3", "k4"], ["k2", "k3", "k4"])
    first, bookmark = (await ledger.evaluate("rich_page", wanted, 2)).json()
    second, _ = (await ledger.evaluate("rich_page", wanted, 2, bookmark)).json()
    assert (first, second) == (["k2", "k3"], ["k4"])
    assert (await ledger.submit("put_then_rich", wanted, "into")).status == 200
    refused = await ledger.submit("rich_page_then_put", wanted, "into")
    assert "already performed a paginated query" in refused.message
    refused = await ledger.evaluate("rich", "{}")
    assert (refused.status, "Missing required key: selector" in refused.message) == (500, True)
