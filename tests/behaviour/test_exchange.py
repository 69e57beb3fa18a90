# SPDX-License-Identifier: Apache-2.0
"""A region on real peers: who can vouch for a community, and who cannot, by Fabric's own rules."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import typer
from commonwatt_audit.cli import register
from commonwatt_audit.following import follow
from commonwatt_client import CommitError, EndorseError
from commonwatt_client.network_file import read_network_file
from commonwatt_community.market.exchange import Block, Digest, ExchangeMarket, exchange_of
from commonwatt_network.cli.main import build_app
from commonwatt_network.down import down
from commonwatt_network.model.topology import load_topology
from commonwatt_network.up import up

from ..support.command_line import invoke
from ..support.fabric import require_backend
from .conftest import quiet, run_apart
from .forward_network import (
    BEGINS_S,
    CONFIGURATION,
    FIRST_PERIOD,
    GRID,
    LENGTH_MIN,
    MIDNIGHT,
    OPERATOR,
    ForwardNetwork,
)

EXCHANGE = "exchange"
TRADING = CONFIGURATION | {
    "exchange": {"channel": EXCHANGE, "chaincode": "market", "void_after_s": 200},
}
LATER = FIRST_PERIOD + 60
DAY = 20_420
COMMUNITIES = ("newtown", "enmore", "glebe")
SPAN = {"from_period": FIRST_PERIOD, "to_period": FIRST_PERIOD + LENGTH_MIN}


class Region(ForwardNetwork):
    """Newtown as a forward market that has settled a period, and the exchange of all."""

    @asynccontextmanager
    async def exchange(self, who: str) -> AsyncIterator[ExchangeMarket]:
        """The exchange as somebody calls it."""
        async with self.gateway(who) as gateway:
            yield exchange_of(gateway, read_network_file(self.path), EXCHANGE)

    async def block(self) -> Block:
        """The newest block of newtown's channel."""
        async with self.peer_of("newtown", OPERATOR) as peer:
            info = await peer.get_chain_info("newtown")
        return Block(info.height - 1, info.current_block_hash.hex())

    async def begin(self) -> None:
        """Trade and settle a period, found the exchange."""
        await self.found(3, TRADING)
        await self.trade(FIRST_PERIOD)
        await self.settle(FIRST_PERIOD)
        async with self.exchange(GRID) as exchange:
            await exchange.found("simulated", BEGINS_S)
            for channel in COMMUNITIES:
                await exchange.register_community(channel)

    async def verdict(self, who: str, name: str, argument: Any, endorsers: tuple[str, ...]) -> str:
        """What peers say of a transaction of the exchange that these organisations endorsed."""
        async with self.gateway(who) as gateway:
            contract = gateway.get_network(EXCHANGE).get_contract("market", "exchange")
            try:
                await contract.submit(
                    name, arguments=[json.dumps(argument)], endorsing_organizations=endorsers
                )
            except CommitError as error:
                return error.code.name
        return "VALID"


@pytest.fixture(scope="module", params=["embedded", pytest.param("native", marks=pytest.mark.long)])
def region(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Region]:
    require_backend(request.param)
    folder = tmp_path_factory.mktemp(f"region-{request.param}")
    directory = folder / ".commonwatt"

    async def begin() -> Region:
        made = await up(directory, load_topology("region"), request.param, quiet)
        network = Region(made.nodes, folder / "keys")
        await network.begin()
        return network

    try:
        yield run_apart(begin)
    finally:
        down(directory)


async def test_a_community_and_the_grid_anchor_what_it_settled(region: Region) -> None:
    block = await region.block()
    async with region.exchange(OPERATOR) as exchange:
        anchored = await exchange.anchor("newtown", **SPAN, block=block)
    settled = (await region.ask(OPERATOR, "list_digests", SPAN))["periods"]
    assert [(one.period, one.version, one.digest) for one in anchored.periods] == [
        (one["period"], one["version"], one["digest"]) for one in settled
    ]
    assert (anchored.number, anchored.block, anchored.header) == (1, block.number, block.header)
    async with region.exchange("glebe/operator") as exchange:
        assert await exchange.get_anchor("newtown") == anchored


