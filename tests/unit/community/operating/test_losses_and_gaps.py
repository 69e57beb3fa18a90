# SPDX-License-Identifier: Apache-2.0
"""A message that no peer holds is declared lost, and its period settled; runs of estimates are found in lines."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
from commonwatt_chaincode.forward import keys
from commonwatt_chaincode.shim.testing.state import Place, WorldState
from commonwatt_community.market.results import HomeLine
from commonwatt_community.operating.books import Books
from commonwatt_community.operating.gaps import Sides, silent_runs
from commonwatt_community.operating.losses import declare_losses
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st

from ....support.living_town import Town


async def test_a_lost_reading_is_declared_and_its_period_settled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    town = Town(tmp_path)
    first = await town.found(homes=2, heal_s=1_800)
    await town.reach((first + 60) * 60 + 30)
    await town.readings(first)
    await town.operator.freeze_period(first)
    key = keys.index_key("reading", first, 1, "h2", "home", 1)
    [message] = [one.message.encode() for one in await town.operator.list_messages("reading", first, "h2")]
    place = Place("market", keys.COLLECTION, key)
    town.channel.ledger.state.write(place, None, (997, 0), "", Timestamp())
    known = WorldState.hash

    def hashed(state: WorldState, asked: Place) -> bytes | None:
        return hashlib.sha256(message).digest() if asked == place else known(state, asked)

    monkeypatch.setattr(WorldState, "hash", hashed)
    books = Books(town.ledger(), town.telling())
    await books.run()
    assert [line.split(":")[0] for line in town.alarms] == ["ALARM message_missing"]
    assert town.lines == []
    await town.reach((first + 60) * 60 + 1_800)
    await books.run()
    await books.run()
    assert town.lines[0].endswith(f"no peer holds the message {key}: declared lost")
    assert "settled, 2 homes" in town.lines[1]
    assert await declare_losses(town.operator, first, ["h1", "h2"]) == []


def line(period: int, seq: int, quality: str) -> HomeLine:
    values: dict[str, Any] = dict.fromkeys(HomeLine.__dataclass_fields__, 0)
    texts = ("home", "author", "band", "sharing")
    values |= dict.fromkeys(texts, "") | {
        "exceeded": (),
        "final": False,
        "export_cap_wh": None,
        "exchange": None,
    }
    return HomeLine(**{**values, "period": period, "seq": seq, "quality": quality})


@given(st.lists(st.sampled_from(("measured", "estimated", "substituted")), max_size=30))
def test_a_run_has_readings_on_both_sides_and_an_estimate_between(qualities: list[str]) -> None:
    lines = [line(place, int(quality == "measured"), quality) for place, quality in enumerate(qualities)]
    runs = silent_runs(lines)
    for run in runs:
        between = qualities[run.before[0] + 1 : run.after[0]]
        assert qualities[run.before[0]] == qualities[run.after[0]] == "measured"
        assert "estimated" in between
        assert "measured" not in between
    inner = [place for place, quality in enumerate(qualities) if quality == "estimated"]
    covered = [
        place for place in inner if "measured" in qualities[:place] and "measured" in qualities[place + 1 :]
    ]
    assert all(any(run.before[0] < place < run.after[0] for run in runs) for place in covered)


def test_a_run_is_named_once_with_further_readings_behind_it() -> None:
    lines = [
        line(0, 1, "measured"),
        line(5, 1, "measured"),
        line(10, 0, "estimated"),
        line(15, 0, "estimated"),
    ]
    assert silent_runs(lines) == []
    assert silent_runs([*lines, line(20, 2, "measured")]) == [Sides((5, 0), (20,))]
