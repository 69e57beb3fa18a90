# SPDX-License-Identifier: Apache-2.0
"""The replay agrees with the contract on every transaction, and names the first thing that was changed."""

import json
from typing import Any

import pytest
from commonwatt_audit.replay import Replay
from commonwatt_audit.world import Difference, Recorded

from ..contract.community import Community
from ..contract.recording import recorded_of
from ..contract.scenario import every_transaction


async def recorded_days(monkeypatch: pytest.MonkeyPatch) -> list[list[Recorded]]:
    """The scenario's two communities as their channels record them."""
    communities: dict[int, Community] = {}
    submit = Community.submit

    async def noting(self: Community, who: str, name: str, arguments: Any, at: int | None = None) -> Any:
        communities[id(self)] = self
        return await submit(self, who, name, arguments, at)

    monkeypatch.setattr(Community, "submit", noting)
    await every_transaction()
    return [recorded_of(community) for community in communities.values()]


async def test_the_rules_alone_give_what_the_contract_wrote(monkeypatch: pytest.MonkeyPatch) -> None:
    simulated, live = await recorded_days(monkeypatch)
    for channel in (simulated, live):
        replay = Replay()
        for recorded in channel:
            replay.check(recorded)
        assert len(list(replay.world.under("bill"))) == 5


async def test_every_number_that_is_changed_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each written record in turn with each of its integers one higher."""
    found = 0
    for channel in await recorded_days(monkeypatch):
        for place, recorded in enumerate(channel):
            for key, value in recorded.writes.items():
                members = json.loads(value) if value else {}
                for name in [name for name, number in members.items() if type(number) is int]:
                    forged = json.dumps(
                        members | {name: members[name] + 1}, sort_keys=True, separators=(",", ":")
                    )
                    replay = Replay()
                    for before in channel[:place]:
                        replay.check(before)
                    tampered = Recorded(
                        **vars(recorded) | {"writes": {**recorded.writes, key: forged.encode()}}
                    )
                    with pytest.raises(Difference, match=name):
                        replay.check(tampered)
                    found += 1
    assert found > 100
