# SPDX-License-Identifier: Apache-2.0
"""Arrivals, outcome classes and the knee."""

import json
from datetime import date

import grpc
import pytest
from commonwatt_chaincode.market.tariff import DAY_S
from commonwatt_client import CommitError, EndorseError, ErrorCode, ErrorDetail, ValidationCode
from commonwatt_client.exit_codes import UsageError
from commonwatt_loadgen.simulate.calls import OPERATOR
from commonwatt_loadgen.simulate.preparation import prepare
from commonwatt_loadgen.throughput.arrivals import intended_times
from commonwatt_loadgen.throughput.knee import find_knee
from commonwatt_loadgen.throughput.outcomes import classify_error
from commonwatt_loadgen.throughput.workload import TRANSACTION, Readings


def test_shapes():
    assert intended_times("constant:4", 1, 0) == pytest.approx([0, 0.25, 0.5, 0.75])
    step = intended_times("step:10,100", 2, 0)
    assert sum(time < 1 for time in step) == pytest.approx(10, abs=1)
    assert sum(time >= 1 for time in step) == pytest.approx(100, abs=1)
    assert len(intended_times("ramp:0-100", 10, 0)) == pytest.approx(500, rel=0.05)
    spike = intended_times("spike:10x5", 10, 0)
    assert sum(4 <= time < 6 for time in spike) == pytest.approx(100, abs=2)
    assert len(spike) == pytest.approx(180, abs=3)
    poisson = intended_times("poisson:100", 20, 7)
    assert poisson == sorted(poisson) == intended_times("poisson:100", 20, 7)
    assert 1800 < len(poisson) < 2200


def test_replay(tmp_path):
    path = tmp_path / "times.csv"
    path.write_text("seconds\n100.0\n100.5\n103\n200\n")
    assert intended_times(f"replay:{path}", 10, 0) == [0, 0.5, 3]
    path.write_text("1\n2\nsoon\n")
    with pytest.raises(UsageError, match=r"times.csv:3: no number"):
        intended_times(f"replay:{path}", 10, 0)
    for moment in ("nan", "inf", "-inf", ""):
        path.write_text(f"1\n{moment},\n2\n")
        with pytest.raises(UsageError, match=r"times.csv:2: no number"):
            intended_times(f"replay:{path}", 10, 0)
    path.write_bytes(b"1\n\xff\n")
    with pytest.raises(UsageError, match="no CSV file in UTF-8"):
        intended_times(f"replay:{path}", 10, 0)


@pytest.mark.parametrize(
    "shape",
    ["50", "constant:", "constant:-1", "constant:0", "poisson:0", "sine:5", "ramp:5", "step:"]
    + [f"{kind}:{rate}" for kind in ("constant", "poisson") for rate in ("nan", "inf", "-inf")]
    + ["step:5,nan", "step:nan,5", "step:5,-3", "ramp:nan-5", "ramp:5-nan", "spike:5xnan", "spike:nanx5"],
)
def test_wrong_shapes_are_named(shape):
    with pytest.raises(UsageError, match="--rate"):
        intended_times(shape, 5, 0)


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (
            CommitError("x", code=ValidationCode.MVCC_READ_CONFLICT, block_number=1, transaction_id="t"),
            "conflict",
        ),
        (
            CommitError("x", code=ValidationCode.PHANTOM_READ_CONFLICT, block_number=1, transaction_id="t"),
            "conflict",
        ),
        (
            CommitError(
                "x", code=ValidationCode.ENDORSEMENT_POLICY_FAILURE, block_number=1, transaction_id="t"
            ),
            "policy",
        ),
        (CommitError("x", code=ValidationCode.BAD_PAYLOAD, block_number=1, transaction_id="t"), "failed"),
        (
            EndorseError("too many requests for gateway.Gateway", code=ErrorCode.TOO_MANY_REQUESTS),
            "limited",
        ),
        (
            EndorseError(
                "x", details=[ErrorDetail("a", "M", "chaincode response 400, quota: too many requests")]
            ),
            "refused",
        ),
        (EndorseError("x", status=grpc.StatusCode.DEADLINE_EXCEEDED), "timed out"),
        (
            EndorseError(
                "x",
                status=grpc.StatusCode.ABORTED,
                details=[ErrorDetail("a", "M", "chaincode response 400, duplicate_request: again")],
            ),
            "refused",
        ),
        (EndorseError("x", status=grpc.StatusCode.UNAVAILABLE), "failed"),
    ],
)
def test_outcomes_are_told_apart(error, outcome):
    assert classify_error(error) == outcome


