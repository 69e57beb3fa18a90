# SPDX-License-Identifier: Apache-2.0
"""The order of market time: which home's settlement interval ends when."""

from datetime import UTC, date, datetime
from typing import NamedTuple

from commonwatt_chaincode.market.parameters import Parameters
from commonwatt_chaincode.market.tariff import DAY_S, MINUTE_S
from commonwatt_community.hems.agent import HomeAgent, Interval

_ROUNDS_PER_DAY = 10**7


class Event(NamedTuple):
    """A home's interval ends: it reads its meter and asks for what it still needs."""

    agent: HomeAgent
    interval: Interval


def day_events(agents: list[HomeAgent], day: int) -> list[Event]:
    """All intervals of a day by their end, homes in the order given where several end at once."""
    ordered = [
        (interval.end_min, index, interval)
        for index, agent in enumerate(agents)
        for interval in agent.schedule(day)
    ]
    ordered.sort(key=lambda item: item[:2])
    return [Event(agents[index], interval) for _, index, interval in ordered]


def first_round(midnight_s: int, day: int, rules: Parameters) -> int:
    """The number of a day's first round, by which homes draw: the same however the days before were traded.

    `midnight_s` is 0:00 of day 0 in epoch seconds.
    """
    return ((midnight_s + rules.utc_offset_min * MINUTE_S) // DAY_S + day) * _ROUNDS_PER_DAY + 1


def local_midnight_s(day: date, utc_offset_min: int) -> int:
    """0:00 local time of a date, in epoch seconds."""
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) - utc_offset_min * MINUTE_S
