# SPDX-License-Identifier: Apache-2.0
"""What a peer does with transactions: the same program of transactions on every backend, the same outcome.

Every assertion here was first seen to hold on real Fabric; the embedded peer has to agree word for word.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import grpc
import pytest
from commonwatt_client import (
    CommitError,
    Contract,
    EndorseError,
    EvaluateError,
    Gateway,
    private_key_signer,
)
from commonwatt_client.admin import CollectionConfig
from fabric_protos.gateway import gateway_pb2, gateway_pb2_grpc
from fabric_protos.msp import identities_pb2

PROBE = Path(__file__).parent / "chaincode" / "probe.py"
BOTH = ("NewtownMSP", "GridMSP")
LIMIT = 5000  # of calls at once at one peer's Gateway, in the settings of both backends


def _collection(name: str, members: tuple[str, ...], **settings: Any) -> CollectionConfig:
    rule = "OR(" + ", ".join(f"'{mspid}.member'" for mspid in members) + ")"
    return CollectionConfig(name, rule, **settings)


@pytest.fixture(scope="module")
def semantics(network: Any) -> Any:
    """A probe chaincode with private collections, and a second one to be called by it."""
    collections = (
        _collection("shared", BOTH, required_peer_count=0, maximum_peer_count=3),
        _collection(
            "newtown",
            ("NewtownMSP",),
            required_peer_count=0,
            maximum_peer_count=3,
            member_only_read=True,
            member_only_write=True,
            endorsement_policy="OR('NewtownMSP.member')",
        ),
        _collection("fleeting", BOTH, required_peer_count=0, maximum_peer_count=3, blocks_to_live=2),
    )
    network.deploy(PROBE, "semantics", collections=collections)
    network.deploy(PROBE, "callee")
    return network


def contract_of(gateway: Gateway, name: str = "semantics") -> Contract:
    return gateway.get_network("trials").get_contract(name)


async def submit(contract: Contract, name: str, *arguments: str) -> bytes:
    """Submit; once more where the other endorser was a block behind this transaction's reads."""
    return (await contract.submit(name, arguments=arguments, retry=True)).result


async def test_a_read_does_not_see_the_transactions_own_write(semantics: Any) -> None:
    async with semantics.connect() as gateway:
        contract = contract_of(gateway)
        assert await submit(contract, "put", "own", "1") == b""
        assert await submit(contract, "put", "own", "2") == b"1"
        assert await contract.evaluate_transaction("get", "own") == b"2"


async def test_a_deleted_key_is_gone(semantics: Any) -> None:
    async with semantics.connect() as gateway:
        contract = contract_of(gateway)
        await submit(contract, "put", "gone", "1")
        await submit(contract, "delete", "gone")
        assert await contract.evaluate_transaction("get", "gone") == b""


async def test_conflicting_transactions_in_flight_leave_one_valid(semantics: Any) -> None:
    async with semantics.connect() as gateway:
        contract = contract_of(gateway)
        await submit(contract, "put", "counter", "0")
        await semantics.level()
        proposals = [contract.new_proposal("increment", arguments=["counter"]) for _ in range(2)]
        transactions = [await proposal.endorse() for proposal in proposals]
        codes = []
        for transaction in transactions:
            commit = await transaction.submit()
            codes.append((await commit.status()).code.name)
        assert codes == ["VALID", "MVCC_READ_CONFLICT"]
        assert await contract.evaluate_transaction("get", "counter") == b"1"


@pytest.mark.parametrize("present", [3, 60])
async def test_a_key_that_appears_in_a_range_read_is_a_phantom(semantics: Any, present: int) -> None:
    """3 reads are listed in the read set, 60 are hashed."""
    prefix = f"range{present}-"
    async with semantics.connect() as gateway:
        contract = contract_of(gateway)
        await submit(contract, "put_many", prefix, str(present))
        await semantics.level()
        counting = contract.new_proposal("count_range", arguments=[prefix, prefix + "~", "counted"])
        transaction = await counting.endorse()
        assert json.loads(transaction.result) == present
        await submit(contract, "put", prefix + "zz", "late")
        commit = await transaction.submit()
        assert (await commit.status()).code.name == "PHANTOM_READ_CONFLICT"
        assert (
            json.loads(await submit(contract, "count_range", prefix, prefix + "~", "counted")) == present + 1
        )


