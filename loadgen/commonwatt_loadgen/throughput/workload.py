# SPDX-License-Identifier: Apache-2.0
"""What a throughput test sends: transactions that never conflict with one another."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from commonwatt_chaincode.market.tariff import DAY_S

READINGS, MESSAGES = "readings", "messages"
"""The scenarios."""

TRANSACTION = "report_reading"
ENERGY_WH = 500
INTERVAL_S = 1800
DAYS_APART = 2  # a late reading reads what its home reported on its day and on the day before


class Sender(NamedTuple):
    """Who sends a transaction, over a peer of their organisation."""

    organization: str
    user: str


class Call(NamedTuple):
    """One transaction; `messages` of homes that it carries are answered one by one."""

    sender: Sender
    transaction: str
    argument: str
    transient: Mapping[str, bytes] | None = None
    messages: int = 0


class Workload(Protocol):
    """The transactions of one community by their numbers; shares of it travel to other processes."""

    @property
    def channel(self) -> str:
        """The community's channel."""
        ...

    @property
    def contract(self) -> str | None:
        """The contract's name in the chaincode `market`, None for its default contract."""
        ...

    @property
    def scenario(self) -> str:
        """What it sends."""
        ...

    @property
    def slow(self) -> bool:
        """Whether transactions take long to make: those that have a time are made before the start."""
        ...

    @property
    def senders(self) -> Sequence[Sender]:
        """Everybody who sends."""
        ...

    @property
    def witnesses(self) -> Sequence[str]:
        """A transaction counts as committed when a peer of each of these organisations has committed it."""
        ...

    @property
    def endorsers(self) -> Sequence[str]:
        """The MSP ids of the organisations that endorse; none: as the gateway chooses."""
        ...

    def request(self, number: int) -> Call:
        """The `number`-th transaction."""
        ...


@dataclass(frozen=True)
class Readings:
    """One reading per transaction: homes in turn, each for the first half hour of every second day.

    After so many `days` a home goes on with the second half hour of each of them, which is long reported by then.
    """

    channel: str
    organization: str
    users: tuple[tuple[str, str], ...]  # home id, user name
    first_start_s: int
    days: int

    contract: None = field(default=None, init=False)
    scenario: str = field(default=READINGS, init=False)
    slow: bool = field(default=False, init=False)
    endorsers: tuple[str, ...] = field(default=(), init=False)

    @property
    def senders(self) -> tuple[Sender, ...]:
        return tuple(Sender(self.organization, user) for _, user in self.users)

    @property
    def witnesses(self) -> tuple[str, ...]:
        return (self.organization,)

    def request(self, number: int) -> Call:
        """The `number`-th transaction."""
        home, user = self.users[number % len(self.users)]
        half_hour, day = divmod(number // len(self.users), self.days)
        start = self.first_start_s + day * DAYS_APART * DAY_S + half_hour * INTERVAL_S
        argument = {
            "home": home,
            "interval_start": start,
            "interval_end": start + INTERVAL_S,
            "use_wh": ENERGY_WH,
            "generation_wh": 0,
        }
        return Call(Sender(self.organization, user), TRANSACTION, json.dumps(argument))
