"""Processor time and memory of every process of the network while a test runs."""

import json
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import psutil

_INTERVAL_S = 1.0


class ResourceSampler:
    """Samples the network's processes once a second in a thread; `with` starts and stops it."""

    def __init__(self, network_directory: Path) -> None:
        self._processes = network_processes(network_directory)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._started = time.monotonic()
        self.samples: list[dict[str, Any]] = []

    def __enter__(self) -> "ResourceSampler":
        for process in self._processes.values():
            _used(process)  # the first call of cpu_percent only sets its mark
        self._started = time.monotonic()
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._stop.set()
        self._thread.join()

    def _sample(self) -> None:
        while not self._stop.wait(_INTERVAL_S):
            at_s = round(time.monotonic() - self._started, 1)
            for name, process in self._processes.items():
                if used := _used(process):
                    self.samples.append({"at_s": at_s, "process": name, **used})


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
    """The network's processes by name, as `commonwatt network status --json` names them; none where it cannot say."""
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
