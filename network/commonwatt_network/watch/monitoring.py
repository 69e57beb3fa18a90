# SPDX-License-Identifier: Apache-2.0
"""Prometheus' configuration and a Grafana dashboard, rendered from the topology."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from commonwatt_network.model.layout import PUBLIC_FILE, write_atomically
from commonwatt_network.watch.subject import Subject

WATCH_PORT = 9480
SOURCE = {"type": "prometheus", "uid": "${source}"}
CERTIFICATE_WARNING_DAYS = 30


@dataclass(frozen=True)
class Panel:
    """A panel of the dashboard: what it shows, by which queries (legend -> PromQL), in which of Grafana's units."""

    title: str
    queries: Mapping[str, str]
    unit: str = "short"
    kind: str = "timeseries"
    thresholds: Sequence[tuple[float | None, str]] = ()


# $channel and $peer are the dashboard's variables. Names are Fabric's, and the watch's own (commonwatt_...).
ROWS: dict[str, tuple[Panel, ...]] = {
    "Market": (
        Panel("Open rounds", {"{{channel}}": 'commonwatt_market_open_rounds{channel=~"$channel"}'}, kind="stat"),
        Panel("Trades", {"{{channel}}": 'commonwatt_market_trades_total{channel=~"$channel"}'}, kind="stat"),
        Panel(
            "Energy traded between homes",
            {"{{channel}}": 'commonwatt_market_traded_energy_wh_total{channel=~"$channel"}'},
            "watth",
            "stat",
        ),
        Panel(
            "Suggested price and tariff, c per kWh",
            {
                "{{channel}} selling": 'commonwatt_market_sell_price_uaud_per_kwh{channel=~"$channel"} / 1e4',
                "{{channel}} tariff": 'commonwatt_market_tariff_uaud_per_kwh{channel=~"$channel"} / 1e4',
            },
        ),
        Panel(
            "Trades per minute",
            {"{{channel}}": 'rate(commonwatt_market_trades_total{channel=~"$channel"}[5m]) * 60'},
        ),
        Panel(
            "Refusals per minute, by code",
            {"{{channel}} {{code}}": 'rate(commonwatt_refusals_total{channel=~"$channel"}[5m]) * 60'},
        ),
    ),
    "Ledger": (
        Panel(
            "Height",
            {"{{node}} {{channel}}": 'ledger_blockchain_height{kind="peer",channel=~"$channel"}'},
        ),
        Panel(
            "Transactions per second, by outcome",
            {"{{channel}} {{code}}": 'rate(commonwatt_transactions_total{channel=~"$channel"}[1m])'},
        ),
        Panel(
            "Time to commit a block",
            {
                "{{node}}": "rate(ledger_block_processing_time_sum[5m]) / rate(ledger_block_processing_time_count[5m])",
            },
            "s",
        ),
        Panel(
            "Proposals not endorsed, per second",
            {
                "{{node}}": "sum by (node) (rate(endorser_proposals_received[5m])) - "
                "sum by (node) (rate(endorser_successful_proposals[5m]))",
                "{{node}} mismatched": "sum by (node) (rate(endorser_endorsement_failures[5m]))",
            },
        ),
    ),
    "Nodes": (
        Panel("Nodes that answer", {"{{node}}": 'up{job="fabric"}'}, kind="stat"),
        Panel(
            "Leader changes",
            {
                "{{node}} {{channel}}": 'consensus_etcdraft_leader_changes{channel=~"$channel"}',
                "{{channel}} (seen by the watch)": 'commonwatt_leader_changes_total{channel=~"$channel"}',
            },
        ),
        Panel(
            "Days left on certificates",
            {"{{node}}": "commonwatt_certificate_days_left"},
            "d",
            "stat",
            ((None, "red"), (CERTIFICATE_WARNING_DAYS, "green")),
        ),
    ),
}  # fmt: skip


def render(subject: Subject) -> dict[str, str]:
    """prometheus.yml, its alerts, and the dashboard: file name -> text. The same for equal networks."""
    return {
        "prometheus.yml": _yaml(prometheus(subject)),
        "alerts.yml": _yaml(alerts()),
        "dashboard.json": json.dumps(dashboard(subject), indent=2) + "\n",
    }


def write(directory: Path, files: Mapping[str, str]) -> None:
    """Write what `render` gave."""
    for name, text in files.items():
        write_atomically(directory / name, text, PUBLIC_FILE)


