# SPDX-License-Identifier: Apache-2.0
"""JSON Schemas of the forward market's cases, and of what `clear` and `settle` print (under `$defs/result`)."""

from typing import Any

from commonwatt_chaincode.market.arithmetic import PPM
from commonwatt_chaincode.market.forward.clearing import PRICINGS
from commonwatt_chaincode.market.forward.settlement import Line
from commonwatt_chaincode.market.forward.sharing import MODES

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
    line = _object({name: MONEY if name.endswith("_naud") else ENERGY_WH for name in Line._fields})
    lines = {"type": "object", "additionalProperties": line}
    result = _object({"grid_naud": MONEY, "shared_wh": ENERGY_WH, "lines": lines})
    return _case("A period of the forward market to settle", members, ["sharing", "homes"], result)


def _case(title: str, members: Schema, required: list[str], result: Schema) -> Schema:
    fee = PRICE | {"minimum": 0, "default": 0}
    tariff = _object({"tou": PRICE, "feed_in": PRICE, "local_fee": fee}, optional=("local_fee",))
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": title,
        "type": "object",
        "properties": {"market": {"const": "forward"}, "tariff": tariff} | members,
        "required": ["market", "tariff", *required],
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