async def test_nobody_else_vouches_for_a_community(region: Region) -> None:
    block = await region.block()
    argument = {"channel": "newtown", **SPAN, "block": block.number, "header": block.header}
    assert await region.verdict(GRID, "anchor", argument, ("GridMSP",)) == "ENDORSEMENT_POLICY_FAILURE"
    with pytest.raises(EndorseError) as refused:
        await region.verdict(GRID, "anchor", argument, ("EnmoreMSP", "GlebeMSP"))
    response = refused.value.chaincode_response
    assert response is not None
    assert response.message.startswith("not_here: "), "peers of others are not on the channel"


async def test_a_new_key_asks_for_the_grid_and_a_majority(region: Region) -> None:
    block = await region.block()
    said = [{"period": FIRST_PERIOD, "version": 1, "digest": "0" * 64}]
    argument = {"channel": "glebe", "periods": said, "block": block.number, "header": block.header}
    for endorsers in (("GridMSP",), ("GridMSP", "GlebeMSP"), ("NewtownMSP", "EnmoreMSP", "GlebeMSP")):
        assert await region.verdict(GRID, "attest", argument, endorsers) == "ENDORSEMENT_POLICY_FAILURE"
    async with region.exchange(GRID) as exchange:
        digest = Digest(FIRST_PERIOD, 1, "0" * 64)
        assert await exchange.attest("glebe", [digest], block) == 1
        [attested] = await exchange.list_attested("glebe", **SPAN)
    assert (attested.digest, attested.block) == ("0" * 64, block.number)


def verified(region: Region, *options: str) -> Any:
    """What the command finds."""
    app = typer.Typer()
    register(app)
    return invoke(app, ["verify", "--network", str(region.path), *options])


async def test_an_auditor_compares_a_community_with_its_anchors(region: Region) -> None:
    block = await region.block()
    async with region.exchange(GRID) as exchange:
        await exchange.anchor("newtown", **SPAN, block=block)
    await region.set_clock((FIRST_PERIOD + 2 * LENGTH_MIN) * 60)  # one block more than the anchor knows
    ended = await asyncio.to_thread(verified, region, "--channel", "newtown", "--anchors", EXCHANGE)
    assert ended.exit_code == 0, ended
    assert "of 1 settlements 1 are anchored" in ended.stdout
    async with region.exchange(GRID) as exchange:
        later = Block(block.number + 1, "cd" * 32)
        await exchange.anchor("newtown", **SPAN, block=later)
    ended = await asyncio.to_thread(verified, region, "--channel", "newtown", "--anchors", EXCHANGE)
    assert ended.exit_code == 1, ended
    assert f"says that block {later.number} has the header {later.header}" in ended.stdout


async def test_the_grid_attests_what_it_computes_while_the_community_lives(region: Region) -> None:
    told: list[str] = []
    network = read_network_file(region.path)
    following = asyncio.create_task(follow(network, "newtown", EXCHANGE, told.append))
    try:
        async with region.exchange(OPERATOR) as exchange, asyncio.timeout(120):
            while not (found := await exchange.list_attested("newtown", **SPAN)):
                assert not following.done(), (told, following)
                await asyncio.sleep(0.2)
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
    settled = (await region.ask(OPERATOR, "list_digests", SPAN))["periods"]
    assert [(one.version, one.digest) for one in found] == [
        (one["version"], one["digest"]) for one in settled
    ]


