# SPDX-License-Identifier: Apache-2.0
"""What docs/trust.md promises, tried as an attacker tries it: own signed messages, own connections, own eyes.

One network a backend, whose channel newtown trades by the clock on the wall and glebe by a simulated one. It is brought
up with a umask that keeps nothing from anybody.
"""

from __future__ import annotations

import json
import os
import stat
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from secrets import token_bytes
from typing import Any

import aiohttp
import grpc
import pytest
from aiohttp import web
from commonwatt_chaincode.shim.testing import WirePeer
from commonwatt_client import Gateway, GatewayError, ValidationCode, connect_network_file
from commonwatt_client._proposal import new_invocation, proposal_bytes
from commonwatt_loadgen.throughput.live import LivePage
from commonwatt_network.change.apply import apply
from commonwatt_network.change.revocation import revoke_user
from commonwatt_network.channels.deploy import peer_admin
from commonwatt_network.down import down
from commonwatt_network.model.layout import Layout
from commonwatt_network.model.nodes import Nodes
from commonwatt_network.model.topology import Topology, default_topology
from commonwatt_network.programs import processes
from commonwatt_network.up import up
from commonwatt_network.watch.server import application
from commonwatt_network.watch.subject import subject_of
from commonwatt_network.watch.watcher import Watcher
from fabric_protos.gateway import gateway_pb2
from fabric_protos.peer import proposal_pb2

from ..support.fabric import require_backend
from ..support.homes import home_id
from .conftest import BACKENDS, quiet, run_apart

SECOND_NS = 1_000_000_000
OTHERS = 0o077
HOUR_S = 3_600
REGISTRATION = {"home_class": "prosumer"}
FIXED = {"parameters": {"auction": "fixed_rounds"}}


@dataclass
class Trusted:
    """A running network with a live and a simulated channel."""

    backend: str
    version: str
    nodes: Nodes
    folder: Path

    def connect(self, organization: str, user: str) -> Gateway:
        return connect_network_file(self.nodes.layout.network_file, organization, user)


def two_clocks(backend: str) -> Topology:
    """On the embedded network each proposal runs twice, the second time where Python sees another clock."""
    topology = default_topology(communities=2, homes=2)
    live = topology.channels["newtown"].model_copy(update={"clock": "live"})
    channels = {**topology.channels, "newtown": live}
    return topology.model_copy(update={"channels": channels, "determinism_guard": backend == "embedded"})


@pytest.fixture(scope="module", params=BACKENDS)
def trusted(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trusted]:
    version = require_backend(request.param)
    folder = tmp_path_factory.mktemp(f"trust-{request.param}") / "above" / ".commonwatt"
    former = os.umask(0)
    try:
        result = run_apart(lambda: up(folder, two_clocks(request.param), request.param, quiet))
        yield Trusted(request.param, version, result.nodes, folder)
    finally:
        down(folder)
        os.umask(former)


def dated(gateway: Gateway, channel: str, name: str, argument: dict[str, Any], shift_s: int | None) -> Any:
    """A proposal of the gateway's user, dated `shift_s` from now (None: 1970), put together by hand."""
    invocation = new_invocation(channel, "market", name, [json.dumps(argument)])
    at_ns = 0 if shift_s is None else time.time_ns() + shift_s * SECOND_NS
    transaction, content = proposal_bytes(invocation, gateway.identity, token_bytes(24), at_ns)
    proposed = gateway_pb2.ProposedTransaction(
        transaction_id=transaction, proposal=proposal_pb2.SignedProposal(proposal_bytes=content)
    )
    return gateway.new_proposal(proposed.SerializeToString())


async def heights(trusted: Trusted, channel: str) -> set[int]:
    found = set()
    for peer in trusted.nodes.peers_of(channel):
        async with peer_admin(trusted.nodes, peer) as admin:
            found.add((await admin.get_chain_info(channel)).height)
    return found


def said(error: GatewayError) -> str:
    return " ".join([str(error), *(detail.message for detail in error.details)])


# The files of a running network


def open_to_others(folder: Path) -> list[str]:
    return [
        f"{stat.filemode(path.lstat().st_mode)} {path.relative_to(folder)}"
        for path in (folder, *folder.rglob("*"))
        if not path.is_symlink() and stat.S_IMODE(path.lstat().st_mode) & OTHERS
    ]


def test_nobody_else_reads_a_file_of_a_running_network(trusted: Trusted) -> None:
    assert not open_to_others(trusted.folder)
    kept = [path for path in trusted.nodes.layout.ledgers.rglob("*") if path.is_file()]
    assert len(kept) >= len(trusted.nodes.fabric_nodes)


