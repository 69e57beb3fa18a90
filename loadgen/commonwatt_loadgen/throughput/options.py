# SPDX-License-Identifier: Apache-2.0
"""How to load a network."""

from dataclasses import dataclass
from pathlib import Path

from commonwatt_client.exit_codes import UsageError
from commonwatt_community.market.carrier import LARGEST_BATCH

from commonwatt_loadgen.throughput.workload import MESSAGES, READINGS


@dataclass(frozen=True)
class LoadOptions:
    """What the command takes; see its help."""

    rate: str = "constant:50"
    duration_s: float = 30.0
    workers: int = 1
    in_flight: int = 0  # above 0: closed loop
    timeout_s: float = 30.0  # of each phase
    p95_s: float = 2.0
    error_percent: float = 0.1
    seed: int = 1
    network_file: Path | None = None
    dask: str | None = None  # a scheduler's address; None: processes of this machine
    ask_status: bool = False  # of each transaction, as applications do, rather than read blocks
    scenario: str | None = None  # None: what the network's market takes
    batch: int = 0  # messages of a transaction; 0: 500, or as many as the homes say of a period
    connections: int = 1  # of each generator, to each organisation's peer

    def check(self) -> None:
        """Raise UsageError for a value that cannot be."""
        for name, value, low, high in (
            ("--duration", self.duration_s, 1, 86_400),
            ("--workers", self.workers, 1, 256),
            ("--in-flight", self.in_flight, 0, 100_000),
            ("--timeout", self.timeout_s, 0.1, 3600),
            ("--p95", self.p95_s, 0, 86_400),
            ("--errors", self.error_percent, 0, 100),
            ("--batch", self.batch, 0, LARGEST_BATCH),
            ("--connections", self.connections, 1, 64),
        ):
            if not low <= value <= high:
                raise UsageError(f"{name} {value:g}: must be within {low}..{high}")
        if self.scenario not in (None, READINGS, MESSAGES):
            raise UsageError(f"--scenario {self.scenario}: is neither {READINGS} nor {MESSAGES}")
