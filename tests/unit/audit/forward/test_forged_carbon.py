# SPDX-License-Identifier: Apache-2.0
"""Carbon that both endorsing organisations together could have forged: each lie is found, shown or not."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from commonwatt_audit.forward.carbon import place_of_carbon
from commonwatt_audit.forward.carbon_sharing import check_quota, level_of, line_of
from commonwatt_audit.world import Difference, Recorded
from commonwatt_chaincode.market.forward.carbon import Carbon, CarbonDay, settle_carbon
from hypothesis import given
from hypothesis import strategies as st

from ...settling.neighbourhood import Neighbourhood
from ...settling.test_carbon_days import DAY, QUOTA, P, live, quota_street
from .recording import forged, recording, replayed, unseen
from .test_forward_forgery import of_private, rewritten

WHOLE, PART = f"carbon/{DAY:06d}", place_of_carbon(DAY, 0)


async def _town() -> list[Recorded]:
    """A day of three homes, one of them silent for an hour, with its carbon and its bills."""
    street = Neighbourhood()
    recorded = recording(street.ledger, "forward:")
    await quota_street(street)
    await street.do("grid", "set_intensity", {"from_period": P + 60, "g_per_kwh": [500, 600]})
    await live(street, silent=(5,))
    await street.do("operator", "settle_carbon", {"day": DAY})
    await street.do("operator", "settle_day", {"day": DAY})
    return recorded


@pytest.fixture(scope="module")
def town() -> list[Recorded]:
    return asyncio.run(_town())


def place_of(town: list[Recorded], name: str) -> int:
    return next(place for place, one in enumerate(town) if one.function == f"forward:{name}")


def told(town: list[Recorded], name: str, forge: Callable[[Recorded], Recorded]) -> str:
    """What the audit says of a forged transaction; the honest one passes."""
    place = place_of(town, name)
    replay = replayed(town[: place + 1])
    assert not replay.ledger.unchecked
    replay = replayed(town[:place])
    with pytest.raises(Difference) as found:
        replay.check(forge(town[place]))
    return str(found.value)


def of_public(key: str, **changes: Any) -> Callable[[Recorded], Recorded]:
    def forge(recorded: Recorded) -> Recorded:
        value = rewritten(recorded.writes[key] or b"", lambda one: one.update(changes))
        return forged(recorded, public={key: value})

    return forge


def test_honest_carbon_passes_shown_or_not(town: list[Recorded]) -> None:
    replayed(town)
    replay = replayed(unseen(town))
    assert replay.ledger.unchecked["carbon of days"] == 1


@pytest.mark.parametrize(
    ("home", "change"),
    [
        ("a", {"emitted_mg": 1_000_000}),
        ("a", {"shares": True}),
        ("b", {"shares": False}),
        ("b", {"grid_naud": 10**12}),
    ],
)
def test_another_day_of_a_home_is_found(town: list[Recorded], home: str, change: dict[str, Any]) -> None:
    def other(record: Any) -> None:
        next(one for one in record["days"] if one["carbon"]["home"] == home)["carbon"].update(change)

    assert PART in told(town, "settle_carbon", of_private("carbon/", other))


def test_a_home_that_is_left_out_is_found(town: list[Recorded]) -> None:
    assert PART in told(town, "settle_carbon", of_private("carbon/", lambda record: record["days"].pop(0)))


@pytest.mark.parametrize(
    ("key", "change"),
    [
        (PART, {"paid_naud": 1}),
        (PART, {"emitted_mg": 1}),
        (WHOLE, {"fund_naud": 5}),
        (WHOLE, {"shared_naud": 5}),
        (WHOLE, {"level": {"pot_naud": 1, "below_mg": 1}}),
    ],
)
def test_other_sums_or_another_level_are_found(
    town: list[Recorded], key: str, change: dict[str, Any]
) -> None:
    assert next(iter(change)) in told(town, "settle_carbon", of_public(key, **change))


def test_money_that_comes_from_nowhere_is_found_without_private_data(town: list[Recorded]) -> None:
    hidden = unseen(town)
    assert "not what homes paid" in told_unseen(hidden, of_public(WHOLE, shared_naud=10**15))
    assert "not what homes paid" in told_unseen(hidden, of_public(WHOLE, fund_naud=-1))


def told_unseen(hidden: list[Recorded], forge: Callable[[Recorded], Recorded]) -> str:
    place = place_of(hidden, "settle_carbon")
    with pytest.raises(Difference) as found:
        replayed(hidden[:place]).check(forge(hidden[place]))
    return str(found.value)


def test_a_day_that_is_settled_early_or_by_a_carrier_is_found(town: list[Recorded]) -> None:
    assert "it bills day" in told(
        town, "settle_carbon", lambda one: replace(one, timestamp_s=one.timestamp_s - 90_000)
    )
    assert "role carrier" in told(
        town, "settle_carbon", lambda one: replace(one, attributes={"role": "carrier"})
    )


def test_an_intensity_of_a_window_that_is_open_or_by_the_operator_is_found(town: list[Recorded]) -> None:
    def later(recorded: Recorded) -> Recorded:
        gates = {(f"gate/{P + 60 * hour:09d}", "gate0") for hour in range(5)}
        return replace(recorded, timestamp_s=(P + 30) * 60, ranges=recorded.ranges | gates)

    assert "whose window is open" in told(town, "set_intensity", later)
    assert "does not read the gates" in told(
        town, "set_intensity", lambda one: replace(one, ranges=frozenset())
    )
    assert "role operator" in told(
        town, "set_intensity", lambda one: replace(one, attributes={"role": "operator"})
    )


def test_bills_without_carbon_or_with_other_are_found(town: list[Recorded]) -> None:
    def dropped(record: Any) -> None:
        bill = record["bills"][0]["bill"]
        bill["amount_naud"] -= bill.pop("carbon")["amount_naud"]

    def cheaper(record: Any) -> None:
        record["bills"][0]["bill"]["carbon"]["amount_naud"] -= 1

    for forge in (dropped, cheaper):
        assert "bill" in told(town, "settle_day", of_private("bills/", forge))
    place = place_of(town, "settle_carbon")
    with pytest.raises(Difference, match="which the ledger does not hold"):
        replayed(town[:place]).check(town[place + 1])


@given(
    st.lists(
        st.tuples(st.integers(0, 10**7), st.integers(-(10**9), 10**10), st.booleans()),
        min_size=1,
        max_size=12,
    ),
    st.integers(0, 9_000),
)
def test_both_implementations_divide_alike(drawn: list[tuple[int, int, bool]], quota_g: int) -> None:
    days = [CarbonDay(f"h{number}", *one) for number, one in enumerate(drawn)]
    rule = {**QUOTA, "quota_g_per_day": quota_g}
    found = settle_carbon(days, Carbon(quota_g, QUOTA["price_uaud_per_kg"], ((0, 24, 660),)))
    told_days = [json.loads(json.dumps(day._asdict())) for day in days]
    level = level_of(told_days, rule)
    lines = {day["home"]: line_of(day, rule, level) for day in told_days}
    assert lines == {home: line._asdict() for home, line in found.lines.items()}


def test_quotas_that_cannot_be_are_found() -> None:
    check_quota(QUOTA)
    for change in (
        {"intensity": [[0, 23, 1]]},
        {"intensity": [[0, 12, 1], [13, 24, 1]]},
        {"intensity": [[0, 24, -1]]},
        {"quota_g_per_day": -1},
        {"price_uaud_per_kg": -1},
    ):
        with pytest.raises(Difference):
            check_quota({**QUOTA, **change})
