# SPDX-License-Identifier: Apache-2.0
"""What a network needs of the place where its nodes run: the same for every backend.

Other packages ask a `Backend` about the place where a network runs; which backends there are is known here alone.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from commonwatt_network.errors import UsageError
from commonwatt_network.model.layout import Layout
from commonwatt_network.model.nodes import AuthorityServer, Node, Nodes, Orderer, Peer
from commonwatt_network.model.topology import Topology
from commonwatt_network.programs.processes import Program

COMPLETED = Path("snapshots") / "completed"
"""Where in its ledger a peer puts snapshots: in the channel's folder, each in one named by its newest block."""
Phase = Callable[[str], AbstractContextManager[None]]


@dataclass(frozen=True)
class File:
    """A file of a rendered network; `mode` 0600 where it is secret."""

    content: bytes
    mode: int = 0o644


Files = Mapping[str, File]


@dataclass(frozen=True)
class LogCommand:
    """The program that prints the log of a container."""

    words: Sequence[str]
    environment: Mapping[str, str]


@dataclass(frozen=True)
class Condition:
    """How a node does that runs in a container.

    `state` is running, stopped, suspended (paused), restarting, or unhealthy: it does not answer. `remedy` says what
    helps, where something does.
    """

    state: str
    remedy: str | None = None
    memory_bytes: int | None = None


class Backend(Protocol):
    """Where the orderers, peers and chaincode servers of a network run."""

    @property
    def name(self) -> str:
        """What `COMMONWATT_BACKEND=` calls it."""

    @property
    def in_containers(self) -> bool:
        """Whether nodes run in containers: such a network can be rendered."""

    @property
    def restart_grace_s(self) -> float:
        """How long a node that is started again at once may take to end, in seconds."""

    def require(self, nodes: Nodes) -> None:
        """Refuse what this machine cannot run. Raises UsageError with the reason and what to do."""

    def describe(self, nodes: Nodes) -> str:
        """What the nodes are, in a few words."""

    def dialled(self, nodes: Nodes) -> Nodes:
        """The nodes as they are dialled from this machine."""

    def among_themselves(self, nodes: Nodes) -> Nodes:
        """The nodes as they name themselves to each other and on their channels."""

    def monitored_host(self, node: Orderer | Peer) -> str:
        """The host at which Prometheus finds the node's operations port."""

    def programs(self, nodes: Nodes) -> list[Program]:
        """Write their configuration, and say what runs on this machine as processes."""

    def program_of(self, node: Node | AuthorityServer) -> str:
        """The name of the program of this machine that the node runs in, or is reached through."""

    def started(
        self, nodes: Nodes, phase: Phase, *, change: bool = False
    ) -> AbstractContextManager[tuple[str, ...]]:
        """Start what does not run as a process of this machine, and end it if the body fails. Yields the names.

        `change`: a step of a change needs it; orderers and peers that run stay as they are, as does all that was
        started, whatever becomes of the step.
        """

    def for_clients(self, nodes: Nodes) -> Nodes:
        """The running nodes as clients dial them, where that is not as this machine does."""

    def fetch(self, nodes: Nodes, topology: Topology) -> None:
        """Have at hand what `topology` runs from and `nodes` do not, so that no node is away while it is fetched.

        Raises NetworkError.
        """

    def snapshots(self, nodes: Nodes, peer: Peer, channel: str) -> list[int]:
        """The newest block of each snapshot of the channel that the peer has written."""

    def handed(self, nodes: Nodes, giver: Peer, channel: str, number: int, peer: Peer) -> str:
        """The path at which `peer` reads the snapshot that `giver` wrote at block `number`, put there where needed."""

    def end(self, nodes: Nodes, names: Collection[str]) -> None:
        """End these nodes where they are no processes of this machine; `started` starts them anew."""

    def begin_anew(self, nodes: Nodes, name: str) -> None:
        """End a node where it is no process of this machine and begin it anew, away no longer than that takes."""

    def end_others(self, nodes: Nodes) -> None:
        """End what runs beside `nodes` and is no process of this machine: former chaincode servers, nodes that went."""

    async def wait_ready(self, nodes: Nodes, pids: Mapping[str, int]) -> None:
        """Wait until every node serves. `pids`: node -> process behind it. Raises NotReadyError."""

    async def wait_leaders(self, nodes: Nodes, channels: Iterable[str]) -> None:
        """Wait until every channel has a leader among the orderers. Raises NotReadyError."""

    async def extend(self, nodes: Nodes) -> None:
        """Let a program that runs already take in nodes that came, where one program holds several."""

    def running(self, nodes: Nodes, alive: Collection[str]) -> set[str]:
        """The names of the nodes that run. `alive`: the programs of this machine that run."""

    def conditions(self, nodes: Nodes) -> Mapping[str, Condition]:
        """Node -> how it does, of those that run in containers; one that is not named there is stopped."""

    def holding_ports(self, nodes: Nodes, alive: Collection[str]) -> set[str]:
        """The names of the nodes whose ports on this machine are held by the network itself."""

    def log_command(
        self, nodes: Nodes, node: Node | AuthorityServer, lines: int, *, follow: bool
    ) -> LogCommand | None:
        """What prints the last `lines` lines of the node's log; None where the log is a file of this machine."""

    def check_ledgers(self, layout: Layout) -> tuple[int, Sequence[str]] | None:
        """How many files hold ledgers, and what is wrong with them; None where the nodes look after their own."""

    def stop(self, layout: Layout, *, delete: bool) -> tuple[str, ...]:
        """Stop what runs, but for processes of this machine; the names. `delete`: with all that it keeps."""

    def render(self, nodes: Nodes) -> Files:
        """The files by which others run the network. Raises UsageError where it takes none."""

    def write(self, directory: Path, files: Files) -> None:
        """Write what `render` gave."""


def numbered(folder: Path) -> list[int]:
    """The numbers among the names in a folder; empty for a folder that is missing."""
    return [int(entry.name) for entry in folder.iterdir() if entry.name.isdigit()] if folder.is_dir() else []


def refuse_determinism_guard(topology: Topology) -> None:
    """Raise UsageError where a topology wants what only the embedded network does."""
    if topology.determinism_guard:
        raise UsageError(
            "determinism_guard: true needs the embedded network; Fabric's own peers run a proposal once"
        )


def refuse_couchdb(topology: Topology) -> None:
    """Raise UsageError where a topology names CouchDB servers to a backend that renders none."""
    if topology.state not in (None, "leveldb"):
        raise UsageError("state: couchdb needs the native or the embedded network")


def refuse_programs_outside_images(topology: Topology) -> None:
    """Raise UsageError for chaincode that the chaincode's image does not hold."""
    for name, settings in topology.chaincodes.items():
        if settings.module is None:
            raise UsageError(
                f"chaincode {name} is no Python module; in containers the image {topology.images.chaincode} serves "
                "every chaincode, so run others with COMMONWATT_BACKEND=embedded or native"
            )
