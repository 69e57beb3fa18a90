# SPDX-License-Identifier: Apache-2.0
"""Transactions through the client on every backend: whole, split, signed elsewhere, retried, and failing."""

from __future__ import annotations

import asyncio
import json
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from commonwatt_client import (
    CommitError,
    ConnectionClosedError,
    EndorseError,
    EvaluateError,
    Gateway,
    GatewayError,
    Peer,
    RetryPolicy,
    SigningError,
    ValidationCode,
    connect,
    connect_profile,
    load_identity,
    private_key_signer,
    sync,
)
from commonwatt_client.identity import read_pem
from commonwatt_client.profile import network_file_peers, network_file_user
from commonwatt_network.change.configuration import ordering_client
from commonwatt_network.channels.deploy import peer_admin

from ..support.homes import home_id

BOTH = ("NewtownMSP", "GridMSP")


@pytest.fixture
def contract(gateway: Gateway) -> Any:
    return gateway.get_network("trials").get_contract("probe")


async def test_a_submitted_write_is_read_by_evaluate(contract: Any, key: str) -> None:
    await contract.submit_transaction("put", key, "grün")
    assert (await contract.evaluate_transaction("get", key)).decode() == "grün"


async def test_outcome_names_the_block(gateway: Gateway, contract: Any, key: str) -> None:
    outcome = await contract.submit("put", arguments=[key, "1"])
    status = await gateway.new_commit_for("trials", outcome.transaction_id).status()
    assert (status.block_number, status.code) == (outcome.block_number, ValidationCode.VALID)


async def test_result_before_commit(contract: Any, key: str) -> None:
    submitted = await contract.submit_async("increment", arguments=[key])
    assert submitted.result == b"1"
    status = await submitted.status()
    assert status.successful
    assert status.transaction_id == submitted.transaction_id


async def test_split_flow(contract: Any, key: str) -> None:
    proposal = contract.new_proposal("increment", arguments=[key])
    assert await proposal.evaluate() == b"1"
    transaction = await contract.new_proposal("increment", arguments=[key]).endorse()
    assert transaction.result == b"1"
    commit = await transaction.submit()
    assert (await commit.status()).successful
    assert await contract.evaluate_transaction("get", key) == b"1"


async def test_the_same_transaction_twice_commits_once(contract: Any, key: str) -> None:
    transaction = await contract.new_proposal("increment", arguments=[key]).endorse()
    first = await (await transaction.submit()).status()
    second = await (await transaction.submit()).status()
    assert (first.code, first.block_number) == (second.code, second.block_number)
    assert await contract.evaluate_transaction("get", key) == b"1"


async def test_transient_data_reaches_the_chaincode(contract: Any) -> None:
    seen = await contract.evaluate("who", transient={"secret": "s", "bytes": b"\x00"})
    assert b'"transient":["bytes","secret"]' in seen


async def test_private_data_of_one_organisation(deployed: Any, contract: Any, key: str) -> None:
    await contract.submit(
        "put_private",
        arguments=["newtown_only", key],
        transient={"value": "hidden"},
        endorsing_organizations=["NewtownMSP"],
    )
    read = await contract.evaluate(
        "get_private", arguments=["newtown_only", key], endorsing_organizations=["NewtownMSP"]
    )
    assert read == b"hidden"
    async with deployed.connect("grid") as grid:
        stranger = grid.get_network("trials").get_contract("probe")
        with pytest.raises(EvaluateError):
            await stranger.evaluate(
                "get_private", arguments=["newtown_only", key], endorsing_organizations=["GridMSP"]
            )


async def test_a_key_of_its_own_endorsement_policy(contract: Any, key: str) -> None:
    await contract.submit_transaction("put", key, "1")
    await contract.submit("require_organizations", arguments=[key, '["NewtownMSP","GridMSP"]'])
    with pytest.raises(CommitError) as caught:
        await contract.submit("put", arguments=[key, "2"], endorsing_organizations=["NewtownMSP"])
    assert caught.value.code is ValidationCode.ENDORSEMENT_POLICY_FAILURE
    await contract.submit("put", arguments=[key, "3"])  # the gateway finds both organisations by itself
    assert await contract.evaluate_transaction("get", key) == b"3"


