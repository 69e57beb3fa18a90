# SPDX-License-Identifier: Apache-2.0
"""An orderer's metrics in Prometheus' text format, under Fabric's names."""

from __future__ import annotations

from commonwatt_network.embedded.orderer.service import Orderer
from commonwatt_network.embedded.transport.operations import Sample


def render_orderer_metrics(orderer: Orderer) -> str:
    """The body of /metrics."""
    channels = {name: orderer.channel(name) for name in sorted(orderer.joined)}
    samples = (
        Sample(
            "consensus_etcdraft_is_leader",
            "gauge",
            "The leadership status of the current node: 1 if it is the leader else 0.",
            {name: float(orderer.leads(name)) for name in channels},
        ),
        Sample(
            "ledger_blockchain_height",
            "gauge",
            "Height of the chain in blocks.",
            {name: float(channel.height) for name, channel in channels.items()},
        ),
        Sample(
            "consensus_etcdraft_normal_proposals_received",
            "counter",
            "The total number of proposals received for normal type transactions.",
            {name: float(channel.counters.envelopes) for name, channel in channels.items()},
        ),
        Sample(
            "broadcast_rejected_count",
            "counter",
            "The number of envelopes that were refused.",
            {name: float(channel.counters.rejected) for name, channel in channels.items()},
        ),
    )
    return "\n".join(line for sample in samples for line in sample.lines()) + "\n"
