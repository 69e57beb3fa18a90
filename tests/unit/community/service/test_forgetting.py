# SPDX-License-Identifier: Apache-2.0
"""What the ledger has forgotten goes out of the service's file, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from commonwatt_community.market.refused import Refused
from commonwatt_community.service.caller import TOKEN, Role
from commonwatt_community.service.forgetting import forget_what_the_ledger_forgot
from commonwatt_community.service.ledger import Ledger
from commonwatt_community.service.sessions import begin
from commonwatt_community.service.store import Store

ANSWERS = {
    "ended": {"to_period": 900, "forgotten_before": 1_000},
    "going-on": {"to_period": None, "forgotten_before": 1_000},
    "ends-later": {"to_period": 2_000, "forgotten_before": 1_000},
    "never": {"to_period": None, "forgotten_before": None},
}


class Peer:
    """Answers `get_home` as the contract does."""

    async def evaluate(self, name: str, argument: Mapping[str, Any]) -> bytes:
        assert name == "get_home"
        if argument["home"] not in ANSWERS:
            raise Refused("unknown_home", "no such home", name)
        return json.dumps(ANSWERS[argument["home"]]).encode()


async def test_rows_go_as_far_as_the_ledger_forgot(tmp_path: Path) -> None:
    store = Store(tmp_path / "service.db")
    message = "INSERT INTO messages VALUES (?, ?, ?, 'home', 'bid', ?, 1, 0, x'00', NULL, 'written')"
    homes = [*ANSWERS, "stranger"]
    for number, home in enumerate(homes):
        await begin(store, TOKEN, Role.HOME, home)
        for period in (500, 1_000):
            whole = f"{number}-{period}".encode()
            await store.write((message, (whole, f"{number}{period}", home, period)))
    await forget_what_the_ledger_forgot(store, Ledger(Peer(), "newtown"))  # type: ignore[arg-type]
    kept = {home: [] for home in homes} | {
        row["home"]: row["periods"].split(",")
        for row in store.all("SELECT home, GROUP_CONCAT(period) AS periods FROM messages GROUP BY home")
    }
    assert kept == {
        "ended": [],
        "going-on": ["1000"],
        "ends-later": ["1000"],
        "never": ["500", "1000"],
        "stranger": ["500", "1000"],
    }
    assert {row["home"] for row in store.all("SELECT home FROM sessions")} == set(homes) - {"ended"}
    store.close()
