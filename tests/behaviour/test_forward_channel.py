# SPDX-License-Identifier: Apache-2.0
"""A channel with the forward market, on every backend: messages are carried, cleared, and private to two organisations.

What others may have of it is asked for as they would ask: by the contract, by blocks, by streams with private data.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator

import pytest
from commonwatt_client import EvaluateError, GatewayError
from commonwatt_client.admin import RefusedError, Transaction
from commonwatt_client.ledger import Write
from commonwatt_network.channels.deploy import in_force, peer_admin
from commonwatt_network.down import down
from commonwatt_network.model.topology import load_topology
from commonwatt_network.transact import Call, transact
from commonwatt_network.trust.certificates import create_authority, issue_enrolment
from commonwatt_network.up import up

from ..support.fabric import require_backend
from .callers import Caller, Node, caller_of, caller_with
from .conftest import BACKENDS, quiet, run_apart
from .forward_network import (
    BEGINS_S,
    BOTH,
    CARRIERS,
    CHANNEL,
    CONFIGURATION,
    FIRST_PERIOD,
    GRID,
    OPERATOR,
    ForwardNetwork,
)
from .raft_network import ordering_client

COLLECTION = "community"
OPERATES = {"role": "operator", "hf.Affiliation": "operator"}


@pytest.fixture(scope="module", params=BACKENDS)
def forward(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ForwardNetwork]:
    """The sample topology, founded, and one period traded."""
    require_backend(request.param)
    folder = tmp_path_factory.mktemp(f"forward-{request.param}")
    directory = folder / ".commonwatt"

    async def begin() -> ForwardNetwork:
        made = await up(directory, load_topology("forward"), request.param, quiet)
        network = ForwardNetwork(made.nodes, folder / "keys")
        await network.found(homes=4)
        return network

    try:
        network = run_apart(begin)
        yield network
        assert not run_apart(network.audited).ledger.unchecked
    finally:
        down(directory)


@pytest.fixture(scope="module")
def traded(forward: ForwardNetwork) -> tuple[ForwardNetwork, dict[str, bytes]]:
    """The network, and what each home said for the first period."""
    return forward, run_apart(lambda: forward.trade(FIRST_PERIOD))


Traded = tuple[ForwardNetwork, dict[str, bytes]]


def strangers(network: ForwardNetwork) -> list[Caller]:
    """The orderers' administrator, and an operator of an organisation that the channel does not know."""
    nodes = network.nodes
    [ordering] = nodes.topology.orderers.organizations
    folder = nodes.layout.user(ordering, "admin")
    unknown = issue_enrolment(create_authority("ca.stranger", "stranger"), "x", "client", OPERATES, 1)
    return [
        caller_of("OrdererMSP", folder / "certificate.pem", folder / "private_key.pem"),
        caller_with("StrangerMSP", unknown),
        caller_with("NewtownMSP", unknown),
    ]


def public_writes(transaction: Transaction) -> list[Write]:
    return [
        write
        for action in transaction.actions
        for namespace in action.read_write_sets
        for write in namespace.writes
    ]


async def test_both_organisations_define_the_collection_and_endorse(forward: ForwardNetwork) -> None:
    async with peer_admin(forward.nodes, forward.nodes.gateway_peer("grid")) as admin:
        committed = await in_force(admin, CHANNEL, "market")
    assert committed is not None
    definition = committed.definition
    assert definition.endorsement_policy == "AND('NewtownMSP.peer', 'GridMSP.peer')"
    [collection] = definition.collections
    assert collection.endorsement_policy == definition.endorsement_policy
    assert (collection.name, collection.member_only_read, collection.member_only_write) == (
        COLLECTION,
        True,
        True,
    )
    again = await up(forward.nodes.layout.directory, None, None, quiet)
    assert again.deployed[CHANNEL]["market"].sequence == definition.sequence == 1


async def test_a_home_reads_its_own_alone(traded: Traded) -> None:
    network, said = traded
    buyer, seller, *_ = network.homes
    span = {"from_period": FIRST_PERIOD, "to_period": FIRST_PERIOD + 1}
    of_the_period = {"kind": "bid", "period": FIRST_PERIOD}
    for by in BOTH:
        own = await network.ask("newtown/home001", "list_messages", of_the_period, [by])
        assert [entry["message"].encode() for entry in own["messages"]] == [said[buyer]]
        awards = await network.ask("newtown/home001", "list_awards", span, [by])
        assert [award["home"] for entry in awards["periods"] for award in entry["awards"]] == [buyer]
    for who in (OPERATOR, GRID, *CARRIERS):
        found = await network.ask(who, "list_messages", of_the_period)
        assert {entry["message"].encode() for entry in found["messages"]} == {*said.values()}
    for name, argument in (("list_messages", of_the_period), ("list_awards", span)):
        with pytest.raises(EvaluateError, match="not_yours"):
            await network.ask("newtown/home001", name, {**argument, "home": seller})


