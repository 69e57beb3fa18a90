# SPDX-License-Identifier: Apache-2.0
"""A community whose members cheat: each has its own key, signs its own proposals, and dates them as it likes."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from secrets import token_bytes
from typing import Any, Self

import pytest
from commonwatt_client import Gateway, GatewayError, ValidationCode, connect_network_file
from commonwatt_client._proposal import new_invocation, proposal_bytes
from commonwatt_client.admin import PeerAdmin
from commonwatt_network.channels.deploy import peer_admin
from commonwatt_network.model.nodes import Nodes
from fabric_protos.gateway import gateway_pb2
from fabric_protos.peer import proposal_pb2

SECOND_NS = 1_000_000_000
HOUR = 3_600
DAY = 24 * HOUR
OFFSET = 660 * 60  # of local time, in seconds


@dataclass
class Members:
    """A channel as its members use it; `home001` and so on are names of users."""

    nodes: Nodes
    channel: str
    _stack: AsyncExitStack = field(default_factory=AsyncExitStack)
    _gateways: dict[str, Gateway] = field(default_factory=dict)
    _peers: list[PeerAdmin] = field(default_factory=list)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._stack.aclose()

    def home(self, user: str) -> str:
        """The home's id on the ledger."""
        described = json.loads(self.nodes.layout.network_file.read_text())
        attributes = described["organizations"][self.channel]["users"][user]["attributes"]
        return str(attributes["home.id"])

    async def gateway(self, who: str) -> Gateway:
        """Signed in as a user of the community, or as `grid`, the operator of the grid."""
        if who not in self._gateways:
            organization, user = ("grid", "operator") if who == "grid" else (self.channel, who)
            connecting = connect_network_file(self.nodes.layout.network_file, organization, user)
            self._gateways[who] = await self._stack.enter_async_context(connecting)
        return self._gateways[who]

    async def do(self, who: str, name: str, **argument: Any) -> Any:
        """Submit what must be committed; its result."""
        await self.level()
        gateway = await self.gateway(who)
        contract = gateway.get_network(self.channel).get_contract("market")
        return json.loads((await contract.submit(name, arguments=[json.dumps(argument)], retry=True)).result)

    async def ask(self, who: str, name: str, **argument: Any) -> Any:
        """Evaluate what must be answered."""
        gateway = await self.gateway(who)
        contract = gateway.get_network(self.channel).get_contract("market")
        return json.loads(await contract.evaluate(name, arguments=[json.dumps(argument)]))

    async def dated(self, who: str, name: str, shift_s: int | None, **argument: Any) -> Any:
        """Submit what must be committed, dated `shift_s` from now (None: 1970)."""
        await self.level()
        transaction = await (await self._proposal(who, name, shift_s, argument)).endorse()
        status = await (await transaction.submit()).status()
        assert status.code == ValidationCode.VALID
        return json.loads(transaction.result)

    async def refused(self, who: str, name: str, *, shift_s: int | None = 0, **argument: Any) -> str:
        """The words of endorsers who refuse what is dated `shift_s` from now: the code, where a chaincode says so."""
        await self.level()
        with pytest.raises(GatewayError) as error:
            await (await self._proposal(who, name, shift_s, argument)).endorse()
        response = error.value.chaincode_response
        if response is not None:
            return response.message.partition(":")[0]
        return " ".join(detail.message for detail in error.value.details) or str(error.value)

    async def _proposal(self, who: str, name: str, shift_s: int | None, argument: dict[str, Any]) -> Any:
        gateway = await self.gateway(who)
        invocation = new_invocation(self.channel, "market", name, [json.dumps(argument)])
        at_ns = 0 if shift_s is None else time.time_ns() + shift_s * SECOND_NS
        transaction, content = proposal_bytes(invocation, gateway.identity, token_bytes(24), at_ns)
        proposed = gateway_pb2.ProposedTransaction(
            transaction_id=transaction, proposal=proposal_pb2.SignedProposal(proposal_bytes=content)
        )
        return gateway.new_proposal(proposed.SerializeToString())

    async def level(self) -> None:
        """Wait until every peer has every block, so that all endorsers read one state."""
        if not self._peers:
            for peer in self.nodes.peers_of(self.channel):
                self._peers.append(await self._stack.enter_async_context(peer_admin(self.nodes, peer)))
        async with asyncio.timeout(60):
            while len({(await peer.get_chain_info(self.channel)).height for peer in self._peers}) > 1:  # noqa: ASYNC110
                await asyncio.sleep(0.02)

    async def register(self, homes: dict[str, str]) -> None:
        """Register users as homes of a class."""
        for user, home_class in homes.items():
            await self.do("operator", "register_home", home=self.home(user), home_class=home_class)

    async def next_noon(self) -> int:
        """The local noon of the day after the next, to which the operator moves the simulated clock."""
        now = (await self.ask("operator", "get_parameters"))["market_time"]
        noon = int(((now + OFFSET) // DAY + 2) * DAY - OFFSET + 12 * HOUR)
        await self.do("operator", "advance_clock", at=noon)
        return noon

    async def settle(self, user: str, start: int, end: int, **members: Any) -> Any:
        """A home's interval, for which it bids unless `members` say otherwise."""
        reading = {"use_wh": 0, "generation_wh": 0, "bid": True} | members
        home = self.home(user)
        return await self.do(
            user, "settle_interval", home=home, interval_start=start, interval_end=end, **reading
        )

    async def charge(self, user: str, end: int, generation_wh: int) -> None:
        """An hour in the sun, which ends at `end`, so that the home has something to sell."""
        await self.settle(user, end - HOUR, end, generation_wh=generation_wh, bid=False)

    async def offer(self, user: str, round_id: str, energy_wh: int, price_uaud_per_kwh: int) -> Any:
        offered = {"energy_wh": energy_wh, "price_uaud_per_kwh": price_uaud_per_kwh}
        return await self.do(user, "submit_offer", round=round_id, home=self.home(user), **offered)

    async def close(self, opened: dict[str, Any]) -> Any:
        """The operator closes a round of a simulated channel when it is due."""
        return await self.do("operator", "close_round", round=opened["round"], at=opened["closes_at"])

    async def bill(self, user: str, noon: int) -> dict[str, Any]:
        """The home's bill for the day of that noon, which is over then."""
        now = (await self.ask("operator", "get_parameters"))["market_time"]
        await self.do("operator", "advance_clock", at=max(now, noon + 12 * HOUR))
        argument = {"day": (noon + OFFSET) // DAY, "home": self.home(user)}
        return dict((await self.do("operator", "settle_day", **argument))["bills"][0])