@pytest.mark.parametrize("count", [99, 100, 101, 250])
async def test_ranges_of_any_length_come_whole(semantics: Any, count: int) -> None:
    prefix = f"length{count:04}-"
    async with semantics.connect() as gateway:
        contract = contract_of(gateway)
        await submit(contract, "put_many", prefix, str(count))
        rows = json.loads(await contract.evaluate_transaction("range", prefix, prefix + "~"))
        assert [row["key"] for row in rows] == [f"{prefix}{number:06}" for number in range(count)]
        assert json.loads(await submit(contract, "count_range", prefix, prefix + "~", "total")) == count


async def test_pages_follow_each_other_by_bookmark(semantics: Any) -> None:
    async with semantics.connect() as gateway:
        contract = contract_of(gateway)
        await submit(contract, "put_many", "page-", "7")
        seen, bookmark, marks = [], "", []
        while True:
            keys, bookmark = json.loads(
                await contract.evaluate_transaction("page", "page-", "page-~", "3", bookmark)
            )
            seen += keys
            marks.append(bookmark)
            if not bookmark:
                break
        assert seen == [f"page-{number:06}" for number in range(7)]
        assert marks == ["page-000003", "page-000006", ""]


async def test_history_is_newest_first_and_tells_deletions(semantics: Any) -> None:
    async with semantics.connect() as gateway:
        contract = contract_of(gateway)
        await submit(contract, "put", "told", "1")
        await submit(contract, "put", "told", "2")
        await submit(contract, "delete", "told")
        changes = json.loads(await contract.evaluate_transaction("history", "told"))
        assert [(value, deleted) for _, value, _, deleted in changes] == [
            ("", True),
            ("2", False),
            ("1", False),
        ]
        assert len({transaction_id for transaction_id, *_ in changes}) == 3


async def test_a_rich_query_is_refused_as_by_leveldb(semantics: Any) -> None:
    async with semantics.connect() as gateway:
        with pytest.raises(EvaluateError, match="ExecuteQuery not supported for leveldb"):
            await contract_of(gateway).evaluate_transaction("rich", '{"selector":{}}')


async def test_private_data_reach_members_and_hashes_everyone(semantics: Any) -> None:
    async with semantics.connect() as newtown, semantics.connect("grid") as grid:
        ours, theirs = contract_of(newtown), contract_of(grid)
        await ours.submit("put_private", arguments=["shared", "secret"], transient={"value": b"42"})
        assert await ours.evaluate_transaction("get_private", "shared", "secret") == b"42"
        digest = await ours.evaluate_transaction("get_private_hash", "shared", "secret")
        assert digest == b"73475cb40a568e8da8a045ced110137e159f890ac4da883b6b17dc651b3a8049"
        assert await _eventually(theirs, "get_private", "shared", "secret") == b"42"
        assert json.loads(await ours.evaluate_transaction("private_range", "shared", "", "")) == ["secret"]
        await submit(ours, "delete_private", "shared", "secret")
        assert await ours.evaluate_transaction("get_private", "shared", "secret") == b""


async def test_a_collection_of_one_organization_stays_there(semantics: Any) -> None:
    async with semantics.connect() as newtown, semantics.connect("grid") as grid:
        ours, theirs = contract_of(newtown), contract_of(grid)
        await ours.submit(
            "put_private",
            arguments=["newtown", "mine"],
            transient={"value": b"7"},
            endorsing_organizations=["NewtownMSP"],
        )
        assert await ours.evaluate_transaction("get_private", "newtown", "mine") == b"7"
        with pytest.raises(
            EvaluateError,
            match="tx creator does not have read access permission on privatedata in "
            "chaincodeName:semantics collectionName: newtown",
        ):
            await theirs.evaluate_transaction("get_private", "newtown", "mine")
        with pytest.raises(EndorseError):
            await theirs.submit("put_private", arguments=["newtown", "mine"], transient={"value": b"8"})
        assert await _eventually(theirs, "get_private_hash", "newtown", "mine")