async def test_a_refusal_names_endorser_and_message(contract: Any, key: str) -> None:
    with pytest.raises(EndorseError) as caught:
        await contract.submit_transaction("refuse", key)
    error = caught.value
    assert error.transaction_id
    assert error.reason == "CHAINCODE_REFUSED"
    assert error.chaincode_response is not None
    assert error.chaincode_response.status == 400
    assert error.chaincode_response.message == "not_today: this transaction always refuses"
    assert {detail.mspid for detail in error.details} <= set(BOTH)
    assert all(detail.address.startswith("127.0.0.1:") for detail in error.details)
    with pytest.raises(EvaluateError, match="not_today"):
        await contract.evaluate_transaction("refuse", key)


def test_one_client_in_several_event_loops(deployed: Any, key: str) -> None:
    """Transactions and administration of a script that calls `asyncio.run` several times."""
    gateway = deployed.connect()
    contract = gateway.get_network("trials").get_contract("probe")
    asyncio.run(contract.submit_transaction("put", key, "1"))
    assert asyncio.run(contract.evaluate_transaction("get", key)) == b"1"
    asyncio.run(gateway.close())

    admin = peer_admin(deployed.nodes, deployed.nodes.gateway_peer("newtown"))
    ordering = ordering_client(deployed.nodes, deployed.nodes.orderers[0])
    for _ in range(2):
        height = asyncio.run(admin.get_chain_info("trials")).height
        assert asyncio.run(admin.get_block_by_number("trials", height - 1)).number == height - 1
        assert asyncio.run(admin.discover_peers("trials"))
        assert asyncio.run(ordering.get_block("trials", "newest")).number >= height - 1
        asyncio.run(admin.list_pending_snapshots("trials"))
    for each in (admin, ordering):
        asyncio.run(each.close())
    with pytest.raises(ConnectionClosedError):
        asyncio.run(ordering.get_block("trials", "newest"))


@pytest.mark.parametrize("mark", [b"\xef\xbb\xbf", b"  "])
async def test_pem_with_a_mark_or_indented_works_alike_everywhere(
    deployed: Any, gateway: Gateway, key: str, tmp_path: Path, mark: bytes
) -> None:
    user = json.loads(deployed.path.read_text())["organizations"]["newtown"]["users"]["operator"]
    for name in ("certificate", "private_key"):
        (tmp_path / name).write_bytes(mark + read_pem(Path(user[name]), name))
    (peer, *_) = network_file_peers(deployed.path, "newtown")
    assert isinstance(peer.tls_ca_cert, Path)
    marked = replace(peer, tls_ca_cert=mark + peer.tls_ca_cert.read_bytes())
    identity = load_identity("NewtownMSP", tmp_path / "certificate")
    async with connect(
        marked, identity=identity, signer=private_key_signer(tmp_path / "private_key")
    ) as reading:
        await reading.get_network("trials").get_contract("probe").submit_transaction("put", key, "1")


@pytest.mark.parametrize(
    ("text", "times"), [("m", 6_000), ("m", 20_000), ("grün\n", 90_000), ("too many requests ", 1)]
)
async def test_a_refusal_of_any_length_arrives_whole_and_is_final(
    contract: Any, text: str, times: int
) -> None:
    """gRPC's own limits for headers, in which a refusal travels, are a few kilobytes."""
    for send in (contract.evaluate, contract.submit):
        with pytest.raises(GatewayError) as caught:
            await send("refuse_at_length", arguments=[text, str(times)], retry=True)
        error = caught.value
        assert (error.reason, error.tries) == ("CHAINCODE_REFUSED", 1)
        assert error.chaincode_response is not None
        assert error.chaincode_response.status == 400
        assert error.chaincode_response.message == "at_length: " + text * times


