# SPDX-License-Identifier: Apache-2.0
"""The order of market time: which home's settlement interval ends when."""

from dataclasses import dataclass

from commonwatt_community.hems.agent import HomeAgent, Interval


@dataclass(frozen=True, slots=True)
class Event:
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
