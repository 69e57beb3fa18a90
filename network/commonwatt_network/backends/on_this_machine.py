# SPDX-License-Identifier: Apache-2.0
"""What the backends have in common whose nodes are processes of this machine."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from commonwatt_network.backends.backend import COMPLETED, Backend, Condition, Files, Phase, numbered
from commonwatt_network.errors import UsageError
from commonwatt_network.model.layout import Layout
from commonwatt_network.model.nodes import AuthorityServer, Node, Nodes, Orderer, Peer
from commonwatt_network.model.topology import Topology


class OnThisMachine(Backend):
    """Nodes dial each other as this machine dials them; nothing of them is elsewhere."""

    in_containers = False
    restart_grace_s = 10.0

    def dialled(self, nodes: Nodes) -> Nodes:
        return nodes

    def among_themselves(self, nodes: Nodes) -> Nodes:
        return nodes

    def monitored_host(self, node: Orderer | Peer) -> str:
        return node.management

    def started(
        self, nodes: Nodes, phase: Phase, *, change: bool = False
    ) -> AbstractContextManager[tuple[str, ...]]:
        return nullcontext(())

    def for_clients(self, nodes: Nodes) -> Nodes:
        return nodes

    def fetch(self, nodes: Nodes, topology: Topology) -> None:
        return None

    def snapshots(self, nodes: Nodes, peer: Peer, channel: str) -> list[int]:
        return numbered(peer.ledger / COMPLETED / channel)

    def handed(self, nodes: Nodes, giver: Peer, channel: str, number: int, peer: Peer) -> str:
        return str(giver.ledger / COMPLETED / channel / str(number))

    def end(self, nodes: Nodes, names: Collection[str]) -> None:
        return None

    def begin_anew(self, nodes: Nodes, name: str) -> None:
        return None

    def end_others(self, nodes: Nodes) -> None:
        return None

    async def extend(self, nodes: Nodes) -> None:
        return None

    def running(self, nodes: Nodes, alive: Collection[str]) -> set[str]:
        everyone = (*nodes.fabric_nodes, *nodes.chaincode_servers, *nodes.authorities)
        return {node.name for node in everyone if self.program_of(node) in alive}

    def conditions(self, nodes: Nodes) -> Mapping[str, Condition]:
        return {}

    def holding_ports(self, nodes: Nodes, alive: Collection[str]) -> set[str]:
        return self.running(nodes, alive)

    def log_command(self, nodes: Nodes, node: Node | AuthorityServer, lines: int, *, follow: bool) -> None:
        return None

    def stop(self, layout: Layout, *, delete: bool) -> tuple[str, ...]:
        return ()

    def render(self, nodes: Nodes) -> Files:
        raise UsageError(f"the {self.name} network takes no files; it runs on this machine alone")

    def write(self, directory: Path, files: Files) -> None:
        raise UsageError(f"the {self.name} network takes no files; it runs on this machine alone")
