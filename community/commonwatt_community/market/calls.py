# SPDX-License-Identifier: Apache-2.0
"""One call of a market's contract: refusals told apart from failures, and those that pass are tried again."""

import asyncio
import json
import random
from collections.abc import Container, Mapping, Sequence
from typing import Any

from commonwatt_client import Contract, EndorseError, EvaluateError, RetryPolicy

from .refused import refusal_of

RETRY = RetryPolicy(max_tries=12, first_pause_s=0.02, longest_pause_s=1.0)
"""A lost race is tried again at once: gates and clocks change between batches all day."""

PASSING_TRIES = 15
"""How often what passes is tried, with `pause` between: two seconds in all."""

_PAUSE_S = 0.02


async def submit(
    contract: Contract,
    name: str,
    argument: Mapping[str, Any],
    *,
    transient: Mapping[str, bytes] | None = None,
    organizations: Sequence[str] = (),
    retry: RetryPolicy = RETRY,
    passing: Container[str] = frozenset(),
) -> tuple[bytes, int]:
    """Have a transaction committed: its result as it came, and how often it was tried.

    `organizations` are the MSP ids whose peers endorse; none: the gateway chooses. `passing` are codes of refusals
    after which it is tried again. Refused for what the contract refuses, GatewayError for what the network fails.
    """
    tries = 0
    while True:
        tries += 1
        try:
            outcome = await contract.submit(
                name,
                arguments=(json.dumps(argument),),
                transient=transient,
                endorsing_organizations=tuple(organizations),
                retry=retry,
            )
        except EndorseError as error:
            refused = refusal_of(error, name)
            if refused is None:
                raise
            if refused.code not in passing or tries == PASSING_TRIES:
                raise refused from error
            await pause(tries)
        else:
            return outcome.result, outcome.tries + tries - 1


async def pause(tries: int) -> None:
    """Wait before the next try, the longer the more there were."""
    await asyncio.sleep(_PAUSE_S * tries * random.uniform(0.5, 1.5))  # noqa: S311 - jitter


async def evaluate(
    contract: Contract, name: str, argument: Mapping[str, Any], retry: RetryPolicy = RETRY
) -> bytes:
    """Ask without writing; the answer as it came."""
    try:
        return await contract.evaluate(name, arguments=(json.dumps(argument),), retry=retry)
    except EvaluateError as error:
        refused = refusal_of(error, name)
        if refused is None:
            raise
        raise refused from error