async def test_a_carrier_carries_and_does_nothing_else(traded: Traded) -> None:
    network, _ = traded
    period = FIRST_PERIOD + 5
    for name, argument in (
        ("configure", {**CONFIGURATION, "replaces": 1}),
        ("register_home", {"home": "carried", "home_class": "consumer"}),
        ("confirm_home", {"home": network.homes[0]}),
        ("close_gate", {"period": period}),
        ("clear_period", {"period": period}),
        ("advance_clock", {"to_s": period * 60}),
    ):
        for carrier in CARRIERS:
            with pytest.raises(GatewayError, match="forbidden"):
                await network.submit(carrier, name, argument)


async def test_values_are_in_the_streams_of_both_organisations_and_match_the_index(traded: Traded) -> None:
    network, said = traded
    for organization, who in (("newtown", OPERATOR), ("grid", GRID)):
        async with network.peer_of(organization, who) as peer:
            height = (await peer.get_chain_info(CHANNEL)).height
            indexed: dict[str, str] = {}
            private: dict[str, bytes] = {}
            async for block, values in peer.blocks_with_private_data(CHANNEL, 0, height - 1):
                private |= {
                    place[3]: value for place, value in values.items() if place[1:3] == ("market", COLLECTION)
                }
                writes = [write for each in block.transactions if each.valid for write in public_writes(each)]
                indexed |= {write.key: write.value.decode() for write in writes if write.key.startswith("m/")}
        messages = {key: value for key, value in private.items() if key.startswith("m/")}
        assert {hashlib.sha256(value).hexdigest() for value in messages.values()} == {*indexed.values()}
        assert {*messages.values()} >= {*said.values()}
        assert f"awards/{FIRST_PERIOD:09d}" in private


async def test_who_reads_no_block_has_no_private_value(traded: Traded) -> None:
    network, _ = traded
    for who in ("newtown/home001", "newtown/home002", *CARRIERS):
        async with network.peer_of(who.partition("/")[0], who) as peer:
            with pytest.raises(RefusedError, match="FORBIDDEN"):
                await anext(peer.blocks_with_private_data(CHANNEL, 0, 0))
            with pytest.raises(RefusedError, match="FORBIDDEN"):
                await anext(peer.blocks(CHANNEL, 0, 0))


async def test_the_orderers_hold_no_private_value(traded: Traded) -> None:
    network, said = traded
    nodes = network.nodes
    async with network.peer_of("newtown", OPERATOR) as peer:
        height = (await peer.get_chain_info(CHANNEL)).height
        values: list[bytes] = []
        async for _, of_block in peer.blocks_with_private_data(CHANNEL, 0, height - 1):
            values += [value for place, value in of_block.items() if place[1] == "market"]
    assert {*said.values()} < {*values}
    async with ordering_client(nodes, nodes.orderers[0]) as ordering:
        blocks = [block.serialized async for block in ordering.blocks(CHANNEL, 0, height - 1)]
    assert len(blocks) == height
    for value in values:
        parts = [value, *value.split(b".")[1:]]  # the header alone is the same for all of a home's messages
        assert not any(part in block for part in parts for block in blocks)
    async with Node(nodes, CHANNEL) as node:
        orderer = strangers(network)[0]
        for stream in ("Deliver", "DeliverFiltered", "DeliverWithPrivateData"):
            assert await node.deliver(orderer, stream) == (False, [])


async def test_an_identity_of_a_third_organisation_is_refused(traded: Traded) -> None:
    network, _ = traded
    async with Node(network.nodes, CHANNEL) as node:
        for stranger in strangers(network):
            for function in ("forward:get_configuration", "forward:list_homes"):
                let_in, answer = await node.invoke(stranger, "market", function, b"{}")
                assert not let_in, answer
            assert await node.deliver(stranger, "DeliverWithPrivateData") == (False, [])


async def test_a_bad_message_and_a_late_batch_are_refused_alone(traded: Traded) -> None:
    network, _ = traded
    one, two, three, _ = network.homes
    period = FIRST_PERIOD + 60
    await network.set_clock(period * 60 - 1_800)
    good, other = network.request(one, period, 100), network.request(two, period, 100)
    forged = other.rpartition(b".")[0] + b"." + good.rpartition(b".")[2]
    elsewhere = network.request(three, period + 5, 100)
    results = await network.carry(CARRIERS[0], period, [forged, good, elsewhere])
    assert results == ["bad_signature", "written", "wrong_period"]
    command = Call(
        CHANNEL,
        "market",
        "forward:submit_messages",
        [json.dumps({"kind": "bid", "period": period})],
        {"messages": other},
    )
    answer = await transact(network.path, command, "grid/carrier", submit=True)
    assert json.loads(answer.result)["results"] == ["written"]
    await network.close(period)
    with pytest.raises(GatewayError, match="gate_closed"):
        await network.carry(CARRIERS[1], period, [network.request(three, period, 100)])


async def test_the_channel_takes_no_other_market(forward: ForwardNetwork) -> None:
    async with forward.gateway(OPERATOR) as gateway:
        market = gateway.get_network(CHANNEL).get_contract("market")
        with pytest.raises(GatewayError, match="other_market"):
            await market.submit("configure", arguments=[json.dumps({"clock": "simulated", "at": BEGINS_S})])
