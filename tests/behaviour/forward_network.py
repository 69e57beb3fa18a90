# SPDX-License-Identifier: Apache-2.0
"""A network whose channel has the forward market, by the sample topology; its homes sign, carriers carry."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from commonwatt_audit.audit import Audit
from commonwatt_audit.forward.replay import ForwardReplay
from commonwatt_audit.source import shown_blocks_of_network
from commonwatt_client import Gateway, RetryPolicy, connect_network_file
from commonwatt_client.admin import PeerAdmin
from commonwatt_client.profile import network_file_peers, network_file_user
from commonwatt_community.messages.author import Author
from commonwatt_community.messages.journal import Journal
from commonwatt_community.messages.signing_key import SigningKey, make_key
from commonwatt_network.model.nodes import Nodes

from ..support.homes import home_id

CHANNEL = "newtown"
BOTH = ("NewtownMSP", "GridMSP")
MIDNIGHT = 20_420 * 1_440 - 660
"""The first minute of a local day at UTC+11: a period's id."""
FIRST_PERIOD = MIDNIGHT + 720
LENGTH_MIN = 5
BEGINS_S = MIDNIGHT * 60 - 86_400
OPERATOR, GRID = "newtown/operator", "grid/operator"
CARRIERS = ("newtown/carrier", "grid/carrier")
CONFIGURATION = {
    "replaces": 0,
    "clock": "simulated",
    "at_s": BEGINS_S,
    "period_min": LENGTH_MIN,
    "utc_offset_min": 660,
    "tariff": {
        "schedules": [
            {
                "days": {"weekdays": list(range(7)), "holidays": True},
                "bands": [
                    {"name": "all day", "from_min": 0, "to_min": 1_440, "tou": 300_000, "feed_in": 60_000}
                ],
            }
        ]
    },
}


