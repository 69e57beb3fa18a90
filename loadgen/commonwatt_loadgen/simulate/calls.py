# SPDX-License-Identifier: Apache-2.0
"""The one way in which a simulation speaks to a market contract, whatever carries it there."""

from collections.abc import Mapping
from typing import Any, Protocol

from commonwatt_client.exit_codes import CommandError

OPERATOR = "operator"

Argument = Mapping[str, Any]
Result = dict[str, Any]


class Refused(CommandError):
    """The contract refused a transaction: a stable code and a sentence."""

    def __init__(self, code: str, sentence: str, transaction: str, user: str) -> None:
        super().__init__(f"{transaction} of {user} refused: {code}: {sentence}")
        self.code = code
        self.sentence = sentence


class MarketCalls(Protocol):
    """Transactions of the contract `market` on one channel, each with one JSON object as argument and result."""

    async def submit(self, user: str, transaction: str, argument: Argument) -> Result:
        """Have a transaction of `user` committed and return its result.

        Raises:
            Refused: the contract refused it.
        """
        ...

    async def evaluate(self, user: str, transaction: str, argument: Argument) -> Result:
        """Ask without writing.

        Raises:
            Refused: the contract refused it.
        """
        ...
