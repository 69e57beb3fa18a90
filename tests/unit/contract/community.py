# SPDX-License-Identifier: Apache-2.0
"""A community on an in-memory channel: an operator, the grid, consumers and prosumers."""

import re
from typing import Any

from commonwatt_chaincode.contract import Market
from commonwatt_chaincode.shim.testing import Invocation, MemoryLedger, caller

MIDNIGHT = 1_351_690_200 - 1_351_690_200 % 86_400 - 660 * 60
"""A local midnight at UTC+11."""

NOON = MIDNIGHT + 12 * 3600
"""In the band of 277100 µAUD/kWh, from 7 to 14 h; panels give power."""


class Community:
    """The channel as its members use it."""

    def __init__(self, clock: str, **parameters: Any) -> None:
        self.ledger = MemoryLedger(Market(), "newtown", name="market")
        self.clock = clock
        self.now = NOON
        self.parameters = parameters
        self.submitted: list[tuple[str, str, Any, Invocation]] = []
        self.callers = {
            "operator": caller("operator", "NewtownMSP", role="operator"),
            "grid": caller("operator", "GridMSP", role="grid"),
            "stranger": caller("stranger", "NewtownMSP"),
            "foreign operator": caller("operator", "EnmoreMSP", role="operator"),
            "foreign home": caller("h1", "EnmoreMSP", _attributes("home", "h1")),
        }

    async def found(self) -> None:
        opening = {"clock": self.clock, "parameters": self.parameters}
        if self.clock == "simulated":
            opening["at"] = self.now
        await self.do("operator", "configure", opening)

    async def add_home(self, home: str, home_class: str, **equipment: int) -> None:
        self.callers[home] = caller(home, "NewtownMSP", _attributes("home", home))
        self.callers[f"meter of {home}"] = caller(f"meter-{home}", "NewtownMSP", _attributes("meter", home))
        await self.do("operator", "register_home", registration(home, home_class, **equipment))

    async def submit(self, who: str, name: str, arguments: Any, at: int | None = None) -> Invocation:
        """Submit as someone and return what happened; ``at`` is the client's timestamp."""
        time_s = self.now if at is None else at
        done = await self.ledger.submit(name, arguments, creator=self.callers[who], timestamp=time_s)
        self.submitted.append((who, name, arguments, done))
        return done

    async def do(self, who: str, name: str, arguments: Any, at: int | None = None) -> Any:
        """Submit what must succeed; its result."""
        return (await self.submit(who, name, arguments, at)).json()

    async def refused(self, who: str, name: str, arguments: Any, at: int | None = None) -> str:
        """Submit what must be refused without writing anything; the code."""
        done = await self.submit(who, name, arguments, at)
        assert done.status == 400, done
        assert not done.writes
        assert done.event is None
        code, _, sentence = done.message.partition(": ")
        assert sentence, "a refusal says why"
        assert not re.search(r"\bNone\b", sentence), f"a refusal that names nobody: {sentence}"
        return code

    async def ask(self, who: str, name: str, arguments: Any) -> Any:
        """Evaluate what must succeed; its result."""
        answer = await self.ledger.evaluate(name, arguments, creator=self.callers[who], timestamp=self.now)
        assert not answer.writes
        return answer.json()

    async def need(self, home: str, energy_wh: int, **members: Any) -> Any:
        """Settle the hour that ends now with so much use; by default the home bids for it."""
        interval = {"home": home, "interval_start": self.now - 3600, "interval_end": self.now}
        reading = {"use_wh": energy_wh, "generation_wh": 0, "bid": True}
        return await self.do(home, "settle_interval", interval | reading | members)

    async def charge(self, home: str, energy_wh: int) -> None:
        """Report an hour of generation, which ends now, so that the home has something to sell."""
        account = await self.ask(home, "get_battery", {"home": home})
        start = max(account["metered_until"] or 0, self.now - 3600)
        reading = {"home": home, "interval_start": start, "use_wh": 0, "generation_wh": energy_wh}
        self.now = max(self.now, start + 3600)
        await self.do(home, "report_reading", reading | {"interval_end": start + 3600})


def _attributes(role: str, home: str) -> dict[str, str]:
    return {"role": role, "home.id": home}


def registration(home: str, home_class: str, **equipment: int) -> dict[str, Any]:
    """The argument of register_home."""
    return {"home": home, "home_class": home_class, **equipment}


async def populated(clock: str, **parameters: Any) -> Community:
    """A founded community of two consumers, h1 and h2, and two prosumers, p1 and p2."""
    community = Community(clock, **parameters)
    await community.found()
    for home in ("h1", "h2"):
        await community.add_home(home, "consumer")
    for home in ("p1", "p2"):
        await community.add_home(home, "prosumer")
    return community
