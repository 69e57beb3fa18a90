# SPDX-License-Identifier: Apache-2.0
"""What peers and orderers say of themselves as Prometheus text: heights, transactions, time spent committing."""

import re
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any

_TIMEOUT_S = 1.0
_LINE = re.compile(r"^(?P<name>[a-z_]+)(?:\{(?P<labels>[^}]*)\})? (?P<value>[-+0-9.eE]+)$")
_CHANNEL = re.compile(r'channel="([^"]*)"')

HEIGHT = "ledger_blockchain_height"
# Fabric's names, and ours; values of several channels or chaincodes are added up.
COUNTERS = {
    "endorser_proposals_received": "proposals",
    "ledger_transaction_count": "transactions",
    "ledger_block_processing_time_sum": "block_processing_s",
    "ledger_block_processing_time_count": "blocks",
    "broadcast_processed_count": "broadcasts",
}


def parse_metrics(text: str) -> dict[str, Any]:
    """`heights` by channel and the counters of `COUNTERS` that the text holds."""
    heights: dict[str, int] = {}
    counters: dict[str, float] = {}
    for line in text.splitlines():
        found = _LINE.match(line) if line.startswith((HEIGHT, *COUNTERS)) else None
        if found is None:
            continue
        name, value = found["name"], float(found["value"])
        channel = _CHANNEL.search(found["labels"] or "")
        if name == HEIGHT and channel:
            heights[channel[1]] = int(value)
        elif name in COUNTERS:
            counters[COUNTERS[name]] = round(counters.get(COUNTERS[name], 0.0) + value, 6)
    return {"heights": heights, **counters}


def operations_addresses(content: Mapping[str, Any]) -> dict[str, str]:
    """Where the nodes of a network file serve /metrics, by the nodes' names."""
    nodes = [
        *(peer for one in content["organizations"].values() for peer in one.get("peers", ())),
        *content.get("orderers", ()),
    ]
    return {one["name"]: one["operations_address"] for one in nodes if one.get("operations_address")}


def scrape(address: str) -> dict[str, Any] | None:
    """What the node at `address` (host:port) says now; None where it does not answer in a second."""
    try:
        with urllib.request.urlopen(f"http://{address}/metrics", timeout=_TIMEOUT_S) as answer:
            return parse_metrics(answer.read().decode("utf-8", "replace"))
    except (OSError, urllib.error.URLError, ValueError):
        return None
