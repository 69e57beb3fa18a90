# SPDX-License-Identifier: Apache-2.0
"""A fault that repeats fills no disk."""

import logging

import pytest
from commonwatt_network.embedded.rare_log import RareLog


def fault() -> Exception:
    try:
        raise ValueError("broken")
    except ValueError as error:
        return error


def test_a_fault_is_told_in_full_once_and_then_ever_more_rarely(caplog: pytest.LogCaptureFixture) -> None:
    rare = RareLog(logging.getLogger("rare"))
    for _ in range(100):
        rare.report("the call failed", fault())
    first, *again = caplog.records
    assert first.exc_info is not None
    assert first.getMessage() == "the call failed"
    assert [record.args[1] for record in again if record.args] == [2, 4, 8, 16, 32, 64]
    assert not any(record.exc_info for record in again)


def test_each_place_is_counted_apart(caplog: pytest.LogCaptureFixture) -> None:
    rare = RareLog(logging.getLogger("rare"))
    rare.report("the call failed", fault())
    rare.report("the task ended", None)
    assert [record.getMessage() for record in caplog.records] == ["the call failed", "the task ended"]
