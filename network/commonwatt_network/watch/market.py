# SPDX-License-Identifier: Apache-2.0
"""A channel's market in figures, folded from the events of its contract (docs/contract.md)."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

RECENT_ROUNDS = 12


@dataclass
class MarketFigures:
    """Totals since the channel began. Energy in Wh, prices in µAUD per kWh, money in nAUD."""

    homes: int = 0
    open_rounds: set[str] = field(default_factory=set)
    rounds_cleared: int = 0
    rounds_void: int = 0
    requests: int = 0
    offers: int = 0
    readings: int = 0
    trades: int = 0
    traded_wh: int = 0
    traded_naud: int = 0
    sell_price_uaud_per_kwh: int | None = None
    tou_uaud_per_kwh: int | None = None
    recent: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=RECENT_ROUNDS))

    def fold(self, name: str, payload: bytes) -> None:
        """Take in one event. Events of other contracts, and fields this one does not know, are left alone."""
        try:
            content = json.loads(payload)
        except (ValueError, RecursionError):
            return
        fold = getattr(self, f"_{name}", None)
        if isinstance(content, dict) and fold is not None:
            fold(content)

    def to_json(self) -> dict[str, Any]:
        """The figures as the page reads them."""
        content = {name: value for name, value in vars(self).items() if name not in ("open_rounds", "recent")}
        return {**content, "open_rounds": len(self.open_rounds), "recent": list(self.recent)}

    def _home_registered(self, event: Mapping[str, Any]) -> None:
        self.homes += bool(event["new"])

    def _round_opened(self, event: Mapping[str, Any]) -> None:
        self.open_rounds.add(event["round"])
        self.tou_uaud_per_kwh = event["tou_uaud_per_kwh"]
        self.sell_price_uaud_per_kwh = event["sell_price_uaud_per_kwh"]
        if event["auction"] == "per_request":  # the reading, its request and the round are one transaction
            self.readings += 1
            self.requests += 1

    def _request_submitted(self, event: Mapping[str, Any]) -> None:
        self.requests += 1

    def _offer_submitted(self, event: Mapping[str, Any]) -> None:
        self.offers += 1

    def _reading_reported(self, event: Mapping[str, Any]) -> None:
        self.readings += 1

    def _round_cleared(self, event: Mapping[str, Any]) -> None:
        self.open_rounds.discard(event["round"])
        self.rounds_cleared += event["state"] == "CLEARED"
        self.rounds_void += event["state"] == "VOID"
        totals = event["totals"]
        self.trades += totals["fills"]
        self.traded_wh += totals["p2p_energy_wh"]
        self.traded_naud += totals["p2p_amount_naud"]
        if totals["fills"]:
            heads = {name: event[name] for name in ("minute", "closed_at")}
            names = ("fills", "p2p_energy_wh", "p2p_amount_naud", "tou_uaud_per_kwh")
            self.recent.appendleft(heads | {name: totals[name] for name in names})
