# SPDX-License-Identifier: Apache-2.0
"""A region operated by its programs: two communities, one of them by two operators, and the grid's for the exchange.

The clocks are simulated. That of the exchange can be held back: then the exchange is late.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from pathlib import Path

import pytest
from commonwatt_client import connect_network_file
from commonwatt_client.network_file import NetworkFile, read_network_file
from commonwatt_community.founding.codes import make_secret
from commonwatt_community.founding.folder import open_folder
from commonwatt_community.market.attestations import AttestationsIfThere, exchange_named
from commonwatt_community.market.exchange import Block, ExchangeMarket, exchange_of
from commonwatt_community.market.forward import ForwardMarket, market_of
from commonwatt_community.operating.operate import Options, operate
from commonwatt_community.operating.telling import Telling
from commonwatt_community.region.cli import operate_exchange
from commonwatt_community.region.exchange_file import ExchangeFile
from commonwatt_network.down import down
from commonwatt_network.model.topology import load_topology
from commonwatt_network.up import up

from ..support.fabric import require_backend
from .conftest import quiet
from .forward_network import BEGINS_S, CONFIGURATION, LENGTH_MIN, ForwardNetwork

TRADING = CONFIGURATION | {"exchange": {"channel": "exchange", "chaincode": "market", "void_after_s": 240}}
COMMUNITY = """
name: {name}
channel: {name}
organization: {name}
clock: simulated
period_min: 5
utc_offset_min: 660
exchange: {{channel: exchange}}
tariff:
  schedules:
    - days: {{weekdays: [0, 1, 2, 3, 4, 5, 6], holidays: true}}
      bands: [{{name: all day, from_min: 0, to_min: 1440, tou: 300000, feed_in: 60000}}]
