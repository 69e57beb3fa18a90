# SPDX-License-Identifier: Apache-2.0
"""Where another clock is, by the dates that it takes."""

from __future__ import annotations

import pytest
from commonwatt_network.consortium.clocks import FAR_S, NoDateError, NoLimitError, middle


@pytest.mark.parametrize("limit_s", [30, 120])
@pytest.mark.parametrize("ahead_s", [0.0, -3.0, 25.5, -600.0])
async def test_the_middle_of_what_is_taken_is_the_others_clock(ahead_s: float, limit_s: float) -> None:
    asked = []

    async def takes(shift_s: float) -> bool:
        asked.append(shift_s)
        return abs(shift_s - ahead_s) <= limit_s

    assert abs(await middle(takes) - ahead_s) <= 1
    assert len(asked) <= 30 + 2 * abs(ahead_s) / 30


async def test_a_clock_that_is_far_away_or_no_limit_is_said_to_be_so() -> None:
    async def never(_: float) -> bool:
        return False

    async def always(_: float) -> bool:
        return True

    with pytest.raises(NoDateError):
        await middle(never)
    with pytest.raises(NoLimitError):
        await middle(always)
    assert FAR_S < 900  # the window of Fabric's peers
