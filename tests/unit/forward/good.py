# SPDX-License-Identifier: Apache-2.0
"""For every transaction somebody who may send it, an argument of the right form, and what comes beside it."""

from __future__ import annotations

from typing import Any

from .neighbourhood import DAY, FIRST, NOON, TARIFF

PERIOD = {"period": NOON}
SPAN = {"from_period": NOON, "to_period": NOON + 60}
H1 = {"author": "home", "home": "h1"}

GOOD: dict[str, tuple[str, Any]] = {
    "configure": (
        "operator",
        {
            **{key: FIRST[key] for key in ("period_min", "utc_offset_min")},
            "replaces": 1,
            "from_period": NOON + 720,
            "tariff": TARIFF,
            "times": {"gate_grace_s": 70},
        },
    ),
    "advance_clock": ("operator", {"to_s": 2_000_000_000}),
    "register_home": ("operator", {"home": "h3", "home_class": "consumer"}),
    "confirm_home": ("grid", {"home": "h1"}),
    "end_home": ("operator", {"home": "h1"}),
    "set_key": ("operator", {"author": "meter", "home": "h1"}),
    "set_carrier_key": ("operator", {"carrier": "NewtownMSP.service"}),
    "propose_key": ("operator", H1),
    "confirm_key": ("grid", {**H1, "kid": "A" * 43}),
    "set_envelope": ("grid", {**SPAN, "home": "h1", "export_w": 0}),
    "set_sharing_keys": ("operator", {"from_period": NOON + 600, "keys": {"h1": 10}}),
    "set_intensity": ("grid", {"from_period": NOON + 600, "g_per_kwh": [660]}),
    "report_feeder": ("grid", {**PERIOD, "import_wh": 1, "export_wh": 1}),
    "submit_messages": ("carrier", {**PERIOD, "kind": "bid"}),
    "close_gate": ("operator", PERIOD),
    "clear_period": ("operator", PERIOD),
    "import_residual": ("operator", PERIOD),
    "freeze_period": ("operator", PERIOD),
    "settle_period": ("operator", PERIOD),
    "settle_gap": ("operator", {"home": "h1", "before": NOON, "after": NOON + 10}),
    "settle_carbon": ("operator", {"day": DAY}),
    "settle_day": ("operator", {"day": DAY}),
    "declare_lost": ("operator", {"key": f"m/bid/{NOON:09d}/h1/home/01"}),
    "forget_home": ("operator", {"home": "h1", "before": 10_000 * 1_440 - 660}),
    "get_configuration": ("h1", {}),
    "get_home": ("h1", {"home": "h1"}),
    "list_homes": ("carrier", {}),
    "get_keys": ("h1", H1),
    "get_envelopes": ("h1", PERIOD),
    "get_sharing_keys": ("h1", PERIOD),
    "get_period": ("h1", PERIOD),
    "list_periods": ("h1", SPAN),
    "get_residual": ("grid", PERIOD),
    "get_prices": ("h1", SPAN),
    "list_digests": ("h1", SPAN),
    "list_awards": ("h1", {**SPAN, "home": "h1"}),
    "list_messages": ("h1", {**PERIOD, "kind": "bid", "home": "h1"}),
    "list_lines": ("h1", {**SPAN, "home": "h1"}),
    "get_carbon": ("h1", {"day": DAY, "home": "h1"}),
    "get_bill": ("h1", {"home": "h1", "day": DAY}),
    "message_status": ("h1", {**PERIOD, "kind": "bid", "home": "h1", "seq": 1, "digest": "0" * 64}),
}
