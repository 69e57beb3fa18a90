# SPDX-License-Identifier: Apache-2.0
"""A home's ways to its market: services, or peers that it calls with a certificate of its own.

Questions and messages take the first way that answers. A message goes the next way unchanged; it is the same however
often it is written.
"""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

from commonwatt_chaincode.market.forward.bills import Bill
from commonwatt_chaincode.messages.message import read
from commonwatt_client import GatewayError, RetryPolicy, Timeouts, connect_network_file
from commonwatt_client.errors import ClientError, ConfigurationError, MalformedMessageError
from commonwatt_client.network_file import MARKET, find_network, read_network_file

from ..api.client import ServiceClient
from ..api.failures import ServiceAway
from ..market.carrier import CARRIER_BUSY, FATE_UNKNOWN, Admitted, Carried, Carrier, CarrierFailed, Limits
from ..market.commit_receipts import Pins, committed
from ..market.forward import FORWARD, ForwardMarket, organizations_of
from ..market.receipts import ReceiptRefused, keys_of_carrier
from ..market.refused import Refused
from ..market.results import (
    ClearedPrice,
    EnvelopesOfPeriod,
    Home,
    HomeLine,
    MessageStatus,
    PeriodAwards,
    Standing,
    StoredKeys,
)
from ..market.turning import NOT_PROVEN, KnownCarrier, TurningCarrier
from ..messages.author import Author
from ..messages.journal import Journal
from ..meters.clock import Clock
from .settings import HomeSettings, PeerCarrier, ServiceCarrier, beside

FAILED = (GatewayError, MalformedMessageError, CarrierFailed, ServiceAway, ReceiptRefused, TimeoutError)
"""What one way may fail with while another one, or a later try, helps."""

PASSING = frozenset({CARRIER_BUSY, FATE_UNKNOWN, NOT_PROVEN})
"""Results after which the same message is sent again."""

WRITTEN = "written"
_TIMEOUTS = Timeouts(evaluate_s=10.0, endorse_s=15.0)
_QUICK = RetryPolicy(max_tries=6, first_pause_s=0.05, longest_pause_s=1.0)
_BATCH = Limits(longest_wait_s=0.02, patience_s=15.0)
_log = logging.getLogger("commonwatt_community")
Answer = TypeVar("Answer")


class Asks(Protocol):
    """Questions that a home asks, of a peer or of a service."""

    async def get_configuration(self) -> Standing: ...

    async def get_home(self, home: str) -> Home: ...

    async def get_keys(self, author: str, home: str) -> StoredKeys: ...

    async def list_awards(
        self, from_period: int, to_period: int, home: str | None = None
    ) -> tuple[PeriodAwards, ...]: ...

    async def get_envelopes(self, period: int, home: str | None = None) -> EnvelopesOfPeriod: ...

    async def list_lines(
        self, from_period: int, to_period: int, home: str | None = None
    ) -> tuple[HomeLine, ...]: ...

    async def get_bill(self, home: str, day: int) -> Bill: ...

    async def get_prices(self, from_period: int, to_period: int) -> tuple[ClearedPrice, ...]: ...

    async def message_status(
        self, kind: str, period: int, home: str, seq: int, digest: str, author: str = "home"
    ) -> MessageStatus: ...

    async def endorsed_status(
        self, kind: str, period: int, home: str, seq: int, digest: str, author: str = "home"
    ) -> bytes: ...


class Takes(Protocol):
    """Takes a message to the ledger."""

    async def admit(self, compact: bytes, /) -> Admitted: ...

    async def carry(self, compact: bytes, /) -> Carried: ...


@dataclass(frozen=True)
class Way:
    """One way to the market: how it is called in what the home says, and, of a service, its id on the ledger."""

    name: str
    asks: Asks
    takes: Takes
    carrier: str | None = None
    service: ServiceClient | None = None


class NoWay(ClientError):
    """No way answers; the message names each way with its reason."""