def prometheus(subject: Subject) -> dict[str, Any]:
    """The configuration: every operations port that is known, and the watch, which runs where Prometheus does."""
    return {
        "global": {"scrape_interval": "5s", "evaluation_interval": "15s"},
        "rule_files": ["alerts.yml"],
        "scrape_configs": [
            {
                "job_name": "fabric",
                "static_configs": [
                    {
                        "targets": [node.metrics_address],
                        "labels": {
                            "node": node.name,
                            "kind": node.kind,
                            "organization": node.organization,
                            "network": subject.name,
                        },
                    }
                    for node in subject.nodes
                    if node.metrics_address
                ],
            },
            {
                "job_name": "market",
                "honor_labels": True,  # the watch names the nodes itself
                "static_configs": [
                    {"targets": [f"127.0.0.1:{WATCH_PORT}"], "labels": {"network": subject.name}}
                ],
            },
        ],
    }


def alerts() -> dict[str, Any]:
    """What wakes somebody: a node gone, a peer behind, a certificate that ends, no leader."""

    def alert(name: str, expression: str, lasting: str, summary: str) -> dict[str, Any]:
        return {"alert": name, "expr": expression, "for": lasting, "annotations": {"summary": summary}}

    height = 'ledger_blockchain_height{kind="peer"}'
    return {
        "groups": [
            {
                "name": "commonwatt",
                "rules": [
                    alert("NodeDown", 'up{job="fabric"} == 0', "1m", "{{ $labels.node }} does not answer"),
                    alert(
                        "PeerBehind",
                        f"max by (channel) ({height}) - on (channel) group_right {height} > 5",
                        "2m",
                        "{{ $labels.node }} is {{ $value }} blocks behind on {{ $labels.channel }}",
                    ),
                    alert(
                        "NoLeader",
                        'sum by (channel) ({__name__=~"consensus_etcdraft_is_leader|consensus_BFT_is_leader"}) == 0',
                        "30s",
                        "channel {{ $labels.channel }} has no leader: nothing is ordered",
                    ),
                    alert(
                        "CertificateEnds",
                        f"commonwatt_certificate_days_left < {CERTIFICATE_WARNING_DAYS}",
                        "1h",
                        "{{ $labels.node }}'s TLS certificate ends in {{ $value }} days: renew it",
                    ),
                ],
            }
        ]
    }


def dashboard(subject: Subject) -> dict[str, Any]:
    """Grafana's model of the dashboard (schema version 39)."""
    panels: list[dict[str, Any]] = []
    top = 0
    for title, row in ROWS.items():
        panels.append({"id": len(panels) + 1, "type": "row", "title": title, "collapsed": False, "panels": [],
                       "gridPos": {"x": 0, "y": top, "w": 24, "h": 1}})  # fmt: skip
        left, top, deepest = 0, top + 1, 0
        for panel in row:
            width, height = (6, 4) if panel.kind == "stat" else (12, 8)
            if left + width > 24:
                left, top, deepest = 0, top + deepest, 0
            panels.append(_panel(len(panels) + 1, panel, {"x": left, "y": top, "w": width, "h": height}))
            left, deepest = left + width, max(deepest, height)
        top += deepest
    channels = list(subject.channels)
    return {
        "uid": f"commonwatt-{subject.name}"[:40],
        "title": f"Commonwatt: {subject.name}",
        "tags": ["commonwatt"],
        "schemaVersion": 39,
        "version": 1,
        "editable": True,
        "refresh": "5s",
        "time": {"from": "now-30m", "to": "now"},
        "timezone": "browser",
        "templating": {
            "list": [
                {"name": "source", "type": "datasource", "query": "prometheus", "label": "Prometheus"},
                {
                    "name": "channel",
                    "type": "custom",
                    "label": "Channel",
                    "query": ",".join(channels),
                    "includeAll": True,
                    "multi": True,
                    "current": {"text": ["All"], "value": ["$__all"]},
                    "options": [{"text": name, "value": name, "selected": False} for name in channels],
                },
            ]
        },
        "annotations": {"list": []},
        "panels": panels,
    }


def _panel(number: int, panel: Panel, position: Mapping[str, int]) -> dict[str, Any]:
    defaults: dict[str, Any] = {"unit": panel.unit}
    if panel.thresholds:
        steps = [{"value": value, "color": colour} for value, colour in panel.thresholds]
        defaults["thresholds"] = {"mode": "absolute", "steps": steps}
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "datasource": SOURCE,
        "gridPos": dict(position),
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "targets": [
            {"refId": chr(ord("A") + n), "datasource": SOURCE, "expr": query, "legendFormat": legend}
            for n, (legend, query) in enumerate(panel.queries.items())
        ],
    }


def _yaml(content: Mapping[str, Any]) -> str:
    return yaml.safe_dump(content, sort_keys=False, width=120)
