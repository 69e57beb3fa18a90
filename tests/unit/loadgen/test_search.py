# SPDX-License-Identifier: Apache-2.0
"""The knee by the size of a batch: each size is searched within its part of the time, and the best one is named."""

from __future__ import annotations

from typing import Any

import pytest
from commonwatt_client.exit_codes import UsageError
from commonwatt_loadgen.throughput import search as searching
from commonwatt_loadgen.throughput.command import load_max_command
from commonwatt_loadgen.throughput.options import LoadOptions
from commonwatt_loadgen.throughput.search import best_size, best_step, by_batch

Json = dict[str, Any]


def step(rate: float, messages_per_s: float, *, passed: bool) -> Json:
    return {"rate": rate, "passed": passed, "summary": {"messages_per_s": messages_per_s}}


FOUND = {
    100: {"steps": [step(5, 500, passed=True), step(20, 1_900, passed=False), step(10, 1_000, passed=True)]},
    500: {"steps": [step(1, 500, passed=True), step(3, 1_400, passed=True)]},
    1_000: {"steps": [step(1, 700, passed=False)]},
}


def test_the_best_size_carries_the_most_messages_with_its_thresholds_kept() -> None:
    assert best_size(FOUND) == 500
    assert best_size({1_000: FOUND[1_000]}) is None
    best = best_step(FOUND[100])
    assert best is not None
    assert best["rate"] == 10


def test_each_size_is_searched_in_its_part_of_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, float]] = []

    def searched(options: LoadOptions, budget_s: float, _: object) -> Json:
        asked.append((options.batch, budget_s))
        return FOUND[options.batch]

    monkeypatch.setattr(searching, "search", searched)
    said: list[str] = []
    assert by_batch(LoadOptions(), [500, 100], 60, said.append) == {500: FOUND[500], 100: FOUND[100]}
    assert asked == [(500, 30), (100, 30)]
    assert said == ["batches of 500", "batches of 100"]


@pytest.mark.parametrize("sizes", ["many", "100,", "100,1001", "-1"])
def test_sizes_that_no_batch_has_are_refused_before_anything_is_sent(sizes: str) -> None:
    with pytest.raises(UsageError, match="--batch"):
        load_max_command(batches=sizes, network_file="tests/conftest.py")
