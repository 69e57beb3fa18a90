# SPDX-License-Identifier: Apache-2.0
"""A peer's metrics in Prometheus' text format, under Fabric's names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from commonwatt_network.embedded.peer.channel import PeerChannel
from commonwatt_network.embedded.transport.operations import Sample


@dataclass
class PeerMetrics:
    """What a peer counts of itself, for /metrics."""

    proposals_received: int = 0
    proposals_endorsed: int = 0
    proposal_duration_s: float = 0.0
    blocks_committed: int = 0
    transactions_committed: int = 0
    commit_duration_s: float = 0.0


def render_peer_metrics(metrics: PeerMetrics, channels: Mapping[str, PeerChannel]) -> str:
    """The body of /metrics."""
    heights = Sample(
        "ledger_blockchain_height",
        "gauge",
        "Height of the chain in blocks.",
        {name: float(channel.height) for name, channel in channels.items()},
    )
    counters = (
        ("endorser_proposals_received", "The number of proposals received.", metrics.proposals_received),
        ("endorser_successful_proposals", "The number of successful proposals.", metrics.proposals_endorsed),
        (
            "endorser_proposal_duration_sum",
            "Seconds spent on successful proposals.",
            metrics.proposal_duration_s,
        ),
        ("ledger_block_processing_time_count", "The number of blocks committed.", metrics.blocks_committed),
        (
            "ledger_block_processing_time_sum",
            "Seconds spent on committing blocks.",
            metrics.commit_duration_s,
        ),
        ("ledger_transaction_count", "Number of transactions processed.", metrics.transactions_committed),
    )
    lines = heights.lines()
    for name, description, value in counters:
        lines += [f"# HELP {name} {description}", f"# TYPE {name} counter", f"{name} {value:g}"]
    return "\n".join(lines) + "\n"
