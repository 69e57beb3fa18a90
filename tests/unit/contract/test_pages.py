# SPDX-License-Identifier: Apache-2.0
"""Rounds and trades page by page: nothing twice, nothing left out, and `limit` trades at most."""

from typing import Any

import pytest
from commonwatt_chaincode.contract import pages

from .community import NOON, Community, populated

HOURS = 6


async def trade_each_minute(community: Community) -> list[str]:
    """Rounds of h1 with two fills each, minute after minute, from noon on; their ids."""
    rounds = []
    for home in ("p1", "p2"):
        await community.charge(home, 3_000)
    for minute in range(HOURS):
        start = NOON + 60 * minute
        interval = {"interval_start": start, "interval_end": start + 60, "use_wh": 20, "generation_wh": 0}
        opened = await community.do("h1", "settle_interval", interval | {"home": "h1", "bid": True})
        for home in ("p1", "p2"):
            offer = {"round": opened["round"], "home": home, "energy_wh": 10, "price_uaud_per_kwh": 150_000}
            await community.do(home, "submit_offer", offer)
        closing = {"round": opened["round"], "at": opened["closes_at"]}
        await community.do("operator", "close_round", closing)
        rounds.append(opened["round"])
    return rounds


async def pages_of(community: Community, who: str, name: str, **members: Any) -> list[dict[str, Any]]:
    """Every page, the first and those after it."""
    seen = [await community.ask(who, name, members)]
    while seen[-1]["next"] is not None:
        seen.append(await community.ask(who, name, members | {"next": seen[-1]["next"]}))
    return seen


async def test_rounds_page_by_page(simulated: Any) -> None:
    rounds = await trade_each_minute(simulated)
    for limit in (1, 2, 3, 5, 6, 7):
        seen = await pages_of(simulated, "h2", "list_rounds", limit=limit)
        assert [one["round"] for page in seen for one in page["rounds"]] == rounds
        assert all(len(page["rounds"]) == limit for page in seen[:-1])
        assert 0 < len(seen[-1]["rounds"]) <= limit
    part = await simulated.ask("h2", "list_rounds", {"from_time": NOON + 60, "to_time": NOON + 180})
    assert [one["round"] for one in part["rounds"]] == rounds[1:3]


@pytest.mark.parametrize(("who", "fills"), [("operator", 12), ("h1", 12), ("p1", 6), ("h2", 0)])
async def test_the_limit_counts_trades(simulated: Any, who: str, fills: int) -> None:
    await trade_each_minute(simulated)
    for limit in (1, 2, 3, 5, 11, 12, 13):
        seen = await pages_of(simulated, who, "list_trades", limit=limit)
        trades = [(one["round"], one["offer"]) for page in seen for one in page["trades"]]
        assert len(trades) == len(set(trades)) == fills
        assert trades == sorted(trades, key=lambda one: one[0])
        assert all(len(page["trades"]) == limit for page in seen[:-1])
        assert len(seen[-1]["trades"]) <= limit
        sums = {name: sum(page["totals"][name] for page in seen) for name in seen[0]["totals"]}
        assert sums == {"fills": 12, "energy_wh": 120, "amount_naud": 18_000_000}


async def test_a_page_looks_at_so_many_rounds_at_most(
    simulated: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "MOST_ROUNDS", 2)
    await trade_each_minute(simulated)
    seen = await pages_of(simulated, "p1", "list_trades")
    assert [len(page["trades"]) for page in seen] == [2, 2, 2]
    assert [len(page["trades"]) for page in await pages_of(simulated, "h2", "list_trades")] == [0, 0, 0]


async def test_trades_of_a_time(simulated: Any) -> None:
    rounds = await trade_each_minute(simulated)
    seen = await simulated.ask("operator", "list_trades", {"from_time": NOON + 60, "to_time": NOON + 120})
    assert {one["round"] for one in seen["trades"]} == {rounds[1]}
    assert seen["totals"]["fills"] == 2
    everything = await simulated.ask("operator", "list_trades", {"from_time": NOON})
    assert len(everything["trades"]) == 12


async def test_fixed_rounds_keep_numbers_and_both_kinds_live_apart() -> None:
    community = await populated("live", auction="fixed_rounds")
    for _ in range(3):
        opened = await community.do("operator", "open_round", {})
        due = opened["closes_at"] + 30
        await community.do("operator", "close_round", {"round": opened["round"]}, at=due)
    await community.do("operator", "configure", {"parameters": {"auction": "per_request"}})
    interval = {"interval_start": NOON, "interval_end": NOON + 60, "use_wh": 20, "generation_wh": 0}
    community.now = NOON + 60
    own = await community.do("h1", "settle_interval", interval | {"home": "h1", "bid": True})

    async def listed(**members: int) -> list[str]:
        seen = await pages_of(community, "h1", "list_rounds", limit=1, **members)
        return [one["round"] for page in seen for one in page["rounds"]]

    assert await listed() == await listed(from_time=0) == [own["round"]]
    assert await listed(from_round=1) == await listed(to_round=99) == ["00000001", "00000002", "00000003"]
    assert await listed(from_round=2, to_round=2) == ["00000002"]
    both = {"from_round": 1, "to_time": NOON}
    answer = await community.ledger.evaluate("list_rounds", both, creator=community.callers["h1"])
    assert answer.message.startswith("bad_argument: ")
