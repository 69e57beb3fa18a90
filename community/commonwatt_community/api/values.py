# SPDX-License-Identifier: Apache-2.0
"""A service's answers besides the contract's own records."""

from typing import Any

from pydantic.dataclasses import dataclass


@dataclass(frozen=True)
class Challenge:
    """Random characters to be signed by `expires_s`, and the name that the service goes by."""

    challenge: str
    expires_s: int
    service: str


@dataclass(frozen=True)
class LoggedIn:
    """A session of a program: its token, until when it counts (epoch seconds), and whose it is."""

    token: str
    expires_s: int
    role: str
    home: str


@dataclass(frozen=True)
class Enrolment:
    """The state of a home's first key: ``waiting``, ``set`` or ``refused`` for a reason."""

    state: str
    reason: str = ""


@dataclass(frozen=True)
class Limits:
    """The limits that residents set for the home's agent; None leaves the choice to the agent.

    Prices are µAUD per kWh.
    """

    buy_at_most_uaud_per_kwh: int | None = None
    sell_at_least_uaud_per_kwh: int | None = None
    keep_storage_wh: int | None = None


@dataclass(frozen=True)
class Wishes:
    """The wishes of a home's residents. The agent obeys them; the service cannot bid for the home."""

    home: str
    paused: bool
    limits: Limits
    version: int


@dataclass(frozen=True)
class ServiceEvent:
    """A line of the event stream: its id (``block:transaction:n``, empty for the service's own), name and content."""

    id: str
    name: str
    data: dict[str, Any]