async def test_a_statement_does_not_wait_for_an_exchange_that_is_away(region: Region, tmp_path: Path) -> None:
    lost = "elsewhere"  # a channel that the network file and the rules name, and no peer has
    content = json.loads(region.path.read_text())
    content["channels"][lost] = content["channels"][EXCHANGE]
    file = region.path.with_name("with_a_lost_channel.json")
    file.write_text(json.dumps(content))
    glebe = ForwardNetwork(region.nodes, tmp_path / "keys", channel="glebe")
    rules = {"period_min": 60, "exchange": {**TRADING["exchange"], "channel": lost}}
    await glebe.found(1, CONFIGURATION | rules)
    day = range(MIDNIGHT, MIDNIGHT + 1_440, 60)
    await glebe.set_clock((day[-1] + 60) * 60 + 3 * 86_400)
    for period in day:
        for name in ("freeze_period", "settle_period"):
            await glebe.submit(GRID, name, {"period": period})
    await glebe.submit(glebe.operator, "settle_day", {"day": DAY})

    def told(*options: str) -> Any:
        words = ["community", "statement", "home001", "--channel", "glebe", "--month", "2025-11"]
        return invoke(build_app(), [*words, "--format", "json", "--network", str(file), *options])

    without = await asyncio.to_thread(told)
    assert without.exit_code == 0, without.stderr
    statement = json.loads(without.stdout)
    assert statement["days_billed"] == ["2025-11-28"]
    assert "attested_periods" not in statement
    assert f"does not say what the grid attested: exchange {lost}: " in without.stderr
    assert f"with --exchange {lost} the command fails" in without.stderr
    named = await asyncio.to_thread(told, "--exchange", lost)
    assert (named.exit_code, named.stdout) == (1, ""), named.stderr
    block = await region.block()
    async with region.exchange(GRID) as exchange:
        await exchange.attest("glebe", [Digest(FIRST_PERIOD, 1, "0" * 64)], block)
    found = await asyncio.to_thread(told, "--exchange", EXCHANGE)
    assert (found.exit_code, found.stderr) == (0, "")
    assert json.loads(found.stdout) == statement | {"attested_periods": 1, "settled_periods": 24}


async def leave_over(community: ForwardNetwork, messages: list[bytes]) -> None:
    """A clearing in which nobody within the community takes the other side."""
    await community.set_clock(LATER * 60 - 1_800)
    assert await community.carry(f"{community.channel}/carrier", LATER, messages) == ["written"] * 3
    await community.close(LATER)
    cleared = await community.submit(GRID, "clear_period", {"period": LATER})
    assert cleared["traded_wh"] == 0


@pytest.mark.long
async def test_two_communities_trade_what_they_left_over(region: Region, tmp_path: Path) -> None:
    enmore = ForwardNetwork(region.nodes, tmp_path / "keys", channel="enmore")
    await enmore.found(3, TRADING)
    await leave_over(region, [region.request(home, LATER, 100) for home in region.homes])
    await leave_over(enmore, [enmore.offer(home, LATER, 50) for home in enmore.homes])
    async with region.exchange(GRID) as exchange:
        await exchange.set_link("enmore", "newtown", LATER, 1_000, 10_000)
        await exchange.advance_clock(LATER * 60 - 240)
    for channel in ("newtown", "enmore"):
        async with region.exchange(f"{channel}/operator") as exchange:
            await exchange.bring_residual(channel, LATER)
    async with region.exchange(GRID) as exchange:
        await exchange.advance_clock(LATER * 60 - 180)
        closed = await exchange.clear_round(LATER)
        [trade] = closed.trades
        assert (trade.seller, trade.buyer, trade.wh, trade.price) == ("enmore", "newtown", 150, 170_000)
        assert sum(closed.accounts.values()) == closed.fee_naud == 150 * 10_000
        assert (await exchange.get_round("newtown", LATER)).account_naud == 150 * 180_000
    for community in (region, enmore):
        imported = await community.submit(community.operator, "import_residual", {"period": LATER})
        assert imported["state"] == "cleared"
        await community.settle(LATER)
