# SPDX-License-Identifier: Apache-2.0
"""What the grid attested of a community, on the exchange that its rules name."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection

from commonwatt_client.errors import ClientError
from commonwatt_client.network_file import EXCHANGE, NetworkFile

from .exchange import ExchangeMarket
from .refused import Refused
from .results import Configuration

PATIENCE_S = 5.0
PAUSE_S = 60.0
"""How long an exchange that did not answer is left alone."""

Attestations = Callable[[int, int], Awaitable[Collection[tuple[int, int]] | None]]
"""Periods and versions in [from_period, to_period) to which the grid attested; None where nobody can say."""


def exchange_named(configuration: Configuration, network: NetworkFile) -> str | None:
    """The channel of the exchange on which a community trades, if this network file has it."""
    named = configuration.rules[-1].exchange
    if named is None or network.content["channels"].get(named.channel, {}).get("market") != EXCHANGE:
        return None
    return named.channel


def attestations_of(exchange: ExchangeMarket, channel: str) -> Attestations:
    """Those of one community; the call raises Refused or GatewayError where the exchange does."""

    async def attested(from_period: int, to_period: int) -> Collection[tuple[int, int]]:
        found = await exchange.list_attested(channel, from_period, to_period)
        return {(one.period, one.version) for one in found}

    return attested


class AttestationsIfThere:
    """The same for answers that do not wait for an exchange that is away.

    ``exchange`` answers None where the community trades on none. ``missed`` hears why an exchange did not answer.
    """

    def __init__(
        self,
        exchange: Callable[[], Awaitable[ExchangeMarket | None]],
        channel: str,
        clock: Callable[[], float] = time.monotonic,
        *,
        missed: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._exchange = exchange
        self._channel = channel
        self._clock = clock
        self._missed = missed
        self._not_before_s = 0.0

    async def __call__(self, from_period: int, to_period: int) -> Collection[tuple[int, int]] | None:
        """Periods and versions; None without an exchange, and while it does not answer."""
        exchange = await self._exchange()
        if exchange is None or self._clock() < self._not_before_s:
            return None
        try:
            async with asyncio.timeout(PATIENCE_S):
                return await attestations_of(exchange, self._channel)(from_period, to_period)
        except (Refused, ClientError, ConnectionError, TimeoutError) as error:
            self._not_before_s = self._clock() + PAUSE_S
            self._missed(str(error) or f"it did not answer within {PATIENCE_S:g} s")
            return None


async def nobody_attests(from_period: int, to_period: int) -> None:
    """The attestations of a community without an exchange."""
