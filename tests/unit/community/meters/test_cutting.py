# SPDX-License-Identifier: Apache-2.0
"""Periods cut from running totals: exact sums, gaps without readings, and totals that are not said where they lie."""

from __future__ import annotations

import itertools
import random

from commonwatt_chaincode.market.forward.periods import Period, period_at
from commonwatt_community.meters.counted import Counted
from commonwatt_community.meters.cutting import Cut, Cutter


def five_minutes(time_s: int) -> Period:
    return period_at(time_s, ((0, 5),), ((0, 0),))


def cuts_of(counts: list[Counted], longest_s: float | None = None) -> list[Cut]:
    cutter = Cutter(five_minutes, longest_s)
    return [cut for counted in counts for cut in cutter.add(counted)]


def steady(from_s: int, to_s: int, step_s: int, w: int = 1_200) -> list[Counted]:
    return [Counted(at_s, at_s * w / 3_600, 0.0) for at_s in range(from_s, to_s + 1, step_s)]


def test_totals_between_two_counts_are_cut_at_the_periods_ends() -> None:
    cuts = cuts_of(steady(7, 907, 10))
    assert [(cut.period.id, cut.import_wh) for cut in cuts] == [(5, 100), (10, 100)]
    assert [cut.import_total_wh for cut in cuts] == [200, 300]


def test_a_gap_has_no_reading_and_the_totals_say_how_much_it_was() -> None:
    cuts = cuts_of(steady(0, 600, 10) + steady(1_900, 3_000, 10))
    assert [cut.period.id for cut in cuts] == [0, 5, 35, 40, 45]
    before, after = cuts[1], cuts[2]
    assert (before.import_total_wh, after.import_total_wh) == (200, 800)
    missing_min = 35 - 10
    assert after.import_total_wh - after.import_wh - before.import_total_wh == missing_min * 20


def test_no_totals_are_said_over_energy_that_they_do_not_hold() -> None:
    counts = [*steady(0, 600, 100), Counted(700, 333.0, 0.0, follows=False), *steady(800, 1500, 100)]
    cuts = cuts_of(counts)
    assert [cut.period.id for cut in cuts] == [0, 5, 15, 20]
    assert [cut.import_total_wh is None for cut in cuts] == [False, False, True, False]


def test_the_sum_of_all_periods_is_what_the_registers_moved() -> None:
    draws = random.Random(2)
    for _ in range(50):
        at_s, imported, exported, counts = 0, 0.0, 0.0, [Counted(0, 0.0, 0.0, 5_000)]
        while at_s < 4 * 3_600:
            at_s += draws.randrange(1, 300)
            imported += draws.uniform(0, 50)
            exported += draws.uniform(0, 50)
            counts.append(Counted(at_s, imported, exported, draws.randrange(10_000)))
        cuts = cuts_of(counts)
        assert [cut.period.id for cut in cuts] == list(range(0, cuts[-1].period.id + 1, 5))
        assert sum(cut.import_wh for cut in cuts) == cuts[-1].import_total_wh
        assert sum(cut.export_wh for cut in cuts) == cuts[-1].export_total_wh
        assert all(one.battery_wh == two.battery_before_wh for one, two in itertools.pairwise(cuts))
