# SPDX-License-Identifier: Apache-2.0
"""What is within the rules and worth a look is noticed where it is, and not where it is not."""

from __future__ import annotations

from typing import Any

import pytest
from commonwatt_audit.forward.anomalies import MEANING, Anomalies, Kind
from commonwatt_audit.forward.clearing import UNIFORM, Order, cleared
from commonwatt_audit.forward.feeder import note_feeder
from commonwatt_audit.forward.prices import Prices
from commonwatt_audit.forward.report import MOST_TOLD, as_json, sentences

from ...forward.neighbourhood import MIDNIGHT
from .recording import Recording, replayed
from .story import DAY_MIN, HOUR, founded

PRICES = Prices("", 300_000, 60_000, 20_000, None)


def test_each_kind_is_told_in_words() -> None:
    assert set(MEANING) == set(Kind)


def test_a_home_whose_bid_bounds_the_price_is_pivotal() -> None:
    """Two buyers and a seller who is scarce: the seller's own price bounds the price, whatever it asks."""
    requests = [Order("R1", "h1", 500, 280_000), Order("R2", "h2", 500, 250_000)]
    found = cleared(requests, [Order("O1", "p1", 600, 200_000)], PRICES, UNIFORM)
    assert found.price == 250_000  # what h2 leaves unfilled, and what h2 pays for: both bounds are h2's
    assert found.marginal == {"h2"}
    found = cleared(requests, [Order("O1", "p1", 1_000, 200_000)], PRICES, UNIFORM)
    assert (found.price, found.marginal) == (225_000, {"h2", "p1"})


@pytest.mark.parametrize(("periods", "of", "noticed"), [(8, 10, True), (7, 10, False), (7, 7, False)])
def test_pivotal_and_pairs_are_noticed_where_they_are_the_rule(periods: int, of: int, noticed: bool) -> None:
    anomalies = Anomalies()
    for number in range(of):
        often = number < periods
        pair = ("h1", "p1") if often else None
        anomalies.cleared(number, {"h1", "p1"}, frozenset({"p1"}) if often else frozenset(), pair)
    found = {(one.kind, one.subject): one.count for one in anomalies.all()}
    expected = {(Kind.PIVOTAL, "p1"): periods, (Kind.SAME_PAIR, "h1 and p1"): periods}
    assert found == (expected if noticed else {})


@pytest.mark.parametrize(
    ("feeder_wh", "noticed"), [(1_000, False), (1_055, False), (1_060, True), (900, True)]
)
def test_a_feeder_that_counts_more_than_wires_lose_is_noticed(feeder_wh: int, noticed: bool) -> None:
    anomalies = Anomalies()
    whole = {"import_wh": 1_050, "export_wh": 50, "homes": 3}
    feeder = {"import_wh": feeder_wh, "export_wh": 0}
    note_feeder(feeder, 7, whole, anomalies)
    assert bool(anomalies.all()) == noticed
    note_feeder({"import_wh": 1_000, "export_wh": 0}, 7, whole, anomalies)
    assert not anomalies.all()


async def a_day(**readings: Any) -> Recording:
    """A community and one period of it with these readings by the meter of h1."""
    town = await founded()
    town.at(MIDNIGHT + HOUR, 7_300)
    assert await town.readings(MIDNIGHT, town.reading("h1", MIDNIGHT, **readings)) == ["written"]
    return town


async def test_readings_at_their_bound_are_noticed() -> None:
    at_most_wh = 24_000 * 11 // 10
    for import_wh, noticed in ((at_most_wh, True), (at_most_wh * 98 // 100, False)):
        town = await a_day(import_wh=import_wh, by="meter of h1")
        found = [one for one in replayed(town.recorded).anomalies.all() if one.kind == Kind.AT_BOUND]
        assert bool(found) == noticed


async def test_a_home_that_changes_what_it_said_is_noticed() -> None:
    town = await a_day(import_wh=500)
    await town.do("operator", "freeze_period", {"period": MIDNIGHT})
    await town.do("operator", "settle_period", {"period": MIDNIGHT})
    assert not [one for one in replayed(town.recorded).anomalies.all() if one.kind == Kind.SEVERAL_READINGS]
    await town.readings(MIDNIGHT, town.reading("h1", MIDNIGHT, 400, seq=2))
    found = [one for one in replayed(town.recorded).anomalies.all() if one.kind == Kind.SEVERAL_READINGS]
    assert [(one.subject, one.first_period) for one in found] == [("h1", MIDNIGHT)]


async def test_a_first_word_that_comes_late_changes_nothing_that_was_said() -> None:
    town = await a_day(import_wh=500)
    await town.do("operator", "freeze_period", {"period": MIDNIGHT})
    await town.readings(MIDNIGHT, town.reading("h2", MIDNIGHT, 400))
    assert not [one for one in replayed(town.recorded).anomalies.all() if one.kind == Kind.SEVERAL_READINGS]


async def test_two_signatures_of_one_message_are_one_message() -> None:
    town = await founded()
    town.in_window(MIDNIGHT + DAY_MIN)
    said = {"nonce": "AAECAwQFBgcICQoLDA0ODw", "energy_wh": 5, "limit_uaud_per_kwh": 200_000}
    for _ in range(2):  # ES256 signs anew each time
        message = town.says("h1", "cw-request", "h1", MIDNIGHT + DAY_MIN, **said)
        assert await town.bids(MIDNIGHT + DAY_MIN, message) == ["written"]
    first, second = (one for one in town.recorded if one.function == "forward:submit_messages")
    assert first.writes != second.writes
    assert not replayed(town.recorded).anomalies.all()


async def test_a_long_report_is_cut_in_words_alone() -> None:
    town = await founded()
    replay = replayed(town.recorded)
    for number in range(MOST_TOLD + 5):
        replay.anomalies.notice(Kind.BREACH, f"h{number:03d}", 60 * number, f"{number} Wh")
    told = list(sentences(replay))
    assert told[0].startswith("forward market: 0 messages verified")
    assert told[-1].endswith("and 5 more, which --json lists")
    assert "breach: h001: export beyond the envelope, which earns nothing (period 60): 1 Wh" in told[3]
    assert len(as_json(replay)["anomalies"]) == MOST_TOLD + 5