"""
EXCHANGE = {
    "channel": "exchange",
    "grid": {"organization": "grid", "user": "operator"},
    "communities": ["newtown", "enmore", "glebe"],
    "clock": "simulated",
    "at_s": BEGINS_S,
    "link": {"limit_wh": 1_000, "fee": 10_000},
}


async def until(what: str, condition: Callable[[], Awaitable[bool]], said: list[str]) -> None:
    """Wait for something on a ledger."""
    try:
        async with asyncio.timeout(400):
            while not await condition():  # noqa: ASYNC110 - a ledger gives no notice of what is not there
                await asyncio.sleep(0.3)
    except TimeoutError:
        pytest.fail(f"{what} did not come: {said[-40:]}")


@pytest.mark.long
@pytest.mark.timeout(1_800)
@pytest.mark.parametrize("backend", ["embedded", "native"])
async def test_a_region_trades_while_its_exchange_is_late_and_goes_on(backend: str, tmp_path: Path) -> None:
    require_backend(backend)
    directory = tmp_path / ".commonwatt"
    said: list[str] = []
    running: list[asyncio.Task[None]] = []
    try:
        nodes = (await up(directory, load_topology("region"), backend, quiet)).nodes
        newtown, enmore = (
            ForwardNetwork(nodes, tmp_path / "keys" / name, channel=name) for name in ("newtown", "enmore")
        )
        network = read_network_file(newtown.path)
        firsts = [await one.found(3, TRADING) for one in (newtown, enmore)]

        def telling(name: str) -> Telling:
            return Telling(
                lambda line: said.append(f"{name}: {line}"), lambda line: said.append(f"{name}! {line}")
            )

        file = ExchangeFile.model_validate(EXCHANGE)
        running.append(asyncio.create_task(operate_exchange(file, network, telling("grid"))))
        for name, program in (("newtown", "one"), ("newtown", "two"), ("enmore", "one")):
            path = tmp_path / f"{name}-{program}"
            path.mkdir()
            (path / "community.yaml").write_text(COMMUNITY.format(name=name))
            make_secret(path / "codes.key")
            folder = open_folder(path)
            options = Options(telling=telling(f"{name} {program}"))
            running.append(asyncio.create_task(operate(folder, network, options)))
        async with (
            connect_network_file(network.path, "newtown", "operator") as gateway,
            connect_network_file(network.path, "grid", "operator") as grid,
        ):
            market, exchange = market_of(gateway, network, "newtown"), exchange_of(grid, network, "exchange")

            async def has_links() -> bool:
                assert not any(task.done() for task in running), (running, said)
                return sum("may flow" in line for line in said) == 6

            await until("the links", has_links, said)

            async def clocks(time_s: int, late: bool = False) -> None:
                for community in (newtown, enmore):
                    await community.set_clock(time_s)
                if not late:
                    await exchange.advance_clock(time_s)

            async def bid(period: int, late: bool = False) -> None:
                """Three homes of newtown want what three of enmore have; the gates close."""
                await clocks(period * 60 - 600, late)
                asked = [newtown.request(home, period, 100) for home in newtown.homes]
                offered = [enmore.offer(home, period, 50) for home in enmore.homes]
                assert await newtown.carry("newtown/carrier", period, asked) == ["written"] * 3
                assert await enmore.carry("enmore/carrier", period, offered) == ["written"] * 3
                await clocks(period * 60 - 260, late)
                await until("the clearing", lambda: is_cleared(market, period), said)

            async def read(period: int, late: bool = False) -> None:
                await clocks((period + LENGTH_MIN) * 60 + 5, late)
                for community in (newtown, enmore):
                    readings = [community.reading(home, period, 40, 10) for home in community.homes]
                    carrier = f"{community.channel}/carrier"
                    assert await community.carry(carrier, period, readings, "reading") == ["written"] * 3
                await clocks((period + LENGTH_MIN) * 60 + 65, late)  # who asked before they came asks again

            async def brought(period: int) -> bool:
                known = {one.channel: one.residual_of for one in await exchange.list_communities()}
                return known["newtown"] == known["enmore"] == period

            first = max(firsts) + 2 * LENGTH_MIN
            await bid(first)
            await until("the residuals", lambda: brought(first), said)
            await clocks(first * 60 - 175)  # glebe brings nothing
            await until("the import", lambda: imports(market, first, 150), said)
            await read(first)
            await until("the settlement", lambda: is_settled(market, first), said)

            async def anchored() -> bool:
                anchor = await exchange.get_anchor("newtown")
                return any(one.period == first for one in anchor.periods)

            await until("the anchor", anchored, said)
            anchor = await exchange.get_anchor("newtown")
            block = Block(anchor.block, anchor.header)
            assert await exchange.attest("newtown", anchor.periods, block) == len(anchor.periods)
            assert {one.period for one in anchor.periods} == {
                period for period, _ in await told(network, first)
            }
            second, third, fourth = (first + more * LENGTH_MIN for more in (4, 8, 15))
            await bid(second)
            await until("the residuals", lambda: brought(second), said)
            await read(second, late=True)
            await bid(third, late=True)
            await read(third, late=True)
            await until("a settlement that waits for nobody", lambda: is_settled(market, third), said)
            assert not await is_settled(market, second), "what may be traded is not settled without the round"

            async def alarmed() -> bool:
                return sum("exchange_away" in line for line in said) >= 2

            await until("an alarm of each community", alarmed, said)
            await clocks((third + LENGTH_MIN) * 60 + 90)
            await until("the void round's import", lambda: imports(market, second, 0), said)
            await clocks((third + LENGTH_MIN) * 60 + 420)  # an open round is asked for less and less often
            await until("its settlement", lambda: is_settled(market, second), said)
            await bid(fourth)
            await until("the residuals", lambda: brought(fourth), said)
            await clocks(fourth * 60 - 175)
            await until("the import", lambda: imports(market, fourth, 150), said)
        assert any("the exchange is back" in line for line in said)
        assert not any(task.done() for task in running), said
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        down(directory)


async def told(network: NetworkFile, period: int) -> Collection[tuple[int, int]]:
    """What the service of newtown, which is a carrier, tells its homes of the grid's attestations."""
    async with connect_network_file(network.path, "newtown", "carrier") as gateway:
        standing = await market_of(gateway, network, "newtown").get_configuration()
        named = exchange_named(standing.configuration, network)
        assert named == "exchange"

        async def exchange() -> ExchangeMarket:
            return exchange_of(gateway, network, named)

        attested = AttestationsIfThere(exchange, "newtown")
        async with asyncio.timeout(30):
            while not (found := await attested(period, period + LENGTH_MIN)):  # noqa: ASYNC110 - a ledger gives no notice
                await asyncio.sleep(0.3)  # newtown's peer may be a block behind
    return found


async def is_cleared(market: ForwardMarket, period: int) -> bool:
    """Whether a period is cleared."""
    return (await market.get_period(period)).cleared is not None


async def imports(market: ForwardMarket, period: int, energy_wh: int) -> bool:
    """Whether so much was imported."""
    state = await market.get_period(period)
    return state.imported is not None and state.imported.sums.imported_wh == energy_wh


async def is_settled(market: ForwardMarket, period: int) -> bool:
    """Whether a period is settled."""
    return (await market.get_period(period)).sums is not None
