# SPDX-License-Identifier: Apache-2.0
"""What a household reads of its bid."""

from __future__ import annotations

import pytest
from commonwatt_community.home.awards import outcome
from commonwatt_community.market.results import Award, PeriodAwards

BOUGHT, SOLD = Award("h1", "b1", 100, 0, ""), Award("h1", "b1", 0, 200, "")


@pytest.mark.parametrize(
    ("cleared", "mine", "said"),
    [
        (False, None, "the market was not cleared in time, so the grid does it all"),
        (True, None, "my bid did not reach the market in time"),
        (True, Award("h1", "b1", 0, 0, "beyond_connection"), "the market refused it: beyond_connection"),
        (True, Award("h1", "b1", 0, 0, ""), "nobody traded with me"),
        (True, BOUGHT, "bought 100 Wh at 18.35 c/kWh"),
        (True, SOLD, "sold 200 Wh at 18.35 c/kWh"),
    ],
)
def test_the_outcome_is_one_sentence(cleared: bool, mine: Award | None, said: str) -> None:
    awards = PeriodAwards(30, 183_456, () if mine is None else (mine,)) if cleared else None
    assert outcome(awards, mine) == said