class Routes:
    """All ways of one home, in the order of home.yaml."""

    def __init__(
        self,
        ways: Sequence[Way],
        author: Author,
        journal: Journal,
        pins: Pins | None = None,
        clock: Clock | None = None,
        said_by: str = "home",
    ) -> None:
        """With `pins`, a message is written once a commit receipt proves it; without, once a way says so."""
        self._ways = tuple(ways)
        self._author = author
        self._journal = journal
        self._pins = pins
        self._clock = clock or Clock()
        self._said_by = said_by
        self._turning: TurningCarrier | None = None

    @property
    def services(self) -> tuple[ServiceClient, ...]:
        """Those of the ways that are services."""
        return tuple(way.service for way in self._ways if way.service is not None)

    async def ask(self, question: Callable[[Asks], Awaitable[Answer]]) -> Answer:
        """The first answer. Refused where the contract or a service refuses; NoWay."""
        reasons = []
        for way in self._ways:
            try:
                return await question(way.asks)
            except FAILED as error:
                reasons.append(f"{way.name}: {reason_of(error)}")
        raise NoWay("; ".join(reasons))

    async def carry(self, compact: bytes) -> Carried:
        """The result of a message. NoWay if no way took it."""
        reasons = []
        last: Carried | None = None
        if self._pins is not None and (turning := await self._turns()) is not None:
            last = await turning.carry(compact)
            if last.written:
                return last
            reasons.append(f"services: {last.result}")
        for way in self._ways:
            if self._turning is not None and way.carrier is not None:
                continue
            try:
                carried = await way.takes.carry(compact)
                if carried.written and self._pins is not None:
                    await self._prove(way, compact, self._pins)
            except Refused as refused:
                last = Carried(read(compact).digest, refused.code)
                reasons.append(f"{way.name}: {refused.code}")
                continue
            except FAILED as error:
                reasons.append(f"{way.name}: {reason_of(error)}")
                continue
            if carried.result not in PASSING:
                return carried
            reasons.append(f"{way.name}: {carried.result}")
        if last is not None and last.result not in PASSING:
            return last
        raise NoWay("; ".join(reasons))

    async def stands(self, compact: bytes) -> bool:
        """Whether a message is on the ledger already.

        It is asked before a message is sent again, because the way that took it may not know its fate. A reading that
        is written again once its period is frozen makes a new version.
        """
        message = read(compact)
        place = (str(message.kind), message.period, message.home, message.seq, message.digest, self._said_by)
        for way in self._ways:
            try:
                if self._pins is not None:
                    await self._prove(way, compact, self._pins)
                    return True
                return (await way.asks.message_status(*place)).status == WRITTEN
            except (*FAILED, Refused):
                continue
        return False

    async def _prove(self, way: Way, compact: bytes, pins: Pins) -> None:
        message = read(compact)
        proof = await way.asks.endorsed_status(
            str(message.kind), message.period, message.home, message.seq, message.digest, self._said_by
        )
        committed(proof, compact, self._said_by, message.channel, pins, self._clock.now())
        self._journal.keep_proof(message.digest, proof)

    async def _turns(self) -> TurningCarrier | None:
        """The services whose receipts the home can judge; their keys are read once."""
        named = [way for way in self._ways if way.carrier is not None]
        if self._turning is None and named:
            assert self._pins is not None
            known = []
            for way in named:
                stored = await self.ask(lambda asks, way=way: asks.get_keys("carrier", str(way.carrier)))  # type: ignore[misc]
                keys = keys_of_carrier(stored, self._author.net, self._author.channel)
                known.append(KnownCarrier(way.takes, way.asks, keys))
            self._turning = TurningCarrier(
                known, self._journal, self._said_by, self._pins, clock=self._clock.now
            )
        return self._turning


@asynccontextmanager
async def routes_of(
    settings: HomeSettings, path: Path, author: Author, journal: Journal, clock: Clock
) -> AsyncIterator[Routes]:
    """The ways that home.yaml names. ConfigurationError for one that cannot be right."""
    pins = pins_of(settings.pins, path)
    async with AsyncExitStack() as stack:
        ways = []
        for named in settings.carriers:
            if isinstance(named, ServiceCarrier):
                ways.append(await _service(stack, named, path, author))
            else:
                ways.append(await _peer(stack, named, path, settings.channel))
        yield Routes(ways, author, journal, pins, clock)


def pins_of(named: Mapping[str, Sequence[str]], path: Path) -> Pins | None:
    """Pinned certificates from their files; None where home.yaml names none."""
    if not named:
        return None
    return Pins.of(
        {mspid: tuple(_content(beside(path, file)) for file in files) for mspid, files in named.items()}
    )


def reason_of(error: BaseException) -> str:
    """An error in a few words of one line."""
    if isinstance(error, GatewayError):
        return error.code.name.lower().replace("_", " ")
    return (str(error) or type(error).__name__).splitlines()[0][:200]


async def _service(stack: AsyncExitStack, named: ServiceCarrier, path: Path, author: Author) -> Way:
    authority = None if named.authority is None else _content(beside(path, named.authority))
    client = await stack.enter_async_context(ServiceClient(named.service, authority, author))
    return Way(named.service, client, client, named.carrier, client)


async def _peer(stack: AsyncExitStack, named: PeerCarrier, path: Path, channel: str) -> Way:
    file = beside(path, named.network)
    network = read_network_file(file if file.exists() else find_network(named.network))
    if named.organization not in network.content["organizations"]:
        raise ConfigurationError(f"{network.path} names no organisation {named.organization}")
    gateway = await stack.enter_async_context(
        connect_network_file(network.path, named.organization, named.user, timeouts=_TIMEOUTS)
    )
    organizations = organizations_of(network.content, network.path, channel)
    contract = gateway.get_network(channel).get_contract(MARKET, FORWARD)
    market = ForwardMarket(contract, organizations, retry=_QUICK)
    carrier = await stack.enter_async_context(Carrier(market, _BATCH))
    return Way(f"peer of {named.organization}", market, carrier)


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be read: {error.strerror}") from error
