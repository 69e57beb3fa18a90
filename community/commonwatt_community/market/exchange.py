# SPDX-License-Identifier: Apache-2.0
"""The contract ``exchange`` of a region, as one identity calls it (docs/exchange.md)."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TypeVar

from commonwatt_chaincode.market.tariff import MINUTE_S
from commonwatt_client import Contract, Gateway
from commonwatt_client.errors import ConfigurationError
from commonwatt_client.network_file import EXCHANGE, MARKET, NetworkFile
from pydantic.dataclasses import dataclass

from . import calls
from .results import read_result

BEHIND = frozenset({"not_settled"})
"""What an endorser answers that is a block behind."""

Kind = TypeVar("Kind")
Told = Callable[[str, float, int], None]


@dataclass(frozen=True)
class Block:
    """A block by its number and the SHA-256 of its header in hex."""

    number: int
    header: str


@dataclass(frozen=True)
class Digest:
    """A version of a period's settlement, and the SHA-256 of its records in hex."""

    period: int
    version: int
    digest: str


@dataclass(frozen=True)
class Anchor:
    """What peers of a community and of the grid saw; number 0 before the first."""

    channel: str
    number: int
    from_period: int
    to_period: int
    periods: tuple[Digest, ...]
    block: int
    header: str


@dataclass(frozen=True)
class Attested:
    """What the grid computed anew."""

    channel: str
    period: int
    version: int
    digest: str
    block: int
    header: str


@dataclass(frozen=True)
class _AllAttested:
    attested: tuple[Attested, ...]


@dataclass(frozen=True)
class _Written:
    channel: str
    periods: int


@dataclass(frozen=True)
class Trade:
    """Energy between two communities; prices in µAUD per kWh, `price` is what the seller gets."""

    seller: str
    buyer: str
    offered: int
    limit: int
    wh: int
    price: int
    fee: int


@dataclass(frozen=True)
class Round:
    """A closed round; `accounts` are what communities owe the exchange, in nAUD by channel."""

    period: int
    state: Literal["cleared", "void"]
    trades: tuple[Trade, ...]
    accounts: dict[str, int]
    fee_naud: int


@dataclass(frozen=True)
class CommunityRound:
    """A closed round as one community settles it."""

    period: int
    channel: str
    state: Literal["cleared", "void"]
    trades: tuple[Trade, ...]
    account_naud: int


@dataclass(frozen=True)
class Community:
    """A registered community; `residual_of` is the period of its last residual, -1 before the first."""

    channel: str
    mspid: str
    chaincode: str
    residual_of: int


@dataclass(frozen=True)
class Rules:
    """What the grid founded the exchange with, for good; ``mspid`` is the grid's."""

    mspid: str
    clock: Literal["live", "simulated"]
    due_before_s: int
    void_before_s: int


@dataclass(frozen=True)
class Standing:
    """The rules, and the exchange's time."""

    rules: Rules
    now_s: int

    def due_s(self, period: int) -> int:
        """Until when residuals of a period are taken."""
        return period * MINUTE_S - self.rules.due_before_s

    def void_s(self, period: int) -> int:
        """From when on a round that nobody cleared is void."""
        return period * MINUTE_S - self.rules.void_before_s


@dataclass(frozen=True)
class LinkVersion:
    """What may flow over a link in each period from one on, and the fee in µAUD per kWh."""

    from_period: int
    limit_wh: int
    fee: int


@dataclass(frozen=True)
class Link:
    """A link between two communities, with all that was ever in force."""

    seller: str
    buyer: str
    versions: tuple[LinkVersion, ...]


@dataclass(frozen=True)
class _Links:
    links: tuple[Link, ...]


@dataclass(frozen=True)
class _Communities:
    communities: tuple[Community, ...]