async def test_a_folder_of_the_first_version_is_closed(trusted: Trusted) -> None:
    for path in (trusted.folder, *trusted.folder.rglob("*")):
        if not path.is_symlink():
            path.chmod(stat.S_IMODE(path.stat().st_mode) | (0o055 if path.is_dir() else 0o044))
    assert open_to_others(trusted.folder)
    await up(trusted.folder, None, None, quiet)
    assert not open_to_others(trusted.folder)


# Proposals dated otherwise

CALLS = {
    "home": (
        "home001",
        "report_reading",
        {"interval_start": 0, "interval_end": 60, "use_wh": 1, "generation_wh": 0},
    ),
    "operator": ("operator", "register_home", {"home": "h9", "home_class": "consumer"}),
    "configuring operator": ("operator", "configure", {"parameters": {}}),
}


@pytest.mark.parametrize("caller", CALLS)
@pytest.mark.parametrize("shift_s", [None, -HOUR_S, HOUR_S, -45, 45], ids=str)
async def test_a_proposal_dated_otherwise_is_refused_and_writes_nothing(
    trusted: Trusted, caller: str, shift_s: int | None
) -> None:
    user, name, argument = CALLS[caller]
    if user.startswith("home"):
        argument = {**argument, "home": home_id("newtown", 1)}
    before = await heights(trusted, "newtown")
    async with trusted.connect("newtown", user) as gateway:
        with pytest.raises(GatewayError) as refused:
            await dated(gateway, "newtown", name, argument, shift_s).endorse()
        with pytest.raises(GatewayError) as unanswered:
            await dated(gateway, "newtown", "get_parameters", {}, shift_s).evaluate()
    for error in (refused.value, unanswered.value):
        # Beyond a quarter of an hour the peers of Fabric 3 refuse before they ask the chaincode.
        if shift_s in (-45, 45) or trusted.version.startswith("2."):
            assert "clock_differs: the proposal is dated" in said(error)
        else:
            assert "request unauthorized due to incorrect timestamp" in said(error)
    assert await heights(trusted, "newtown") == before


async def test_what_is_dated_now_is_taken(trusted: Trusted) -> None:
    async with trusted.connect("newtown", "operator") as gateway:
        for shift_s in (-20, 0, 20):
            assert b"market_time" in await dated(gateway, "newtown", "get_parameters", {}, shift_s).evaluate()


async def test_a_simulated_channel_of_the_same_servers_takes_another_minute(trusted: Trusted) -> None:
    async with trusted.connect("grid", "operator") as gateway:
        assert b"market_time" in await dated(gateway, "glebe", "get_parameters", {}, -45).evaluate()
        with pytest.raises(GatewayError, match="clock_differs"):
            await dated(gateway, "newtown", "get_parameters", {}, -45).evaluate()


# Transactions held back


async def test_what_an_operator_held_back_for_an_hour_is_invalid(trusted: Trusted) -> None:
    """Endorsed, kept, and submitted when the market has moved on by an hour and a round."""
    async with trusted.connect("glebe", "operator") as gateway:
        market = gateway.get_network("glebe").get_contract("market")

        async def do(name: str, **argument: Any) -> Any:
            return json.loads(
                (await market.submit(name, arguments=[json.dumps(argument)], retry=True)).result
            )

        now = json.loads(await market.evaluate("get_parameters", arguments=["{}"]))["market_time"]
        await do("configure", **FIXED)
        opened = await do("open_round", at=now)
        held = {
            name: await market.new_proposal(name, arguments=[json.dumps(argument)]).endorse()
            for name, argument in {
                "configure": {"parameters": {"feed_in": 1}},
                "open_round": {},
                "advance_clock": {"at": now + 60},
                "close_round": {"round": opened["round"], "at": opened["closes_at"]},
            }.items()
        }
        await do("advance_clock", at=now + HOUR_S)
        await do("advance_clock", at=now + HOUR_S, round=opened["round"])
        for name, transaction in held.items():
            status = await (await transaction.submit()).status()
            assert (name, status.code) == (name, ValidationCode.MVCC_READ_CONFLICT)
        parameters = json.loads(await market.evaluate("get_parameters", arguments=["{}"]))
        assert parameters["parameters"]["feed_in"] != 1


