# SPDX-License-Identifier: Apache-2.0
"""The operator at work: its chores side by side, each again and again, whatever the network does meanwhile."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

from commonwatt_client import GatewayError
from commonwatt_client.errors import ClientError
from commonwatt_client.exit_codes import CommandError
from commonwatt_client.retry import is_away

from commonwatt_community.market.forward import ForwardMarket
from commonwatt_community.market.refused import Refused

from .telling import Alarm, Telling

CLOCK_DIFFERS = "clock_differs"
WITHOUT_RIGHTS = frozenset({"forbidden", "not_yours", "other_market"})
STANDS = frozenset({"clock_runs_back", "clock_not_simulated", "not_configured"})
"""The refusal that the operator alone gets when it asks to move the clock to the start of time."""

LONGEST_PAUSE_S = 10.0
"""A configuration that changes is noticed by then, and so is a simulated clock that moves."""

SHORTEST_PAUSE_S = 0.2
PAUSE_AFTER_FAILURE_S = 2.0
MOST_PAUSE_AFTER_FAILURES_S = 30.0


class Stopped(CommandError):
    """The operator cannot go on: another version stands, or its identity may not operate."""


async def accepted_as_operator(market: ForwardMarket, telling: Telling) -> None:
    """Return once the contract takes this identity for the operator; a clock that is off is told and waited for.

    Raises:
        Stopped: the contract does not take it.
        Refused, GatewayError: the channel has no such market, or there is no network.
    """
    while True:
        try:
            await require_operator(market)
        except Refused as refused:
            if refused.code != CLOCK_DIFFERS:
                raise
            await asyncio.sleep(after_failure("start", refused, 1, telling))
        else:
            return


class Chore(Protocol):
    """Something to be done again and again."""

    async def run(self) -> int | None:
        """Do what is due; the market time at which there is more, None: not before something happens."""
        ...


async def require_operator(market: ForwardMarket) -> None:
    """Ask the contract, without writing, whether it takes this identity for the operator.

    Raises:
        Stopped: it does not.
        Refused: the channel has no forward market, or clocks differ.
    """
    try:
        await market.evaluate("advance_clock", {"to_s": 0})
    except Refused as refused:
        if refused.code in STANDS:
            return
        if refused.code in WITHOUT_RIGHTS:
            raise Stopped(
                f"this identity does not operate the channel: {refused}; name the operator of the organisation that "
                "configured it"
            ) from refused
        raise


async def keep_doing(name: str, chore: Chore, now_s: Callable[[], Awaitable[int]], telling: Telling) -> None:
    """Run a chore until cancelled; failures of the network, lost races and a wrong clock are told and tried again.

    `now_s` answers the market time: pauses are as long as it says.

    Raises:
        Stopped: nothing helps but a person.
    """
    failures = 0
    telling.ran(name, MOST_PAUSE_AFTER_FAILURES_S)  # it is ill if it does nothing from the start
    while True:
        try:
            next_s = await chore.run()
            pause_s = LONGEST_PAUSE_S
            if next_s is not None:
                pause_s = min(LONGEST_PAUSE_S, max(SHORTEST_PAUSE_S, next_s - await now_s()))
        except (Refused, ClientError, ConnectionError) as error:
            failures += 1
            pause_s = after_failure(name, error, failures, telling)
        else:
            if failures:
                failures = 0
                if telling.over("network") | telling.over("failed", None, name):
                    telling.say(f"goes on: {name}")
            if telling.over(CLOCK_DIFFERS):
                telling.say("this machine's clock is right again")
            telling.ran(name, pause_s)
        await asyncio.sleep(pause_s)


def after_failure(name: str, error: Exception, failures: int, telling: Telling) -> float:
    """Tell of a failure; how long to pause."""
    telling.counts["failures", name] += 1
    pause_s = min(MOST_PAUSE_AFTER_FAILURES_S, PAUSE_AFTER_FAILURE_S * 2.0 ** min(failures - 1, 6))
    if isinstance(error, Refused) and error.code in WITHOUT_RIGHTS:
        raise Stopped(f"this identity does not operate the channel: {error}") from error
    if isinstance(error, Refused) and error.code == CLOCK_DIFFERS:
        telling.alarm(
            Alarm(
                CLOCK_DIFFERS,
                f"this machine's clock is off: {error.sentence}; the operator tries again every "
                f"{PAUSE_AFTER_FAILURE_S:.0f} s",
                0,
            )
        )
        return PAUSE_AFTER_FAILURE_S
    if isinstance(error, GatewayError) and is_away(error):
        telling.alarm(Alarm("network", f"no peer answers; the operator waits: {error}", 0))
    else:
        telling.alarm(Alarm("failed", f"{name}: {error}; the operator tries again", 0, None, name))
    return pause_s
