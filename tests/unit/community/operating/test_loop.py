# SPDX-License-Identifier: Apache-2.0
"""Chores go on whatever fails, and stop where a person has to act."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from commonwatt_client import EndorseError
from commonwatt_community.api import ServiceAway
from commonwatt_community.market.refused import Refused
from commonwatt_community.operating import loop
from commonwatt_community.operating.loop import Stopped, accepted_as_operator, keep_doing, require_operator
from commonwatt_community.operating.operate import side_by_side
from commonwatt_community.operating.telling import Telling

from ....support.living_town import Town


class Failing:
    """Fails in the ways that are given, one a run, and then works."""

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)
        self.done = asyncio.Event()

    async def run(self) -> int | None:
        if self.failures:
            raise self.failures.pop(0)
        self.done.set()
        return None


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "PAUSE_AFTER_FAILURE_S", 0.01)


async def now_s() -> int:
    return 0


async def lasting(chore: Failing, telling: Telling) -> None:
    task = asyncio.create_task(keep_doing("gates", chore, now_s, telling))
    await asyncio.wait_for(chore.done.wait(), 5)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_wrong_clock_is_told_once_and_its_end_too(tmp_path: Path) -> None:
    town = Town(tmp_path)
    wrong = [Refused("clock_differs", "the proposal is dated 60 s behind", "close_gate") for _ in range(3)]
    await lasting(Failing(*wrong), town.telling())
    assert len(town.alarms) == 1
    assert town.alarms[0].startswith(
        "ALARM clock_differs: this machine's clock is off: the proposal is dated"
    )
    assert town.lines == ["this machine's clock is right again"]


async def test_a_network_that_goes_away_and_a_service_that_is_away_are_waited_for(tmp_path: Path) -> None:
    town = Town(tmp_path)
    telling = town.telling()
    failures = [EndorseError("no peer answers"), ServiceAway("nobody answers"), Refused("odd", "words", "x")]
    await lasting(Failing(*failures), telling)
    assert telling.counts["failures", "gates"] == 3
    assert len(town.alarms) == 1
    assert town.lines == ["goes on: gates"]
    assert "commonwatt_operator_failures_total" in telling.metrics()


@pytest.mark.parametrize("code", ["forbidden", "not_yours", "other_market"])
async def test_an_identity_without_rights_stops_all_chores(tmp_path: Path, code: str) -> None:
    town = Town(tmp_path)
    well, ill = Failing(), Failing(Refused(code, "the caller may not", "close_gate"))
    await town.operator.configure(
        0, clock="simulated", at_s=1_000, period_min=60, utc_offset_min=0, tariff=_tariff()
    )
    with pytest.raises(Stopped, match=f"does not operate the channel: close_gate refused: {code}"):
        await side_by_side({"well": well, "ill": ill}, town.ledger(), town.telling())


async def test_the_contract_is_asked_who_operates(tmp_path: Path) -> None:
    town = Town(tmp_path)
    await require_operator(town.operator)  # before the channel is configured
    await town.found(homes=1)
    await require_operator(town.operator)
    assert (await town.operator.get_configuration()).now_s == town.now_s
    others = (
        town.grid,
        town.carrier,
        town.channel.market("GridMSP", "operator"),
        town.channel.market("NewtownMSP", "home", **{"home.id": "h1"}),
    )
    for market in others:
        with pytest.raises(Stopped, match="forbidden"):
            await require_operator(market)


async def test_a_clock_that_is_off_at_the_start_is_waited_for(tmp_path: Path) -> None:
    town = Town(tmp_path)
    await town.found(homes=1)

    class Off:
        tries = 0

        async def evaluate(self, name: str, argument: dict[str, int]) -> bytes:
            self.tries += 1
            if self.tries < 3:
                raise Refused("clock_differs", "dated 60 s ahead", name)
            return await town.operator.evaluate(name, argument)

    off = Off()
    await accepted_as_operator(off, town.telling())  # type: ignore[arg-type]
    assert (off.tries, len(town.alarms)) == (3, 1)
    with pytest.raises(Stopped):
        await accepted_as_operator(town.carrier, town.telling())


def _tariff() -> object:
    bands = [{"name": "all", "from_min": 0, "to_min": 1440, "tou": 3, "feed_in": 1}]
    return {"schedules": [{"days": {"weekdays": list(range(7)), "holidays": True}, "bands": bands}]}
