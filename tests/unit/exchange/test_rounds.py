# SPDX-License-Identifier: Apache-2.0
"""A round from its residuals to its trades, or to its void; links that nobody changes by what it sees."""

from __future__ import annotations

from typing import Any

import pytest
from commonwatt_chaincode.market.exchange.clearing import Link, clear_round
from commonwatt_chaincode.market.exchange.residual import Level, Residual

from .good import GOOD
from .region import BEGINS_S, PERIOD, Leftovers, Region

WANTS = {"requests": [{"limit": 400_000, "wh": 600}, {"limit": 300_000, "wh": 50}], "offers": []}
GIVES = {"requests": [], "offers": [{"price": 150_000, "wh": 400}]}
LINK = {"seller": "glebe", "buyer": "enmore", "from_period": PERIOD, "limit_wh": 300, "fee": 20_000}
THIS = {"period": PERIOD}


def of(channel: str, period: int = PERIOD) -> dict[str, Any]:
    return {"channel": channel, "period": period}


@pytest.fixture
async def linked(region: Region) -> Region:
    """Enmore wants, glebe gives, and a link leads there; newtown brings nothing."""
    await region.do("grid", "set_link", LINK)
    Leftovers.answers = {"enmore": WANTS, "glebe": GIVES}
    return region


async def test_a_round_is_cleared_as_the_rules_clear_it(linked: Region) -> None:
    for channel in ("enmore", "glebe"):
        done = await linked.submit(channel, "bring_residual", of(channel))
        assert set(done.writes) == {f"exchange/residual/{channel}"}, (
            "a new key would ask for the chaincode's policy"
        )
    assert await linked.refused("glebe", "clear_round", THIS) == "too_early"
    assert await linked.refused("glebe", "get_round", of("glebe")) == "round_open"
    linked.now_s = BEGINS_S - 180
    closed = await linked.do("enmore", "clear_round", THIS)
    rule = clear_round(
        PERIOD,
        [
            Residual("enmore", (Level(400_000, 600), Level(300_000, 50)), ()),
            Residual("glebe", (), (Level(150_000, 400),)),
        ],
        [Link("glebe", "enmore", 300, 20_000)],
    )
    [trade] = closed["trades"]
    members = ("seller", "buyer", "offered", "limit", "wh", "price", "fee")
    assert trade == dict(zip(members, rule.trades[0], strict=True))
    assert closed["accounts"] == {name: rule.account_naud(name) for name in ("enmore", "glebe")}
    assert sum(closed["accounts"].values()) == closed["fee_naud"] == rule.fee_naud > 0
    assert await linked.do("glebe", "clear_round", THIS) == closed, "a closed round is answered"
    assert await linked.ask("home", "get_round", of("glebe")) == {
        **of("glebe"),
        "state": "cleared",
        "trades": [trade],
        "account_naud": rule.account_naud("glebe"),
    }
    absent = await linked.ask("home", "get_round", of("newtown"))
    assert (absent["state"], absent["trades"], absent["account_naud"]) == ("cleared", [], 0)


async def test_all_residuals_are_cleared_at_once(linked: Region) -> None:
    linked.ledger.channels["newtown"] = linked.ledger.channels["glebe"]
    for channel in ("enmore", "glebe", "newtown"):
        await linked.do("grid", "bring_residual", of(channel))
    assert (await linked.do("grid", "clear_round", THIS))["state"] == "cleared"


async def test_a_round_that_nobody_cleared_in_time_is_void(linked: Region) -> None:
    for channel in ("enmore", "glebe"):
        await linked.do(channel, "bring_residual", of(channel))
    linked.now_s = BEGINS_S - 61
    held = await linked.endorse("enmore", "clear_round", THIS)
    linked.now_s += 1
    void = await linked.do("glebe", "clear_round", THIS)
    assert (void["state"], void["trades"], void["accounts"]) == ("void", [], {})
    assert held.json()["state"] == "cleared"
    assert linked.ledger.commit(held) == "MVCC_READ_CONFLICT"
    assert (await linked.ask("home", "get_round", of("enmore")))["state"] == "void"