@dataclass
class ForwardNetwork:
    """The network as its users call it: "organisation/user"."""

    nodes: Nodes
    keys: Path
    net: str = ""
    homes: list[str] = field(default_factory=list)
    signing: dict[str, SigningKey] = field(default_factory=dict)
    channel: str = CHANNEL

    @property
    def operator(self) -> str:
        """The community's operator."""
        return f"{self.channel}/operator"

    @property
    def both(self) -> tuple[str, str]:
        """The MSP ids of the community and of the grid."""
        return f"{self.channel.title()}MSP", BOTH[1]

    @property
    def path(self) -> Path:
        """network.json."""
        return self.nodes.layout.network_file

    def gateway(self, who: str) -> Gateway:
        """A gateway that endorses anew where peers are a block apart."""
        organization, _, user = who.partition("/")
        return connect_network_file(self.path, organization, user, retry=RetryPolicy())

    async def submit(
        self, who: str, name: str, argument: Any, transient: dict[str, bytes] | None = None
    ) -> Any:
        """The answer of a committed transaction; transient data go to the two organisations by name."""
        async with self.gateway(who) as gateway:
            contract = gateway.get_network(self.channel).get_contract("market", "forward")
            outcome = await contract.submit(
                name,
                arguments=[json.dumps(argument)],
                transient=transient,
                endorsing_organizations=self.both if transient else (),
            )
        return json.loads(outcome.result)

    async def ask(self, who: str, name: str, argument: Any = None, by: Sequence[str] = ()) -> Any:
        """The answer of a query; `by` names the organisation whose peer answers."""
        async with self.gateway(who) as gateway:
            contract = gateway.get_network(self.channel).get_contract("market", "forward")
            answer = await contract.evaluate(
                name,
                arguments=[] if argument is None else [json.dumps(argument)],
                endorsing_organizations=by,
            )
        return json.loads(answer)

    def peer_of(self, organization: str, asked_by: str) -> PeerAdmin:
        """An organisation's peer as somebody asks it."""
        mine, _, user = asked_by.partition("/")
        identity, signer = network_file_user(self.path, mine, user)
        return PeerAdmin(network_file_peers(self.path, organization)[0], identity=identity, signer=signer)

    async def found(self, homes: int, configuration: Any = CONFIGURATION) -> int:
        """Configure the channel, register homes with keys, and let the grid confirm them; from which period on."""
        self.homes = [home_id(self.channel, number) for number in range(1, homes + 1)]
        configured = await self.submit(self.operator, "configure", configuration)
        self.net = configured["net"]
        proposals = [
            {"home": home, "home_class": "prosumer", "pv_w": 5_000, "battery_w": 0} for home in self.homes
        ]
        at_once = asyncio.Semaphore(16)

        async def enrol(number: int, home: str) -> None:
            self.signing[home] = make_key(self.keys / f"{number}.pem")
            with self._speaking(home) as author:
                possession = author.brings_key(author.key.public, 1)
            key_of = {"author": "home", "home": home}
            async with at_once:
                await self.submit(self.operator, "set_key", key_of, {"possession": possession})

        confirmed = {"from_period": 0}
        for first in range(0, homes, 200):  # as many as a transaction takes
            some = self.homes[first : first + 200]
            await self.submit(self.operator, "register_home", {"homes": proposals[first : first + 200]})
            await asyncio.gather(*(enrol(first + number, home) for number, home in enumerate(some)))
            confirmed = await self.submit(GRID, "confirm_home", {"homes": some})
        return int(confirmed["from_period"])

    async def set_clock(self, time_s: int) -> None:
        """Move the channel's clock, and wait until both organisations' peers know it: one may be a block behind."""
        await self.submit(self.operator, "advance_clock", {"to_s": time_s})
        for mspid in self.both:
            async with asyncio.timeout(10):
                while (await self.ask(self.operator, "get_configuration", by=[mspid]))["now_s"] < time_s:  # noqa: ASYNC110 - peers give no notice
                    await asyncio.sleep(0.05)

    def request(self, home: str, period: int, energy_wh: int) -> bytes:
        """A home's signed request."""
        with self._speaking(home) as author:
            return author.request(period, energy_wh, 250_000)

    def offer(self, home: str, period: int, energy_wh: int) -> bytes:
        """A home's signed offer."""
        with self._speaking(home) as author:
            return author.offer(period, energy_wh, 100_000)

    def reading(
        self, home: str, period: int, import_wh: int, export_wh: int = 0, total_wh: int | None = None
    ) -> bytes:
        """A home's signed reading; with its running total of imports, that of exports does not run."""
        totals = {} if total_wh is None else {"import_total_wh": total_wh, "export_total_wh": 10**6}
        with self._speaking(home) as author:
            return author.reading(period, import_wh, export_wh, **totals)

    async def endorsed(
        self, who: str, name: str, argument: Any, transient: dict[str, bytes] | None = None
    ) -> bytes:
        """A transaction that both organisations endorsed, and that somebody keeps to himself."""
        async with self.gateway(who) as gateway:
            contract = gateway.get_network(self.channel).get_contract("market", "forward")
            proposal = contract.new_proposal(
                name,
                arguments=[json.dumps(argument)],
                transient=transient,
                endorsing_organizations=self.both,
            )
            return (await proposal.endorse()).to_bytes()

    async def order(self, who: str, held: bytes) -> str:
        """Hand a transaction that was kept to the orderer; the peer's verdict on it."""
        async with self.gateway(who) as gateway:
            commit = await gateway.new_transaction(held).submit()
            return (await commit.status()).code.name

    async def carry(
        self, carrier: str, period: int, messages: Sequence[bytes], kind: str = "bid"
    ) -> list[str]:
        """Hand signed messages on in one batch; what became of each."""
        batch = {"messages": b"\n".join(messages)}
        answer = await self.submit(carrier, "submit_messages", {"kind": kind, "period": period}, batch)
        return list(answer["results"])

    async def trade(self, period: int, requested_wh: int = 200) -> dict[str, bytes]:
        """One period from its first bid to its clearing; home -> the message that it signed."""
        await self.set_clock(period * 60 - 1_800)
        buyer, seller, *_ = self.homes
        said = {
            buyer: self.request(buyer, period, requested_wh),
            seller: self.offer(seller, period, requested_wh),
        }
        for carrier, message in zip((f"{self.channel}/carrier", CARRIERS[1]), said.values(), strict=True):
            assert await self.carry(carrier, period, [message]) == ["written"]
        await self.close(period)
        cleared = await self.submit(GRID, "clear_period", {"period": period})
        assert cleared["traded_wh"] == requested_wh
        return said

    async def settle(self, period: int) -> None:
        """The readings of all homes, and the settlement of a period."""
        await self.set_clock((period + LENGTH_MIN) * 60)
        said = [self.reading(home, period, 40 + place, 10) for place, home in enumerate(self.homes)]
        assert await self.carry(f"{self.channel}/carrier", period, said, "reading") == ["written"] * len(said)
        await self.submit(self.operator, "freeze_period", {"period": period})
        settled = await self.submit(GRID, "settle_period", {"period": period})
        assert settled["settled"]

    async def close(self, period: int) -> None:
        """Let the gate's time pass, and close it."""
        await self.set_clock(period * 60 - 300 + 30)
        await self.submit(self.operator, "close_gate", {"period": period})

    async def audited(self) -> ForwardReplay:
        """What the audit finds in the whole ledger, as the community's operator sees it."""
        audit = Audit()
        async for block, shown in shown_blocks_of_network(self.path, self.channel, self.channel, "operator"):
            audit.check(block, shown=shown)
        assert audit.forward is not None
        return audit.forward

    @contextmanager
    def _speaking(self, home: str) -> Iterator[Author]:
        """A home with its journal open."""
        with Journal(self.keys / f"{home}.journal") as journal:
            yield Author(self.signing[home], journal, self.net, self.channel, home)
