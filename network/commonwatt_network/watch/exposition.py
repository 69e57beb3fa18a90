# SPDX-License-Identifier: Apache-2.0
"""The figures in Prometheus' text format: what the nodes' own metrics do not tell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True)
class Metric:
    """A metric with a value for each set of labels."""

    name: str
    kind: str
    description: str
    samples: tuple[tuple[Mapping[str, str], float], ...]

    def lines(self) -> list[str]:
        head = [f"# HELP {self.name} {self.description}", f"# TYPE {self.name} {self.kind}"]
        return [*head, *(f"{self.name}{{{_labels(labels)}}} {value:.15g}" for labels, value in self.samples)]


# Figure of a channel's market -> metric name, kind, description.
MARKET = {
    "homes": ("homes", "gauge", "Homes that were registered."),
    "open_rounds": ("open_rounds", "gauge", "Rounds that take requests or offers now."),
    "rounds_cleared": ("rounds_cleared_total", "counter", "Rounds that were cleared."),
    "rounds_void": ("rounds_void_total", "counter", "Rounds that found no bids."),
    "requests": ("requests_total", "counter", "Requests for energy."),
    "offers": ("offers_total", "counter", "Offers of energy."),
    "readings": ("readings_total", "counter", "Meter readings."),
    "trades": ("trades_total", "counter", "Trades between homes."),
    "traded_wh": ("traded_energy_wh_total", "counter", "Energy traded between homes, in Wh."),
    "traded_naud": ("traded_amount_naud_total", "counter", "Money paid between homes, in nAUD."),
    "sell_price_uaud_per_kwh": ("sell_price_uaud_per_kwh", "gauge", "The suggested selling price."),
    "tou_uaud_per_kwh": ("tariff_uaud_per_kwh", "gauge", "The grid's tariff in the last round."),
}  # fmt: skip


def exposition(snapshot: Mapping[str, Any]) -> str:
    """The body of /metrics, from a watcher's snapshot. A channel is left out until the watch has read its past."""
    nodes, every = snapshot["nodes"], snapshot["channels"]
    # A counter that grew again from 0 while the past is read would look like trade that happens now.
    channels = {name: figures for name, figures in every.items() if figures["complete"]}
    metrics = [
        Metric(
            "commonwatt_node_up",
            "gauge",
            "Whether the node runs.",
            tuple((_node(node), float(node["state"] == "running")) for node in nodes),
        ),
        Metric(
            "commonwatt_certificate_days_left",
            "gauge",
            "Days until the node's TLS certificate expires.",
            tuple(
                (_node(node), float(node["certificate_days_left"]))
                for node in nodes
                if node["certificate_days_left"] is not None
            ),
        ),
        Metric(
            "commonwatt_transactions_total",
            "counter",
            "Transactions on the ledger by validation code.",
            tuple(
                ({"channel": channel, "code": code}, float(count))
                for channel, figures in channels.items()
                for code, count in sorted(figures["transactions"].items())
            ),
        ),
        Metric(
            "commonwatt_leader_changes_total",
            "counter",
            "Changes of the ordering leader since the watch began.",
            tuple(
                ({"channel": name}, float(figures["leader_changes"])) for name, figures in channels.items()
            ),
        ),
        Metric(
            "commonwatt_refusals_total",
            "counter",
            "Transactions that the contract refused, by its code.",
            tuple(
                ({"channel": channel, "code": code}, float(count))
                for channel, figures in channels.items()
                for code, count in sorted(figures["refusals"].items())
            ),
        ),
    ]
    metrics += [
        Metric(
            f"commonwatt_market_{name}",
            kind,
            description,
            tuple(
                ({"channel": channel}, float(figures["market"][figure]))
                for channel, figures in channels.items()
                if figures["market"][figure] is not None
            ),
        )
        for figure, (name, kind, description) in MARKET.items()
    ]
    return "\n".join(line for metric in metrics for line in metric.lines()) + "\n"


def _node(node: Mapping[str, Any]) -> dict[str, str]:
    return {"node": node["name"], "kind": node["kind"], "organization": node["organization"]}


def _labels(labels: Mapping[str, str]) -> str:
    escaped = {
        name: value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
        for name, value in labels.items()
    }
    return ",".join(f'{name}="{value}"' for name, value in escaped.items())
