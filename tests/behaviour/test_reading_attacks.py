# SPDX-License-Identifier: Apache-2.0
"""Reading what others use, and widening who may: written as an attacker would, with certificates of one's own.

What each attack got while every member was a reader is said with it; the channel `trials`, which every member reads,
shows that the attack itself works.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from commonwatt_audit.audit import Audit
from commonwatt_audit.source import blocks_of_network
from commonwatt_client.admin import (
    AdminError,
    Block,
    ChannelConfig,
    assemble_update,
    compute_update,
    decode_block,
    sign_update,
)
from commonwatt_network.change.configuration import change_configuration, ordering_client
from commonwatt_network.channels import policies
from commonwatt_network.channels.deploy import peer_admin
from commonwatt_network.channels.readers import readers_of, with_readers
from commonwatt_network.consortium.review import review_block
from commonwatt_network.doctor import examine
from commonwatt_network.status import wide_readers

from ..support.homes import home_id
from .callers import Caller, Node, callers
from .trading import market_of, trade

OTHERS = tuple(home_id("newtown", number) for number in (2, 3))
STREAMS = ("Deliver", "DeliverFiltered", "DeliverWithPrivateData", "orderer")


@pytest.fixture(scope="module")
def traded(network: Any) -> Any:
    """The running network after a day on which homes reported, bid, traded and were billed."""
    from .conftest import run_apart

    async def day() -> None:
        async with market_of(network) as market:
            await trade(market)

    run_apart(day)
    return network


def others_records(blocks: Iterable[Block]) -> Counter[str]:
    """What the blocks say of homes that are not the reader's own, by kind of record."""
    found: Counter[str] = Counter()
    for block in blocks:
        for transaction in block.transactions:
            for action in transaction.actions:
                for names in action.read_write_sets:
                    for write in names.writes:
                        if any(home in write.key for home in OTHERS):
                            found[write.key.partition("/")[0]] += 1
    return found


async def blocks_by_streams(node: Node, caller: Caller) -> list[Block]:
    """Every block that a stream of a peer or of the orderer gives."""
    blocks = []
    for stream in STREAMS:
        _, got = await node.deliver(caller, stream)
        for response in got:
            kind = response.WhichOneof("Type")
            if kind == "block_and_private_data":
                blocks.append(decode_block(response.block_and_private_data.block.SerializeToString()))
            elif kind == "block":
                blocks.append(decode_block(response.block.SerializeToString()))
    return blocks


async def blocks_by_queries(node: Node, caller: Caller) -> list[Block]:
    """Every block that `qscc` gives, one number after the other, and the one that `cscc` gives."""
    channel, blocks = node.channel.encode(), []
    for number in range(200):
        let_in, content = await node.invoke(caller, "qscc", "GetBlockByNumber", channel, str(number).encode())
        if not let_in or not isinstance(content, bytes):
            break
        blocks.append(decode_block(content))
    let_in, content = await node.invoke(caller, "cscc", "GetConfigBlock", channel)
    return [*blocks, decode_block(content)] if let_in else blocks


@pytest.mark.parametrize("way", [blocks_by_streams, blocks_by_queries], ids=["streams", "queries"])
async def test_a_home_reads_no_block_of_its_neighbours(traded: Any, way: Callable[..., Any]) -> None:
    """With a home's certificate, Deliver and `qscc` each gave the whole ledger.

    On a day of 20 homes: all 391 readings and 16 bills, each with the home's name. Now: nothing, of any stream.
    """
    people = callers(traded.nodes)
    async with Node(traded.nodes, "newtown") as node:
        seen = others_records(await way(node, people["operator"]))
        assert {"reading", "bid", "account"} <= seen.keys(), seen  # the attack itself finds what is there
        assert await way(node, people["home"]) == []
    async with Node(traded.nodes, "trials") as node:
        assert await way(node, people["home"]) != []


async def test_a_home_learns_of_its_own_transaction_alone(traded: Any) -> None:
    """Commits and events, which the Gateway guarded by Readers, still reach homes: they are asked by Writers."""
    async with traded.connect("newtown", "home001") as gateway:
        contract = gateway.get_network("newtown").get_contract("market")
        outcome = await contract.submit("get_parameters", arguments=["{}"])
        assert outcome.transaction_id


