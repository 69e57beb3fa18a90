# SPDX-License-Identifier: Apache-2.0
"""For every transaction of the exchange somebody who may send it, and an argument of the right form."""

from __future__ import annotations

from typing import Any

from .region import HEADER, PERIOD

NEWTOWN = {"channel": "newtown"}
SPAN = {**NEWTOWN, "from_period": PERIOD, "to_period": PERIOD + 60}
BLOCK = {"block": 9, "header": HEADER}

GOOD: dict[str, tuple[str, Any]] = {
    "found": ("grid", {"clock": "simulated", "at_s": 1, "due_before_s": 120, "void_before_s": 30}),
    "advance_clock": ("grid", {"to_s": PERIOD * 60}),
    "register_community": ("grid", {"channel": "balmain", "mspid": "BalmainMSP", "chaincode": "market"}),
    "set_link": (
        "grid",
        {"seller": "newtown", "buyer": "enmore", "from_period": PERIOD, "limit_wh": 500, "fee": 20_000},
    ),
    "anchor": ("newtown", {**SPAN, **BLOCK}),
    "attest": (
        "grid",
        {**NEWTOWN, **BLOCK, "periods": [{"period": PERIOD, "version": 1, "digest": "0" * 64}]},
    ),
    "bring_residual": ("newtown", {**NEWTOWN, "period": PERIOD}),
    "clear_round": ("glebe", {"period": PERIOD}),
    "get_rules": ("home", {}),
    "list_communities": ("home", {}),
    "list_links": ("home", {}),
    "get_anchor": ("home", NEWTOWN),
    "list_attested": ("home", SPAN),
    "get_round": ("home", {**NEWTOWN, "period": PERIOD}),
}