async def test_a_refusal_beyond_what_headers_carry_is_cut(contract: Any) -> None:
    for send in (contract.evaluate, contract.submit):
        with pytest.raises(GatewayError) as caught:
            await send("refuse_at_length", arguments=["m", "20000000"], retry=True)
        assert caught.value.reason == "CHAINCODE_REFUSED"
        assert caught.value.chaincode_response is not None
        assert caught.value.chaincode_response.message.endswith("of 20000011 characters)")


@pytest.mark.parametrize("letters", [30_000, 3_000_000])
async def test_the_determinism_guards_difference_arrives_however_long(
    deployed: Any, contract: Any, key: str, letters: int
) -> None:
    if deployed.backend != "embedded":
        pytest.skip("Fabric's own peers run a proposal once")
    with pytest.raises(EndorseError) as caught:
        await contract.submit(
            "draw", arguments=[key, str(letters)], endorsing_organizations=["NewtownMSP"], retry=True
        )
    error = caught.value
    assert (error.reason, error.tries) == ("NOT_DETERMINISTIC", 1)
    (detail,) = error.details
    assert "determinism guard: two runs of this proposal differ" in detail.message
    assert f"of {letters + 3}" in detail.message
    assert f"write of '{key}'" in detail.message


async def test_unknown_chaincode_and_channel(gateway: Gateway) -> None:
    with pytest.raises(EndorseError) as caught:
        await gateway.get_network("trials").get_contract("nowhere").submit_transaction("put", "a", "b")
    assert caught.value.reason == "NO_ENDORSERS"
    with pytest.raises(GatewayError) as caught_too:
        await gateway.get_network("nowhere").get_contract("probe").evaluate_transaction("get", "a")
    assert caught_too.value.reason in ("NOT_FOUND", "ACCESS_DENIED", "NO_ENDORSERS")


async def test_a_key_of_another_certificate_is_refused(deployed: Any, gateway: Gateway) -> None:
    _, other_signer = network_file_user(deployed.path, "newtown", "home002")
    imposter = gateway.with_identity(gateway.identity, other_signer)
    with pytest.raises(EvaluateError) as caught:
        await imposter.get_network("trials").get_contract("probe").evaluate_transaction("get", "a")
    assert caught.value.reason == "ACCESS_DENIED"


async def test_a_timeout_is_told(contract: Any) -> None:
    with pytest.raises(EvaluateError) as caught:
        await contract.evaluate("wait", arguments=["2"], timeout_s=0.2)
    # A peer whose own copy of the deadline passes first answers CANCELLED.
    assert caught.value.reason in ("DEADLINE_EXCEEDED", "CANCELLED")


async def test_lost_races_are_retried_on_request(contract: Any, key: str) -> None:
    calls = [contract.submit("increment", arguments=[key], retry=RetryPolicy(max_tries=40)) for _ in range(6)]
    outcomes = await asyncio.gather(*calls)
    assert sorted(outcome.result for outcome in outcomes) == [b"%d" % n for n in range(1, 7)]
    assert max(outcome.tries for outcome in outcomes) > 1
    assert await contract.evaluate_transaction("get", key) == b"6"


async def test_lost_races_are_reported_otherwise(contract: Any, key: str) -> None:
    transactions = [await contract.new_proposal("increment", arguments=[key]).endorse() for _ in range(2)]
    commits = [await transaction.submit() for transaction in transactions]
    codes = sorted([(await commit.status()).code for commit in commits])
    assert codes == [ValidationCode.VALID, ValidationCode.MVCC_READ_CONFLICT]


