# SPDX-License-Identifier: Apache-2.0
"""JSON Schemas of the forward market's cases, and of what `clear`, `settle` and `bill` print (under `$defs/result`)."""

from types import NoneType, UnionType
from typing import Any, get_args, get_origin, get_type_hints

from commonwatt_chaincode.market.arithmetic import PPM
from commonwatt_chaincode.market.forward.bills import Bill
from commonwatt_chaincode.market.forward.clearing import PRICINGS
from commonwatt_chaincode.market.forward.periods import LENGTHS_MIN
from commonwatt_chaincode.market.forward.readings import QUALITIES
from commonwatt_chaincode.market.forward.settlement import Line
from commonwatt_chaincode.market.forward.sharing import MODES
from commonwatt_chaincode.market.forward.statements import Statement

from commonwatt_audit.case_members import LARGEST

Schema = dict[str, Any]

TEXT: Schema = {"type": "string", "minLength": 1}
ENERGY_WH: Schema = {"type": "integer", "minimum": 0, "maximum": LARGEST}
BID_WH: Schema = {"type": "integer", "minimum": 1, "maximum": LARGEST}
PRICE: Schema = {"type": "integer", "minimum": -LARGEST, "maximum": LARGEST, "description": "µAUD per kWh"}
MONEY: Schema = {"type": "integer", "description": "nAUD; the home pays it, or receives it where negative"}
PRICE_OR_NONE: Schema = {"anyOf": [PRICE, {"type": "null"}], "description": "µAUD per kWh; null: no trade"}
ENERGY_BY_ID: Schema = {"type": "object", "additionalProperties": ENERGY_WH}


def clear_schema() -> Schema:
    """Of what `clear` takes for the forward market."""
    members = {
        "pricing": {"enum": list(PRICINGS), "default": PRICINGS[0]},
        "requests": {"type": "array", "items": _bid("limit")},
        "offers": {"type": "array", "items": _bid("price")},
    }
    result = _object(
        {
            "price": PRICE_OR_NONE,
            "traded_wh": ENERGY_WH,
            "bought": ENERGY_BY_ID,
            "sold": ENERGY_BY_ID,
        }
    )
    return _case("A period of the forward market to clear", members, ["requests", "offers"], result)


def settle_schema() -> Schema:
    """Of what `settle` takes."""
    members = {
        "clearing": {"type": "object", "properties": {"price": PRICE_OR_NONE}},
        "sharing": _object({"mode": {"enum": list(MODES)}, "price": PRICE_OR_NONE}, optional=("price",)),
        "homes": {"type": "array", "items": _home()},
    }
    lines = {"type": "object", "additionalProperties": _line()}
    result = _object({"grid_naud": MONEY, "shared_wh": ENERGY_WH, "lines": lines})
    return _case("A period of the forward market to settle", members, ["sharing", "homes"], result)


def bill_schema() -> Schema:
    """Of what `bill` takes."""
    period = _object(
        {
            "period": {"type": "integer", "minimum": 0, "description": "epoch minute of its start"},
            "period_min": {"enum": list(LENGTHS_MIN)},
            "band": TEXT,
            "tariff": _tariff(),
            "metered": _home(),
            "line": _line(),
            "quality": {"enum": list(QUALITIES)},
            "final": {"type": "boolean", "default": False},
        },
        optional=("final",),
    )
    adjusted = _object(
        {
            "period": {"type": "integer", "minimum": 0},
            "tariff": _tariff(),
            "reason": TEXT,
            "before": _line(),
            "after": _line(),
        }
    )
    demand = _object({"peak_w": ENERGY_WH | {"description": "W"}, "price_uaud_per_kw": ENERGY_WH})
    members = {
        "home": TEXT,
        "day": {"type": "integer", "minimum": 0, "description": "local day: days since 1 January 1970"},
        "periods": {"type": "array", "items": period},
        "supply_naud": ENERGY_WH | {"default": 0},
        "adjustments": {"type": "array", "items": adjusted},
        "demand": demand,
    }
    result = _object({"bill": _of_type(Bill), "statement": _of_type(Statement)})
    return _schema("A home's day of the forward market to bill", members, ["home", "day", "periods"], result)


def _of_type(kind: Any) -> Schema:
    """Of a dataclass or named tuple as JSON, and of what its members may be."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is UnionType:
        return {"anyOf": [_of_type(one) for one in arguments]}
    if origin is tuple and arguments[-1] is Ellipsis:
        return {"type": "array", "items": _of_type(arguments[0])}
    if origin is tuple:
        return {"type": "array", "prefixItems": [_of_type(one) for one in arguments]}
    simple = {int: "integer", str: "string", bool: "boolean", NoneType: "null"}
    if kind in simple:
        return {"type": simple[kind]}
    return _object({name: _of_type(member) for name, member in get_type_hints(kind).items()})


def _line() -> Schema:
    return _object({name: MONEY if name.endswith("_naud") else ENERGY_WH for name in Line._fields})


def _case(title: str, members: Schema, required: list[str], result: Schema) -> Schema:
    return _schema(title, {"tariff": _tariff()} | members, ["tariff", *required], result)


def _tariff() -> Schema:
    fee = PRICE | {"minimum": 0, "default": 0}
    return _object({"tou": PRICE, "feed_in": PRICE, "local_fee": fee}, optional=("local_fee",))


def _schema(title: str, members: Schema, required: list[str], result: Schema) -> Schema:
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": title,
        "type": "object",
        "properties": {"market": {"const": "forward"}} | members,
        "required": ["market", *required],
        "$defs": {"result": result},
    }


def _bid(price: str) -> Schema:
    return _object({"id": TEXT, "home": TEXT, "wh": BID_WH, price: PRICE})


def _home() -> Schema:
    return _object(
        {
            "home": TEXT,
            "bought_wh": ENERGY_WH,
            "sold_wh": ENERGY_WH,
            "import_wh": ENERGY_WH,
            "export_wh": ENERGY_WH,
            "export_cap_wh": {"anyOf": [ENERGY_WH, {"type": "null"}], "description": "null: no envelope"},
            "key_ppm": {"type": "integer", "minimum": 0, "maximum": PPM, "default": 0},
            "estimated": {"type": "boolean", "default": False, "description": "nobody metered it"},
        },
        optional=("export_cap_wh", "key_ppm", "estimated"),
    )


def _object(members: Schema, optional: tuple[str, ...] = ()) -> Schema:
    required = [name for name in members if name not in optional]
    return {"type": "object", "properties": members, "required": required}
