# SPDX-License-Identifier: Apache-2.0
"""The audit's verdict on each ledger that a test of the contract makes, at the test's end."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from commonwatt_audit.forward import billing, gap_settling, lines
from commonwatt_audit.replay import Replay
from commonwatt_chaincode.forward import ForwardMarket
from commonwatt_chaincode.forward import billing as chaincode_bills
from commonwatt_chaincode.forward import gap_settling as chaincode_gaps
from commonwatt_chaincode.market.forward import day_bills, period_settlement
from commonwatt_chaincode.shim.testing import MemoryLedger

from .recording import recording, unseen

_RANDOM = "test_random_replay.py judges such ledgers"
_BY_HAND = "it writes to the ledger by hand"
NOT_JUDGED = {
    "test_parts_settle_a_community_as_the_rules_settle_all_at_once": _BY_HAND,
    "test_a_day_of_many_parts_is_billed": _BY_HAND,
    "test_two_thousand_homes_trade_and_are_settled_and_billed_for_a_day": _BY_HAND,
    "test_readings_after_a_frozen_version_come_under_the_next": _BY_HAND,
    "test_money_and_energy_of_any_period_sum_exactly": _RANDOM,
    "test_the_bills_of_any_days_are_what_their_lines_say": _RANDOM,
    "test_money_and_energy_of_many_periods_sum_exactly": _RANDOM,
    "test_the_bills_of_many_days_are_what_their_lines_say": _RANDOM,
    "test_parts_come_in_any_order_and_the_last_one_ends_the_version": "parts shrink on the way",
}


# What tests make smaller, for the contract; then the audit's is as small.
SIZES = (
    (lines, "PART_HOMES", period_settlement),
    (lines, "BILL_HOMES", day_bills),
    (billing, "MOST_ADJUSTMENTS", chaincode_bills),
    (gap_settling, "MOST_PERIODS", chaincode_gaps),
)


def _sizes() -> list[int]:
    return [getattr(source, name) for _, name, source in SIZES]


@pytest.fixture(autouse=True)
def judged(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every ledger of the forward market is audited, with its private data and without."""
    made = []
    init = MemoryLedger.__init__

    def noting(self: MemoryLedger, program: Any, *arguments: Any, **more: Any) -> None:
        init(self, program, *arguments, **more)
        if self.channel_id == "exchange":  # the channel of several communities has no market
            return
        story = recording(self, "forward:" if isinstance(program, ForwardMarket) else "")
        made.append((story, _sizes()))

    monkeypatch.setattr(MemoryLedger, "__init__", noting)
    usual = _sizes()
    yield
    if getattr(request.node, "originalname", "") in NOT_JUDGED:
        return
    for ledger, sizes in made:
        # A test sets sizes before it makes a ledger, for that ledger alone, or afterwards, until its end.
        for (target, name, _), size in zip(SIZES, sizes if sizes != usual else _sizes(), strict=True):
            monkeypatch.setattr(target, name, size)
        for shown in (ledger, unseen(ledger)):
            replay = Replay()
            for recorded in shown:
                replay.check(recorded)
