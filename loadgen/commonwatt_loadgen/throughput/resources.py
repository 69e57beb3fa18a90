# SPDX-License-Identifier: Apache-2.0
"""The network's processes and nodes while a test runs, once a second on the run's own time axis."""

import json
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import psutil
from commonwatt_client.network_file import CONNECTED, NetworkFile

from commonwatt_loadgen.throughput.node_metrics import operations_addresses, scrape

_INTERVAL_S = 1.0


class NetworkSampler:
    """Samples in a thread from `start` to `stop`.

    `processes`: processor time and memory of each process (psutil). `nodes`: what each node's /metrics said.
    """

    def __init__(self, network: NetworkFile) -> None:
        self._found = {} if network.backend == CONNECTED else network_processes(network.path.parent)
        self._addresses = operations_addresses(network.content)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._started = 0.0
        self.processes: list[dict[str, Any]] = []
        self.nodes: list[dict[str, Any]] = []

    def start(self) -> None:
        """Begin; now is second 0."""
        for process in self._found.values():
            _used(process)  # the first call of cpu_percent only sets its mark
        self._started = time.monotonic()
        self._thread.start()

    def stop(self) -> None:
        """End; harmless where it never began."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join()

    def heights(self) -> dict[str, dict[str, int]]:
        """Each node's newest heights by channel."""
        return {
            one["node"]: one["heights"] for one in self.nodes[-4 * len(self._addresses) :] if one["heights"]
        }

    def _sample(self) -> None:
        while True:
            for name, process in self._found.items():
                if used := _used(process):
                    self.processes.append({"at_s": self._now_s(), "process": name, **used})
            for name, address in self._addresses.items():
                if (told := scrape(address)) is not None:
                    self.nodes.append({"at_s": self._now_s(), "node": name, **told})
            if self._stop.wait(_INTERVAL_S):
                return

    def _now_s(self) -> float:
        return round(time.monotonic() - self._started, 1)


def _used(process: psutil.Process) -> dict[str, Any] | None:
    try:
        with process.oneshot():
            return {
                "cpu_percent": round(process.cpu_percent(), 1),
                "memory_mb": round(process.memory_info().rss / 1e6, 1),
            }
    except psutil.Error:
        return None


def network_processes(network_directory: Path) -> dict[str, psutil.Process]:
    """The network's processes by name, as `commonwatt network status --json` names them; empty if it fails."""
    command = [str(Path(sys.executable).with_name("commonwatt")), "network", "status", "--json"]
    try:
        answer = subprocess.run(
            [*command, "--directory", str(network_directory)], capture_output=True, timeout=30, check=False
        )
        described = json.loads(answer.stdout)["processes"]
    except (OSError, ValueError, KeyError, TypeError, subprocess.TimeoutExpired):
        return {}
    names: dict[int, list[str]] = {}
    for one in described:
        if one.get("pid"):
            names.setdefault(int(one["pid"]), []).append(str(one["name"]))
    found = {}
    for pid, together in names.items():  # several nodes may live in one process
        try:
            found[", ".join(together)] = psutil.Process(pid)
        except psutil.Error:
            continue
    return found
