# SPDX-License-Identifier: Apache-2.0
"""An exchange is replayed by the audit's own rules; a community's ledger is held against what was said of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from commonwatt_audit.exchange.anchors import compared, digest_of
from commonwatt_audit.exchange.replay import ExchangeReplay
from commonwatt_audit.forward.replay import ForwardReplay
from commonwatt_audit.replay import Replay
from commonwatt_audit.world import Difference, Recorded

from ..exchange.good import GOOD
from ..exchange.region import HEADER, PERIOD, Leftovers, Region
from ..exchange.test_rounds import GIVES, LINK, THIS, WANTS, of
from .forward.recording import recording

HEADERS = {9: HEADER}


class Story:
    """A region whose exchange and whose first community are recorded."""

    def __init__(self) -> None:
        self.region = Region()
        self.exchange = recording(self.region.ledger, "exchange:")
        self.newtown = recording(self.region.newtown.ledger, "forward:")

    async def play(self) -> Story:
        """Every transaction of the exchange once, at least."""
        region = await self.region.begin()
        await region.settle(PERIOD, PERIOD + 30)
        await region.do("newtown", "anchor", GOOD["anchor"][1])
        [one, _] = (await region.ask("grid", "get_anchor", {"channel": "newtown"}))["periods"]
        await region.do("grid", "attest", {**GOOD["attest"][1], "periods": [one]})
        await region.do("grid", "set_link", LINK)
        Leftovers.answers = {"enmore": WANTS, "glebe": GIVES}
        for channel in ("enmore", "glebe"):
            await region.do(channel, "bring_residual", of(channel))
        region.now_s = PERIOD * 60 - 100
        await region.do("glebe", "clear_round", THIS)
        region.now_s = PERIOD * 60 + 1_740
        await region.do("glebe", "clear_round", {"period": PERIOD + 30})
        return self

    def replayed(self) -> ExchangeReplay:
        replay = Replay()
        for one in self.exchange:
            replay.check(one)
        return replay.exchange

    def community(self) -> ForwardReplay:
        replay = Replay()
        for one in self.newtown:
            replay.check(one)
        return replay.forward


@pytest.fixture
async def story() -> Story:
    return await Story().play()


async def test_what_the_contract_writes_is_what_the_audits_rules_give(story: Story) -> None:
    replay = story.replayed()
    assert replay.begun
    assert [(one.party, one.channel, one.block) for one in replay.said] == [
        ("anchor 1 of newtown", "newtown", 9),
        ("an attestation of the grid", "newtown", 9),
    ]


async def test_the_audits_digest_is_the_contracts(story: Story) -> None:
    [one, _] = (await story.region.ask("grid", "get_anchor", {"channel": "newtown"}))["periods"]
    assert digest_of(story.community().ledger, PERIOD, 1) == one["digest"]


async def test_an_honest_ledger_is_the_one_that_was_anchored(story: Story) -> None:
    found = compared("newtown", story.community().ledger, HEADERS, story.replayed().said)
    assert found.difference == ""
    assert (found.anchors, found.attestations, found.later) == (1, 1, 0)
    assert (found.settlements, found.anchored, found.attested) == (2, 2, 1)
    assert "2 are anchored, 1 attested" in found.sentence()


async def test_another_history_of_the_same_homes_is_not(story: Story) -> None:
    """Newtown, its grid and its orderers make a ledger that is right by every rule, of other readings."""
    other = Story()
    other.region.newtown.now_s = story.region.newtown.now_s
    await other.region.settle(PERIOD, PERIOD + 30)
    newtown = other.region.newtown
    newtown.now_s += 60
    await newtown.read(PERIOD, [newtown.reading("a", PERIOD, 999, seq=2)])
    await newtown.settle(PERIOD)
    said = story.replayed().said
    rewritten = compared("newtown", other.community().ledger, {9: "cd" * 32}, said)
    assert "anchor 1 of newtown" in rewritten.difference
    assert f"block 9 has the header {HEADER}" in rewritten.difference


async def test_settlements_that_differ_or_are_gone_are_named(story: Story) -> None:
    said, community = story.replayed().said, story.community()
    community.ledger.get(f"period/{PERIOD:09d}/0001")["import_wh"] += 1
    differs = compared("newtown", community.ledger, HEADERS, said)
    assert f"other records of version 1 of period {PERIOD}" in differs.difference
    gone = compared("newtown", Replay().forward.ledger, HEADERS, said)
    assert f"version 1 of period {PERIOD} is settled; here it is not" in gone.difference
    early = compared("newtown", Replay().forward.ledger, {8: HEADER}, said)
    assert (early.difference, early.later) == ("", 2)


def forgeries(one: Recorded) -> Iterator[Recorded]:
    """A transaction with each of its records changed, removed, joined by another, or sent by somebody else."""
    for key, value in one.writes.items():
        record = json.loads(value or b"")
        member = next(name for name in record if isinstance(record[name], int | str))
        forged = {**record, member: 7 if isinstance(record[member], int) else "forged"}
        yield replace(one, writes={**one.writes, key: json.dumps(forged, sort_keys=True).encode()})
        yield replace(one, writes={other: value for other, value in one.writes.items() if other != key})
    yield replace(one, writes={**one.writes, "exchange/more": b"{}"})
    yield replace(one, attributes={"role": "home"})
    yield replace(one, policies={"exchange/anchor/newtown": b""})


async def test_each_forged_transaction_is_a_difference(story: Story) -> None:
    missed: list[Any] = []
    for place, one in enumerate(story.exchange):
        if not one.writes:
            continue
        for forged in forgeries(one):
            replay = Replay()
            for before in story.exchange[:place]:
                replay.check(before)
            try:
                replay.check(forged)
            except Difference:
                continue
            missed.append((one.function, forged))
    assert missed == []
    assert len(story.exchange) > 8


async def test_markets_do_not_share_a_channel(story: Story) -> None:
    replay = Replay()
    for one in story.newtown[:1]:
        replay.check(one)
    with pytest.raises(Difference, match="no exchange"):
        replay.check(story.exchange[0])
    replay = Replay()
    replay.check(story.exchange[0])
    with pytest.raises(Difference, match="the channel is an exchange"):
        replay.check(replace(story.newtown[0], arguments=(b"configure", b"{}")))
