# SPDX-License-Identifier: Apache-2.0
"""What orderers and peers tell of themselves on their operations ports, in Prometheus' text format."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import aiohttp

from commonwatt_network.watch.subject import WatchedNode

SAMPLE = re.compile(r"^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$")
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
LEADER = ("consensus_etcdraft_is_leader", "consensus_BFT_is_leader")
TIMEOUT = aiohttp.ClientTimeout(total=2)


@dataclass(frozen=True)
class Metrics:
    """One reading of a node's metrics; empty when it does not answer."""

    samples: tuple[tuple[str, dict[str, str], float], ...] = ()

    def total(self, *names: str) -> float:
        """The sum over all labels."""
        return sum(value for name, _, value in self.samples if name in names)

    def channels(self, *names: str) -> dict[str, float]:
        """Channel -> value."""
        return {
            labels["channel"]: value
            for name, labels, value in self.samples
            if name in names and "channel" in labels
        }


@dataclass(frozen=True)
class Reading:
    """All nodes at one moment: node name -> metrics."""

    metrics: dict[str, Metrics] = field(default_factory=dict)

    def heights(self, channel: str, names: Iterable[str]) -> dict[str, int | None]:
        """Node -> blocks it has of a channel; None where it does not answer."""
        found = {
            name: self.metrics.get(name, Metrics()).channels("ledger_blockchain_height") for name in names
        }
        return {
            name: int(heights[channel]) if channel in heights else None for name, heights in found.items()
        }

    def work(self, peer: str) -> dict[str, float]:
        """A peer's work since it started: mean time to commit a block, in ms, and proposals that it did not endorse."""
        metrics = self.metrics.get(peer, Metrics())
        blocks = metrics.total("ledger_block_processing_time_count")
        commit_s = metrics.total("ledger_block_processing_time_sum")
        asked, endorsed = (
            metrics.total("endorser_proposals_received"),
            metrics.total("endorser_successful_proposals"),
        )
        return {
            "commit_ms": round(1000 * commit_s / blocks, 1) if blocks else 0.0,
            "not_endorsed": max(0.0, asked - endorsed),
        }

    def leader(self, channel: str, orderers: Iterable[str]) -> str | None:
        """The orderer that calls itself leader of a channel."""
        named = (
            name for name in orderers if self.metrics.get(name, Metrics()).channels(*LEADER).get(channel) == 1
        )
        return next(named, None)


def parse(text: str) -> Metrics:
    """Metrics from Prometheus' text format; lines that are none are left out."""
    matched = (SAMPLE.match(line) for line in text.splitlines() if not line.startswith("#"))
    return Metrics(
        tuple((found[1], dict(LABEL.findall(found[2] or "")), float(found[3])) for found in matched if found)
    )


async def read_nodes(session: aiohttp.ClientSession, nodes: Sequence[WatchedNode]) -> Reading:
    """Ask every orderer and peer at once; a node that does not answer in time is left out."""

    async def ask(address: str) -> Metrics | None:
        try:
            async with session.get(f"http://{address}/metrics", timeout=TIMEOUT) as answer:
                return parse(await answer.text()) if answer.status == 200 else None
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
            return None

    known = [node for node in nodes if node.operations_address]
    answers = await asyncio.gather(*(ask(node.operations_address) for node in known))
    pairs = zip(known, answers, strict=True)
    return Reading({node.name: metrics for node, metrics in pairs if metrics is not None})


def orderer_names(nodes: Sequence[WatchedNode]) -> list[str]:
    return [node.name for node in nodes if node.kind == "orderer"]