def step_summary(rate: float, capacity: float, generator_limit: float = 1e9, busy_from: float = 1e9):
    fits = rate <= capacity
    return {
        "passed": fits,
        "committed_per_s": min(rate, capacity),
        "latency_ms": {"total": {"p95": 20.0 if fits else 9000.0}},
        "generator": {
            "was_the_limit": rate > generator_limit,
            "inconclusive": rate > busy_from,
            "cpu_percent_of_a_core": 20.0,
        },
    }


@pytest.mark.parametrize("capacity", [35, 150, 1000])
def test_the_knee_is_found(capacity):
    found = find_knee(lambda rate: step_summary(rate, capacity), lambda _: None)
    assert capacity * 0.9 <= found["knee_per_s"] <= capacity
    assert found["limited_by"] == "network"
    assert len(found["steps"]) < 16


@pytest.mark.parametrize("capacity", [1.4, 3.3, 7.7])
def test_a_knee_of_few_large_batches_is_found(capacity):
    found = find_knee(lambda rate: step_summary(rate, capacity), lambda _: None, first_rate=1.0)
    assert capacity * 0.85 <= found["knee_per_s"] <= capacity


def test_a_network_that_takes_nothing_has_no_knee():
    found = find_knee(lambda rate: step_summary(rate, 0), lambda _: None)
    assert found["knee_per_s"] == 0
    assert len(found["steps"]) == 1


def test_a_knee_that_is_the_generators_own_is_said_so():
    told = []
    found = find_knee(lambda rate: step_summary(rate, 100, generator_limit=100), told.append)
    assert found["limited_by"] == "generator"
    assert "the generator was the limit" in told[-1]


def test_a_busy_machine_settles_no_knee():
    told = []
    found = find_knee(lambda rate: step_summary(rate, 100, busy_from=100), told.append)
    assert found["limited_by"] == "machine"
    assert "inconclusive" in told[-1]


def test_the_search_ends_when_its_time_is_spent():
    clock = iter(range(0, 10_000, 10))
    found = find_knee(
        lambda rate: step_summary(rate, 1e9), lambda _: None, 35, clock=lambda: float(next(clock))
    )
    assert found["limited_by"] == "time"
    assert len(found["steps"]) == 3


def test_the_search_ends_where_no_rate_fails():
    found = find_knee(lambda rate: step_summary(rate, 1e9), lambda _: None)
    assert found["limited_by"] == "search"
    assert found["knee_per_s"] > 10_000


async def test_homes_report_each_half_hour_of_every_second_day_once(memory_calls):
    """In the order in which days are used, so that readings of one day are far apart in time."""
    homes = ["one", "two"]
    calls = memory_calls(homes)
    rules = {"clock": "simulated", "at": 9 * DAY_S, "parameters": {"utc_offset_min": 0}}
    await calls.submit(OPERATOR, "configure", rules)
    for home in homes:
        await calls.submit(OPERATOR, "register_home", {"home": home, "home_class": "consumer"})
    await calls.submit(OPERATOR, "advance_clock", {"at": 20 * DAY_S})
    workload = Readings("newtown", "newtown", tuple((home, home) for home in homes), 10 * DAY_S, days=3)
    spans = set()
    for number in range(3 * 48 * len(homes)):
        call = workload.request(number)
        user, argument = call.sender.user, json.loads(call.argument)
        start_s = argument["interval_start"]
        assert start_s // DAY_S == 10 + 2 * (number // 2 % 3)
        await calls.submit(user, TRANSACTION, argument)  # the contract refuses what overlaps
        spans.add((user, start_s))
    assert len(spans) == 3 * 48 * len(homes)


async def test_readings_on_a_live_channel_are_refused_with_what_they_need(memory_calls):
    calls = memory_calls(["one"])
    await calls.submit(OPERATOR, "configure", {"clock": "live"})
    needed_by = "the scenario `readings`"
    with pytest.raises(
        UsageError, match=r"live clock; the scenario `readings` needs one with `clock: simulated` \(ch"
    ):
        await prepare(calls, "newtown", [], date(2012, 11, 1), {}, needed_by)