async def test_each_community_brings_one_residual_in_time(linked: Region) -> None:
    await linked.do("enmore", "bring_residual", of("enmore"))
    assert await linked.refused("enmore", "bring_residual", of("enmore")) == "already_brought"
    assert await linked.refused("enmore", "bring_residual", of("enmore", PERIOD - 30)) == "too_late"
    assert await linked.refused("enmore", "bring_residual", of("enmore", PERIOD + 30)) == "round_open"
    late = await linked.endorse("glebe", "bring_residual", of("glebe"))
    linked.now_s = BEGINS_S - 180
    assert await linked.refused("glebe", "bring_residual", of("glebe")) == "too_late"
    await linked.do("grid", "clear_round", THIS)
    assert linked.ledger.commit(late) == "MVCC_READ_CONFLICT", "held back until the round was closed"
    await linked.do("enmore", "bring_residual", of("enmore", PERIOD + 30))


async def test_a_residual_that_comes_while_a_round_is_cleared_makes_that_void(linked: Region) -> None:
    await linked.do("enmore", "bring_residual", of("enmore"))
    brings = await linked.endorse("glebe", "bring_residual", of("glebe"))
    linked.now_s = BEGINS_S - 180
    clears = await linked.endorse("grid", "clear_round", THIS)
    assert linked.ledger.commit(brings) == "VALID"
    assert linked.ledger.commit(clears) == "MVCC_READ_CONFLICT"
    assert len((await linked.do("grid", "clear_round", THIS))["trades"]) == 1


@pytest.mark.parametrize(
    "answer",
    [
        None,
        "text",
        {"requests": []},
        {"requests": [{"limit": 1, "wh": 0}], "offers": []},
        {"requests": [{"limit": 1.5, "wh": 1}], "offers": []},
        {"requests": [{"limit": 1, "wh": 1}] * 2, "offers": []},
        {"requests": [], "offers": [{"price": price, "wh": 1} for price in range(21)]},
        {"requests": [], "offers": [{"price": 10**10, "wh": 1}]},
    ],
)
async def test_residuals_that_are_none(linked: Region, answer: Any) -> None:
    Leftovers.answers["enmore"] = answer
    assert await linked.refused("enmore", "bring_residual", of("enmore")) == "community_refused"


async def test_links_change_for_rounds_to_come_alone(linked: Region) -> None:
    wider = {**LINK, "limit_wh": 9_999, "fee": 0}
    held = await linked.endorse("grid", "set_link", wider)
    await linked.do("enmore", "bring_residual", of("enmore"))
    assert linked.ledger.commit(held) == "MVCC_READ_CONFLICT", "the grid saw a residual meanwhile"
    assert await linked.refused("grid", "set_link", wider) == "too_late"
    await linked.do("grid", "set_link", {**wider, "from_period": PERIOD + 30})
    [link] = (await linked.ask("home", "list_links", {}))["links"]
    assert [one["limit_wh"] for one in link["versions"]] == [300, 9_999]
    await linked.do("glebe", "bring_residual", of("glebe"))
    linked.now_s = BEGINS_S - 180
    assert (await linked.do("grid", "clear_round", THIS))["trades"][0]["wh"] == 300
    linked.now_s = (PERIOD + 60) * 60
    assert await linked.refused("grid", "set_link", {**wider, "from_period": PERIOD + 60}) == "too_late"


async def test_a_region_has_so_many_communities_and_links(region: Region, monkeypatch: Any) -> None:
    monkeypatch.setattr("commonwatt_chaincode.exchange.founding.MOST_COMMUNITIES", 3)
    monkeypatch.setattr("commonwatt_chaincode.exchange.links.MOST_LINKS", 1)
    assert await region.refused("grid", "register_community", GOOD["register_community"][1]) == "too_many"
    await region.do("grid", "set_link", LINK)
    await region.do("grid", "set_link", LINK | {"fee": 5})
    assert await region.refused("grid", "set_link", LINK | {"buyer": "newtown"}) == "too_many"