async def test_private_data_end_after_their_blocks(semantics: Any) -> None:
    async with semantics.connect() as gateway:
        contract = contract_of(gateway)
        await contract.submit("put_private", arguments=["fleeting", "dust"], transient={"value": b"1"})
        for number in range(2):
            await submit(contract, "put", "tick", str(number))
            assert await contract.evaluate_transaction("get_private", "fleeting", "dust") == b"1"
        await submit(contract, "put", "tick", "last")
        assert await contract.evaluate_transaction("get_private", "fleeting", "dust") == b""
        assert await contract.evaluate_transaction("get_private_hash", "fleeting", "dust") == b""


async def test_purged_private_data_are_gone(semantics: Any) -> None:
    async with semantics.connect() as gateway:
        contract = contract_of(gateway)
        await contract.submit("put_private", arguments=["shared", "burn"], transient={"value": b"1"})
        await submit(contract, "purge_private", "shared", "burn")
        assert await contract.evaluate_transaction("get_private", "shared", "burn") == b""
        assert await contract.evaluate_transaction("get_private_hash", "shared", "burn") == b""


async def test_an_unknown_collection_is_refused(semantics: Any) -> None:
    async with semantics.connect() as gateway:
        with pytest.raises(EvaluateError, match="collection trials/semantics/nowhere could not be found"):
            await contract_of(gateway).evaluate_transaction("get_private", "nowhere", "k")


async def test_a_key_with_a_policy_of_its_own_asks_for_its_organizations(semantics: Any) -> None:
    async with semantics.connect() as gateway:
        contract = contract_of(gateway)
        await submit(contract, "put", "guarded", "1")
        await submit(contract, "require_organizations", "guarded", '["NewtownMSP"]')
        assert json.loads(await contract.evaluate_transaction("required_organizations", "guarded")) == [
            "NewtownMSP"
        ]
        # the key's own policy now replaces the chaincode's: newtown alone suffices
        await contract.submit("put", arguments=["guarded", "2"], endorsing_organizations=["NewtownMSP"])
        with pytest.raises(CommitError) as refused:
            await contract.submit("put", arguments=["guarded", "3"], endorsing_organizations=["GridMSP"])
        assert refused.value.code.name == "ENDORSEMENT_POLICY_FAILURE"
        assert await contract.evaluate_transaction("get", "guarded") == b"2"


async def test_one_endorsement_of_two_is_not_enough(semantics: Any) -> None:
    async with semantics.connect() as gateway:
        with pytest.raises(CommitError) as refused:
            await contract_of(gateway).submit(
                "put", arguments=["alone", "1"], endorsing_organizations=["NewtownMSP"]
            )
        assert refused.value.code.name == "ENDORSEMENT_POLICY_FAILURE"


async def test_chaincode_calls_chaincode_in_one_transaction(semantics: Any) -> None:
    async with semantics.connect() as gateway:
        contract = contract_of(gateway)
        await submit(contract, "call", "callee", "", '["put", "from-caller", "hello"]')
        assert await contract_of(gateway, "callee").evaluate_transaction("get", "from-caller") == b"hello"
        assert await contract.evaluate_transaction("get", "caller") == b"called callee"
        with pytest.raises(EndorseError) as failed:
            await submit(contract, "call", "nobody", "", '["get", "x"]')
        assert "chaincode nobody not found" in str(failed.value)


async def test_a_refused_transaction_leaves_nothing(semantics: Any) -> None:
    async with semantics.connect() as gateway:
        contract = contract_of(gateway)
        with pytest.raises(EndorseError) as refused:
            await submit(contract, "refuse", "never")
        assert refused.value.details[0].message.startswith("chaincode response ")
        assert await contract.evaluate_transaction("get", "never") == b""