async def test_what_a_home_held_back_until_its_round_was_over_is_invalid(trusted: Trusted) -> None:
    async with (
        trusted.connect("glebe", "operator") as operator,
        trusted.connect("glebe", "home001") as home,
    ):
        market = operator.get_network("glebe").get_contract("market")
        own = home.get_network("glebe").get_contract("market")
        name = home_id("glebe", 1)

        async def do(function: str, **argument: Any) -> Any:
            outcome = await market.submit(function, arguments=[json.dumps(argument)], retry=True)
            return json.loads(outcome.result)

        await do("register_home", home=name, **REGISTRATION)
        await do("configure", **FIXED)
        now = json.loads(await market.evaluate("get_parameters", arguments=["{}"]))["market_time"]
        minute = {"interval_start": now, "interval_end": now + 60, "use_wh": 100, "generation_wh": 0}
        await own.submit("report_reading", arguments=[json.dumps({"home": name, **minute})], retry=True)
        opened = await do("open_round", at=now + 60)
        request = {"round": opened["round"], "home": name, "interval_start": now}
        held = await own.new_proposal("submit_request", arguments=[json.dumps(request)]).endorse()
        await do("close_round", round=opened["round"], at=opened["closes_at"])
        status = await (await held.submit()).status()
        assert status.code == ValidationCode.MVCC_READ_CONFLICT


async def test_on_a_live_channel_the_next_round_ends_what_its_operator_held_back(trusted: Trusted) -> None:
    async with trusted.connect("newtown", "operator") as gateway:
        market = gateway.get_network("newtown").get_contract("market")
        await market.submit("configure", arguments=[json.dumps(FIXED)], retry=True)
        held = [
            await market.new_proposal(name, arguments=[json.dumps(argument)]).endorse()
            for name, argument in (("configure", {"parameters": {"feed_in": 1}}), ("open_round", {}))
        ]
        await market.submit("open_round", arguments=["{}"], retry=True)
        for transaction in held:
            assert (await (await transaction.submit()).status()).code == ValidationCode.MVCC_READ_CONFLICT


async def test_what_a_home_held_back_until_it_was_revoked_comes_to_nothing(trusted: Trusted) -> None:
    """Last of all that home002 does here."""
    call = {
        "home": home_id("glebe", 2),
        "interval_start": 0,
        "interval_end": 60,
        "use_wh": 1,
        "generation_wh": 0,
    }
    async with trusted.connect("glebe", "operator") as operator, trusted.connect("glebe", "home002") as home:
        market = operator.get_network("glebe").get_contract("market")
        argument = json.dumps({"home": call["home"], **REGISTRATION})
        await market.submit("register_home", arguments=[argument], retry=True)
        own = home.get_network("glebe").get_contract("market")
        held = await own.new_proposal("report_reading", arguments=[json.dumps(call)]).endorse()
        await revoke_user(trusted.folder, "glebe", "home002")
        with pytest.raises(GatewayError):
            await held.submit()


# The market's own rules, against a home that cheats


async def test_overselling_and_an_early_close_are_refused_and_nobody_trades_with_himself(
    trusted: Trusted,
) -> None:
    name = home_id("glebe", 1)
    async with AsyncExitStack() as stack:
        contracts = {}
        for user in ("operator", "home001"):
            gateway = await stack.enter_async_context(trusted.connect("glebe", user))
            contracts[user] = gateway.get_network("glebe").get_contract("market")

        async def do(user: str, function: str, **argument: Any) -> Any:
            outcome = await contracts[user].submit(function, arguments=[json.dumps(argument)], retry=True)
            return json.loads(outcome.result)

        async def refused(user: str, function: str, **argument: Any) -> str:
            with pytest.raises(GatewayError) as error:
                await do(user, function, **argument)
            response = error.value.chaincode_response
            assert response is not None
            return response.message.partition(":")[0]

        await do("operator", "register_home", home=name, **REGISTRATION)
        now = (await do("operator", "get_parameters"))["market_time"] // 86_400 * 86_400 + 2 * 86_400
        await do("operator", "advance_clock", at=now)
        # A gap that is filled later leaves the battery alone: so the home has a need and something to sell.
        holds = 0
        for start, end, use_wh, generation_wh in (
            (now - HOUR_S, now - 660, 0, 1_500),
            (now - 600, now, 0, 300),
            (now - 660, now - 600, 100, 0),
        ):
            interval = {"interval_start": start, "interval_end": end}
            counted = {"use_wh": use_wh, "generation_wh": generation_wh}
            holds = (await do("home001", "report_reading", home=name, **interval, **counted))["available_wh"]
        await do("operator", "configure", **FIXED)
        opened = await do("operator", "open_round", at=now)
        number, price = opened["round"], opened["sell_price_uaud_per_kwh"]
        own = {"round": number, "home": name}
        await do("home001", "submit_request", **own, interval_start=now - 660)
        await do("operator", "advance_clock", at=opened["offers_from"], round=number)
        offer = {**own, "price_uaud_per_kwh": price}
        assert await refused("home001", "submit_offer", **offer, energy_wh=holds + 1) == "insufficient_energy"
        assert (await do("home001", "submit_offer", **offer, energy_wh=holds))["available_wh"] == 0
        other = await do("operator", "open_round", at=now)
        await do("operator", "advance_clock", at=other["offers_from"], round=other["round"])
        again = {**offer, "round": other["round"], "energy_wh": 1}
        assert await refused("home001", "submit_offer", **again) == "insufficient_energy"
        for user in ("operator", "home001"):
            early = {"round": number} | ({"at": opened["closes_at"] - 1} if user == "operator" else {})
            assert await refused(user, "close_round", **early) == "round_not_due"
        award = await do("operator", "close_round", round=number, at=opened["closes_at"])
        assert award["fills"] == []
        assert award["requests"][0]["grid_energy_wh"] == 100
        await do("operator", "configure", parameters={"auction": "per_request"})


