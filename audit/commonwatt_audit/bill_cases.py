# SPDX-License-Identifier: Apache-2.0
"""The forward market's bills on a home's day given as JSON: its settled periods, supply, demand and adjustments."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from commonwatt_chaincode.market.forward.bills import Adjustment, DemandCharge, Settled, adjustment, bill
from commonwatt_chaincode.market.forward.periods import LENGTHS_MIN, Period
from commonwatt_chaincode.market.forward.readings import QUALITIES
from commonwatt_chaincode.market.forward.settlement import Line
from commonwatt_chaincode.market.forward.statements import statement

from commonwatt_audit.case_members import LARGEST, BadCase, flag, integer, object_of, objects, text
from commonwatt_audit.forward_cases import metered_of, prices_of


def billed(case: Mapping[str, Any]) -> dict[str, Any]:
    """The bill and its statement; the schema says of what. BadCase for anything else."""
    if case.get("market") != "forward":
        raise BadCase("market must be forward")
    try:
        made = bill(
            text(case, "home"),
            integer(case, "day", 0, 10**6),
            [_settled(one) for one in objects(case, "periods")],
            integer({"supply_naud": 0} | dict(case), "supply_naud", 0),
            [_adjustment(one) for one in objects({"adjustments": []} | dict(case), "adjustments")],
            _demand(object_of(case, "demand")) if "demand" in case else None,
        )
    except ValueError as error:
        raise BadCase(str(error)) from None
    return {"bill": _plain(made), "statement": _plain(statement(made))}


def _settled(one: Mapping[str, Any]) -> Settled:
    length_min, quality = integer(one, "period_min", 1, 60), text(one, "quality")
    if length_min not in LENGTHS_MIN:
        raise BadCase(f"period_min must be one of {', '.join(map(str, LENGTHS_MIN))}")
    if quality not in QUALITIES:
        raise BadCase(f"quality must be one of {', '.join(QUALITIES)}")
    return Settled(
        Period(integer(one, "period", 0), length_min),
        text(one, "band"),
        prices_of(one),
        metered_of(object_of(one, "metered")),
        _line(one, "line"),
        quality,
        flag(one, "final", default=False),
    )


def _adjustment(one: Mapping[str, Any]) -> Adjustment:
    before, after = _line(one, "before"), _line(one, "after")
    return adjustment(integer(one, "period", 0), prices_of(one), before, after, text(one, "reason"))


def _demand(one: Mapping[str, Any]) -> DemandCharge:
    peak_w = integer(one, "peak_w", 0)
    return DemandCharge(peak_w, peak_w * integer(one, "price_uaud_per_kw", 0))


def _line(one: Mapping[str, Any], name: str) -> Line:
    """A line as `settle` prints it; its grid money must be what its energy costs at the tariff."""
    members, prices = object_of(one, name), prices_of(one)
    line = Line(
        *(integer(members, member, -LARGEST if member.endswith("_naud") else 0) for member in Line._fields)
    )
    grid_naud = line.grid_in_wh * prices.tou - line.grid_out_wh * prices.feed_in
    grid_naud -= line.breach_wh * min(0, prices.feed_in)
    if line.grid_naud != grid_naud:
        raise BadCase(f"{name}: grid_naud is {line.grid_naud}, at the tariff {grid_naud}")
    amount_naud = line.contract_naud + line.shared_naud + line.grid_naud + line.fee_naud
    if line.amount_naud != amount_naud:
        raise BadCase(f"{name}: amount_naud is {line.amount_naud}, the sum of its parts {amount_naud}")
    return line


def _plain(value: Any) -> Any:
    """Dataclasses and named tuples as objects, for JSON."""
    if is_dataclass(value):
        return {one.name: _plain(getattr(value, one.name)) for one in fields(value)}
    if isinstance(value, tuple):
        names = getattr(value, "_fields", None)
        if names:
            return {name: _plain(member) for name, member in zip(names, value, strict=True)}
        return [_plain(member) for member in value]
    return value