async def test_a_transaction_submitted_twice_counts_once(semantics: Any) -> None:
    async with semantics.connect() as gateway:
        contract = contract_of(gateway)
        await submit(contract, "put", "count-once", "0")
        await semantics.level()
        transaction = await contract.new_proposal("increment", arguments=["count-once"]).endorse()
        first, second = await transaction.submit(), await transaction.submit()
        assert (await first.status()).code.name == (await second.status()).code.name == "VALID"
        await submit(contract, "put", "after", "1")
        assert await contract.evaluate_transaction("get", "count-once") == b"1"


async def test_unknown_chaincode_and_channel_are_told_apart(semantics: Any) -> None:
    async with semantics.connect() as gateway:
        trials = gateway.get_network("trials")
        with pytest.raises(
            EvaluateError, match="no peers available to evaluate chaincode nobody in channel trials"
        ):
            await trials.get_contract("nobody").evaluate_transaction("get", "k")
        nowhere = gateway.get_network("nowhere").get_contract("semantics")
        with pytest.raises(EvaluateError, match="failed to get config for channel"):
            await nowhere.evaluate_transaction("get", "k")


async def test_events_come_in_order_from_a_block_on(semantics: Any) -> None:
    async with semantics.connect() as gateway:
        contract = contract_of(gateway)
        await submit(contract, "announce", "first", "1")
        status = await (await contract.submit_async("announce", arguments=["second", "2"])).status()
        names = []
        async with asyncio.timeout(20):
            events = gateway.get_network("trials").chaincode_events(
                "semantics", start_block=status.block_number
            )
            async for event in events:
                names.append((event.event_name, event.payload))
                break
        assert names == [("second", b"2")]


async def test_one_call_more_than_the_gateways_limit_is_refused(semantics: Any) -> None:
    """Every place is taken by a client that waits for a transaction which nobody submits."""
    if semantics.version.startswith("2."):
        pytest.skip("Fabric 2.5 did not refuse within a minute when this was tried; it was not found out why")
    layout = semantics.nodes.layout
    peer = semantics.nodes.gateway_peer("newtown")
    tls = grpc.ssl_channel_credentials(layout.tls_ca_certificate("newtown").read_bytes())
    async with semantics.connect() as gateway:
        identity = gateway.identity
        signer = private_key_signer(layout.user("newtown", "operator") / "private_key.pem")
        request = gateway_pb2.CommitStatusRequest(
            channel_id="trials",
            transaction_id="ab" * 32,
            identity=identities_pb2.SerializedIdentity(
                mspid=identity.mspid, id_bytes=identity.certificate_pem
            ).SerializeToString(),
        ).SerializeToString()
        signed = gateway_pb2.SignedCommitStatusRequest(
            request=request, signature=signer.sign(identity.digest(request))
        )
        options = [("grpc.ssl_target_name_override", peer.name), ("grpc.use_local_subchannel_pool", 1)]
        refused: asyncio.Queue[str] = asyncio.Queue()
        async with AsyncExitStack() as stack:
            stubs = [
                gateway_pb2_grpc.GatewayStub(
                    await stack.enter_async_context(grpc.aio.secure_channel(peer.address, tls, options))
                )
                for _ in range(3)
            ]

            async def wait_for_it(number: int) -> None:
                try:
                    await stubs[number % len(stubs)].CommitStatus(signed)
                except grpc.aio.AioRpcError as error:
                    refused.put_nowait(f"{error.code().name}: {error.details()}")

            calls = [asyncio.ensure_future(wait_for_it(number)) for number in range(LIMIT + 1)]
            async with asyncio.timeout(60):
                answer = await refused.get()
            assert answer == (
                f"UNKNOWN: too many requests for /gateway.Gateway, exceeding concurrency limit ({LIMIT})"
            )
            for call in calls:
                call.cancel()
            await asyncio.gather(*calls, return_exceptions=True)
        async with asyncio.timeout(20):
            while True:
                try:
                    await contract_of(gateway).evaluate_transaction("get", "k")
                    break
                except EvaluateError as error:
                    if "too many requests" not in str(error):  # the places are being given back
                        raise


async def _eventually(contract: Contract, *call: str) -> bytes:
    """The other organisation's peer may be a block behind."""
    async with asyncio.timeout(10):
        while True:
            if answer := await contract.evaluate_transaction(*call):
                return answer
            await asyncio.sleep(0.05)