async def test_signing_elsewhere(deployed: Any, contract: Any, key: str) -> None:
    identity, signer = network_file_user(deployed.path, "newtown", "home001")
    async with connect(network_file_peers(deployed.path, "newtown"), identity=identity) as gateway:
        probe = gateway.get_network("trials").get_contract("probe")
        unsigned = probe.new_proposal("put", arguments=[key, "1"])
        with pytest.raises(SigningError, match="no signer"):
            await unsigned.endorse()
        proposal = gateway.new_signed_proposal(unsigned.to_bytes(), signer.sign(unsigned.digest))
        assert proposal.transaction_id == unsigned.transaction_id
        endorsed = await proposal.endorse()
        with pytest.raises(SigningError):
            await endorsed.submit()
        transaction = gateway.new_signed_transaction(endorsed.to_bytes(), signer.sign(endorsed.digest))
        unsigned_commit = await transaction.submit()
        with pytest.raises(SigningError):
            await unsigned_commit.status()
        commit = gateway.new_signed_commit(unsigned_commit.to_bytes(), signer.sign(unsigned_commit.digest))
        assert (await commit.status()).successful
    assert await contract.evaluate_transaction("get", key) == b"1"


async def test_many_identities_share_a_connection(deployed: Any, gateway: Gateway) -> None:
    for number, user in enumerate(("home001", "home002"), start=1):
        shared = gateway.with_identity(*network_file_user(deployed.path, "newtown", user))
        async with shared:
            seen = await shared.get_network("trials").get_contract("probe").evaluate_transaction("who")
            assert f'"home.id":"{home_id("newtown", number)}"'.encode() in seen
    assert await gateway.get_network("trials").get_contract("probe").evaluate_transaction("who")


async def test_the_next_peer_is_used_when_one_is_down(deployed: Any, key: str) -> None:
    identity, signer = network_file_user(deployed.path, "newtown", "operator")
    peers = [Peer("127.0.0.1:1", name="away"), *network_file_peers(deployed.path, "grid")]
    async with connect(peers, identity=identity, signer=signer) as gateway:
        await gateway.get_network("trials").get_contract("probe").submit_transaction("put", key, "1")
    async with connect(peers[0], identity=identity, signer=signer) as gateway:
        with pytest.raises(EvaluateError, match=r"away at 127\.0\.0\.1:1") as caught:
            await gateway.get_network("trials").get_contract("probe").evaluate_transaction("get", key)
    assert caught.value.reason == "PEER_UNREACHABLE"


async def test_the_standard_profile_connects(deployed: Any) -> None:
    identity, signer = network_file_user(deployed.path, "newtown", "operator")
    profile = deployed.path.parent / "profiles" / "newtown.yaml"
    async with connect_profile(profile, identity=identity, signer=signer) as gateway:
        assert await gateway.get_network("trials").get_contract("probe").evaluate_transaction("who")


def test_sync_client(deployed: Any, key: str) -> None:
    with sync.connect_network_file(deployed.path, "newtown", "operator") as gateway:
        contract = gateway.get_network("trials").get_contract("probe")
        contract.submit_transaction("put", key, "1")
        assert contract.evaluate_transaction("get", key) == b"1"
        submitted = contract.submit_async("increment", arguments=[key])
        assert submitted.result == b"2"
        assert submitted.status().successful
        with pytest.raises(EndorseError, match="not_today"):
            contract.submit_transaction("refuse", key)


async def test_sync_client_where_a_loop_runs(deployed: Any, key: str) -> None:
    test_sync_client(deployed, key)


def test_sync_client_from_threads(deployed: Any, key: str) -> None:
    failures: list[BaseException] = []
    with sync.connect_network_file(deployed.path, "newtown", "operator") as gateway:
        contract = gateway.get_network("trials").get_contract("probe")

        def work(number: int) -> None:
            try:
                for turn in range(3):
                    contract.submit_transaction("put", f"{key}{number}", str(turn))
            except BaseException as failure:
                failures.append(failure)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert failures == []
        assert [contract.evaluate_transaction("get", f"{key}{number}") for number in range(8)] == [b"2"] * 8