# Chaincode servers


async def registered(address: str, credentials: grpc.ChannelCredentials) -> str:
    """The package id with which the chaincode server registers, empty where it refuses the stream."""
    try:
        async with WirePeer(address, credentials, register_timeout_s=2.0) as peer:
            return peer.chaincode_id
    except (TimeoutError, grpc.RpcError):
        return ""


async def test_a_chaincode_server_takes_the_peers_certificate_alone(trusted: Trusted) -> None:
    layout = trusted.nodes.layout
    server = trusted.nodes.chaincode_server("market", "newtown")
    authority = layout.tls_ca_certificate("newtown").read_bytes()
    pairs = {folder.parent for folder in layout.organization("newtown").rglob("server.key")}
    assert {layout.chaincode_client_tls("newtown"), layout.user("newtown", "admin") / "tls"} < pairs
    for folder in pairs:
        shown = (folder / "server.key").read_bytes(), (folder / "server.crt").read_bytes()
        taken = await registered(server.address, grpc.ssl_channel_credentials(authority, *shown))
        assert bool(taken) == (folder == layout.chaincode_client_tls("newtown")), folder
    assert not await registered(server.address, grpc.ssl_channel_credentials(authority))


# A change of the running network


async def test_servers_that_run_learn_of_a_new_live_channel(trusted: Trusted) -> None:
    if trusted.backend != "embedded":
        pytest.skip("the servers are the same programs on every backend")
    topology = two_clocks(trusted.backend)
    channels = {**topology.channels, "second": topology.channels["newtown"]}
    wanted = topology.model_copy(update={"channels": channels})
    await apply(trusted.folder, wanted, quiet)
    async with trusted.connect("grid", "operator") as gateway:
        for channel in ("newtown", "second"):
            assert b"market_time" in await dated(gateway, channel, "get_parameters", {}, 0).evaluate()
            with pytest.raises(GatewayError, match="clock_differs"):
                await dated(gateway, channel, "get_parameters", {}, 45).evaluate()
    told = processes.running(Layout(trusted.folder))["market.glebe"][0].environ()["CHAINCODE_CLOCK_ERROR_S"]
    assert told == ""


# Pages


@asynccontextmanager
async def pages(trusted: Trusted) -> AsyncIterator[dict[str, str]]:
    """Every page that the kit serves, by name: its address."""
    runner = web.AppRunner(
        application(Watcher(subject_of(trusted.nodes.layout.network_file)), ["watch.example"])
    )
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        with LivePage() as live:
            watch = f"http://127.0.0.1:{runner.addresses[0][1]}"
            found = {
                **{
                    f"watch {path}": f"{watch}{path}"
                    for path in ("/", "/page.js", "/figures.json", "/metrics")
                },
                "watch, no such page": f"{watch}/nothing",
                **{f"load {path}": f"{live.url}{path[1:]}" for path in ("/", "/state")},
            }
            if trusted.backend == "embedded":  # those of real Fabric are its own
                for node in (trusted.nodes.orderers[0], trusted.nodes.peers[0]):
                    for path in ("/healthz", "/metrics", "/version", "/logspec"):
                        found[f"{node.name} {path}"] = f"http://{node.operations_address}{path}"
            yield found
    finally:
        await runner.cleanup()


async def test_every_page_refuses_a_browser_that_was_led_to_it(trusted: Trusted) -> None:
    async with pages(trusted) as found, aiohttp.ClientSession() as session:
        for name, address in found.items():
            port = address.split("/")[2].split(":")[1]
            for host, expected in (
                (f"127.0.0.1:{port}", True),
                (f"localhost:{port}", True),
                (f"rebound.attacker.example:{port}", False),
                ("rebound.attacker.example", False),
                (f"127.0.0.1.attacker.example:{port}", False),
                ("", False),
            ):
                async with session.get(address, headers={"Host": host}) as answer:
                    assert (answer.status != 421) == expected, (name, host, answer.status)
                    if not expected:
                        assert "alone" in await answer.text()
        async with session.get(found["watch /"], headers={"Host": "watch.example:9480"}) as answer:
            assert answer.status == 200
