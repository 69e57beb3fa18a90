# SPDX-License-Identifier: Apache-2.0
"""Which rounds the suggested prices remember."""

from typing import Any

import pytest
from commonwatt_chaincode.market.clearing import Fill
from commonwatt_chaincode.market.history import Entry, history_entry, pair_of
from commonwatt_chaincode.market.parameters import PAPER, Parameters, changed

LIMITS = {"R1": 200_000, "R2": 300_000}


def fill(request: str, buyer: str, seller: str, energy_wh: int, price: int) -> Fill:
    return Fill(request, f"O-{seller}", buyer, seller, energy_wh, price, energy_wh * price)


TWO = [fill("R1", "b", "a", 300, 100_000), fill("R2", "c", "a", 200, 150_000)]
PAIRS = (("a", "b"), ("a", "c"))


def rules(**changes: Any) -> Parameters:
    return changed(Parameters(), changes)


def test_an_entry_is_the_mean_of_what_counts() -> None:
    assert history_entry(rules(), TWO, LIMITS, ()) == Entry(120_000, 240_000, PAIRS)
    odd = [fill("R1", "b", "a", 300, 100_000), fill("R1", "b", "d", 400, 100_001)]
    assert history_entry(rules(), odd, LIMITS, ()) == Entry(100_000, 200_000, (("a", "b"), ("b", "d")))


@pytest.mark.parametrize(("least_wh", "counts"), [(0, True), (500, True), (501, False)])
def test_a_round_moves_enough_energy(least_wh: int, counts: bool) -> None:
    assert (history_entry(rules(history_min_wh=least_wh), TWO, LIMITS, ()) is not None) == counts
    assert history_entry(rules(history_min_wh=least_wh), [], LIMITS, ()) is None


def test_a_pair_counts_once_in_a_window() -> None:
    past: list[Any] = [[("a", "b")], [], [("x", "y")]]
    few = {"history_min_wh": 200}
    assert history_entry(rules(window=3, **few), TWO, LIMITS, past) == Entry(150_000, 300_000, (("a", "c"),))
    assert history_entry(rules(window=2, **few), TWO, LIMITS, past) == Entry(120_000, 240_000, PAIRS)
    # What does not count does not help over the minimum either.
    assert history_entry(rules(window=3), TWO, LIMITS, past) is None
    everyone = [*past, [("a", "c")]]
    assert history_entry(rules(window=4, history_min_wh=0), TWO, LIMITS, everyone) is None


def test_it_matters_not_who_sells() -> None:
    assert pair_of(TWO[0]) == pair_of(fill("R1", "a", "b", 1, 1)) == ("a", "b")


def test_the_papers_market_remembers_every_fill() -> None:
    paper = changed(Parameters(), PAPER)
    one = [fill("R1", "b", "a", 1, 100_000)]
    assert history_entry(paper, one, LIMITS, [[("a", "b")]]) == Entry(100_000, 200_000, ())