class ExchangeMarket:
    """Transactions and queries of the contract ``exchange``, each with plain arguments and a value as result.

    `grid` is the MSP id of the grid, `communities` those of the communities by channel. A community's peer and the
    grid's endorse what is about its own ledger, because they alone can read there. Refused for what the contract
    refuses, GatewayError for what the network fails.

    ::

        exchange = exchange_of(gateway, read_network_file(path), "exchange")
        print((await exchange.get_anchor("newtown")).number)
    """

    def __init__(
        self, contract: Contract, grid: str, communities: Mapping[str, str], told: Told | None = None
    ) -> None:
        """`told` hears of each committed transaction: its name, seconds from its proposal on, and tries."""
        self._contract = contract
        self._grid = grid
        self._communities = dict(communities)
        self._told = told

    @property
    def channels(self) -> tuple[str, ...]:
        """The channels of the communities that the network file names."""
        return tuple(self._communities)

    # The grid

    async def found(
        self, clock: str = "live", at_s: int | None = None, due_before_s: int = 180, void_before_s: int = 60
    ) -> None:
        """Found the exchange for good."""
        rules = {"clock": clock, "due_before_s": due_before_s, "void_before_s": void_before_s}
        await self._submit("found", rules if at_s is None else {**rules, "at_s": at_s})

    async def advance_clock(self, to_s: int) -> None:
        """Move a simulated exchange's clock forwards."""
        await self._submit("advance_clock", {"to_s": to_s})

    async def register_community(self, channel: str, chaincode: str = MARKET) -> None:
        """Register a community by its channel; its organisation is the one that the network file names."""
        mspid = self._mspid(channel)
        await self._submit("register_community", {"channel": channel, "mspid": mspid, "chaincode": chaincode})

    async def set_link(self, seller: str, buyer: str, from_period: int, limit_wh: int, fee: int) -> None:
        """Set what may flow from one community to another from a period on, and the fee in µAUD per kWh."""
        link = {
            "seller": seller,
            "buyer": buyer,
            "from_period": from_period,
            "limit_wh": limit_wh,
            "fee": fee,
        }
        await self._submit("set_link", link)

    async def attest(self, channel: str, periods: Sequence[Digest], block: Block) -> int:
        """State what was computed anew, 300 versions at most; how many of them are new."""
        said = [{"period": one.period, "version": one.version, "digest": one.digest} for one in periods]
        argument = {"channel": channel, "periods": said, "block": block.number, "header": block.header}
        return read_result(_Written, await self._submit("attest", argument)).periods

    # A community's operator, or the grid

    async def anchor(self, channel: str, from_period: int, to_period: int, block: Block) -> Anchor:
        """Anchor what is settled of the periods in [from_period, to_period), as of a block in which it stands."""
        argument = {
            "channel": channel,
            "from_period": from_period,
            "to_period": to_period,
            "block": block.number,
            "header": block.header,
        }
        return read_result(Anchor, await self._submit("anchor", argument, channel))

    async def bring_residual(self, channel: str, period: int) -> None:
        """Bring what the community's clearing of a period left over."""
        await self._submit("bring_residual", {"channel": channel, "period": period}, channel)

    async def clear_round(self, period: int) -> Round:
        """Clear a period's round, or close it as void once its time is over; a closed one is answered."""
        return read_result(Round, await self._submit("clear_round", {"period": period}))

    # Queries

    async def get_rules(self) -> Standing:
        """The rules, and the exchange's time."""
        return await self._evaluate(Standing, "get_rules", {})

    async def list_links(self) -> tuple[Link, ...]:
        """All links."""
        return (await self._evaluate(_Links, "list_links", {})).links

    async def list_communities(self) -> tuple[Community, ...]:
        """All communities, by channel."""
        return (await self._evaluate(_Communities, "list_communities", {})).communities

    async def get_anchor(self, channel: str) -> Anchor:
        """A community's last anchor."""
        return await self._evaluate(Anchor, "get_anchor", {"channel": channel})

    async def list_attested(self, channel: str, from_period: int, to_period: int) -> tuple[Attested, ...]:
        """What the grid attested of the periods in [from_period, to_period)."""
        span = {"channel": channel, "from_period": from_period, "to_period": to_period}
        return (await self._evaluate(_AllAttested, "list_attested", span)).attested

    async def get_round(self, channel: str, period: int) -> CommunityRound:
        """A closed round as one community settles it."""
        return await self._evaluate(CommunityRound, "get_round", {"channel": channel, "period": period})

    def _mspid(self, channel: str) -> str:
        if channel not in self._communities:
            raise ConfigurationError(f"the network file names no community with the channel {channel}")
        return self._communities[channel]

    async def _submit(self, name: str, argument: Mapping[str, Any], channel: str | None = None) -> bytes:
        endorsers = () if channel is None else (self._grid, self._mspid(channel))
        started = time.monotonic()
        result, tries = await calls.submit(
            self._contract, name, argument, organizations=endorsers, passing=BEHIND
        )
        if self._told is not None:
            self._told(name, time.monotonic() - started, tries)
        return result

    async def _evaluate(self, kind: type[Kind], name: str, argument: Mapping[str, Any]) -> Kind:
        return read_result(kind, await calls.evaluate(self._contract, name, argument))


def exchange_of(
    gateway: Gateway, network: NetworkFile, channel: str, told: Told | None = None
) -> ExchangeMarket:
    """A region's exchange as a gateway's identity calls it; `told` as of `ExchangeMarket`.

    ConfigurationError for a channel that is no exchange by the network file.
    """
    channels, organizations = network.content["channels"], network.content["organizations"]
    described = channels.get(channel, {})
    if described.get("market") != EXCHANGE:
        raise ConfigurationError(f"{network.path}: {channel} is no channel of an exchange")
    grid, *members = described["organizations"]
    communities = {
        name: organizations[one["organizations"][0]]["mspid"]
        for name, one in channels.items()
        if one.get("market") == "forward" and one["organizations"][0] in members
    }
    contract = gateway.get_network(channel).get_contract(MARKET, "exchange")
    return ExchangeMarket(contract, organizations[grid]["mspid"], communities, told)