async def test_no_home_widens_readers(traded: Any) -> None:
    """A home signs the update that lets its organisation's members read: the orderer refuses it, then as now."""
    people = callers(traded.nodes)
    with pytest.raises(AdminError):
        await _submit_widening(traded, people["home"], "NewtownMSP")
    assert await _readers(traded) == "operators"


async def test_no_admin_widens_the_readers_of_another_organisation(traded: Any) -> None:
    """Grid's administrator lets newtown's members read: refused, for newtown's own Admins decide on that."""
    people = callers(traded.nodes)
    with pytest.raises(AdminError):
        await _submit_widening(traded, people["grid's admin"], "NewtownMSP")
    assert await _readers(traded) == "operators"


async def test_an_admin_widens_its_own_readers_and_everybody_sees_it(traded: Any) -> None:
    """No rule of Fabric's stops an administrator who lets its own members read: each home then reads every block.

    Before, nobody had to. Now `doctor` and `verify` name the organisation, and a newcomer's `org join` refuses.
    """
    people = callers(traded.nodes)
    async with widened(traded), Node(traded.nodes, "newtown") as node:
        assert others_records(await blocks_by_streams(node, people["home"]))  # that is what is reported
        running = {peer.name for peer in traded.nodes.peers}
        [words] = (await wide_readers(traded.nodes, running))["newtown"]
        assert words.startswith(
            "NewtownMSP's policy /Channel/Application/NewtownMSP/Readers lets others read"
        )
        findings = await asyncio.to_thread(examine, traded.nodes.layout.directory)
        [told] = [finding for finding in findings if finding.what == "readers newtown"]
        assert not told.good
        assert told.needed
        assert words in told.says
        auditing = Audit()
        async for block in blocks_of_network(traded.path, "newtown", "newtown", "operator"):
            auditing.check(block)
        [noted] = auditing.findings.openings.values()
        assert "since block" in noted
        assert "NewtownMSP" in noted
        async with peer_admin(traded.nodes, traded.nodes.gateway_peer("grid")) as admin:
            review = review_block((await admin.fetch_config_block("newtown")).serialized, first=False)
        assert any("NewtownMSP" in mistake for mistake in review.mistakes)
        assert any("do not agree" in rule for rule in review.rules)
    async with Node(traded.nodes, "newtown") as node:
        assert await blocks_by_streams(node, people["home"]) == []
    findings = await asyncio.to_thread(examine, traded.nodes.layout.directory)
    assert all(finding.good for finding in findings if finding.what.startswith("readers"))


def _widened(config: ChannelConfig, mspid: str) -> ChannelConfig:
    root = config.edited_group()
    policy = root.groups["Application"].groups[mspid].policies["Readers"]
    policy.policy.CopyFrom(policies.signed_by_role(mspid, "MEMBER").policy)
    return ChannelConfig(config.channel, config.sequence, root.SerializeToString())


async def _submit_widening(network: Any, caller: Caller, mspid: str) -> None:
    orderer = network.nodes.orderers[0]
    async with ordering_client(network.nodes, orderer) as client:
        current = await client.fetch_config("newtown")
        update = compute_update(current, _widened(current, mspid))
        signature = await sign_update(update, caller.identity, caller.signer)
        await client.broadcast(await assemble_update(update, [signature], caller.identity, caller.signer))


async def _readers(network: Any) -> str | None:
    async with peer_admin(network.nodes, network.nodes.gateway_peer("newtown")) as admin:
        return readers_of(await admin.fetch_config("newtown"))


@asynccontextmanager
async def widened(network: Any) -> AsyncIterator[None]:
    """Newtown's administrator alone lets newtown's members read, and takes it back afterwards."""
    nodes = network.nodes
    await change_configuration(nodes, "newtown", lambda config: _widened(config, "NewtownMSP"), ["newtown"])
    try:
        await network.level("newtown")
        yield
    finally:
        await change_configuration(
            nodes, "newtown", lambda config: with_readers(config, "operators"), ["newtown"]
        )
        await network.level("newtown")
