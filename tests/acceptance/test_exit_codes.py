"""Every verb ends with the codes of docs/exit-codes.md, whatever the network is like."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from .conftest import Shell

# Verbs that need the network that is up; with arguments that are right.
ON_A_NETWORK: dict[str, tuple[str, ...]] = {
    "network status": ("network", "status"),
    "topology show": ("topology", "show"),
    "plan": ("plan",),
    "apply": ("apply",),
    "network revoke": ("network", "revoke", "newtown", "home001"),
    "network monitoring": ("network", "monitoring", "--output", "monitoring"),
    "watch": ("watch", "--port", "0"),
    "simulate": ("simulate",),
    "load": ("load", "--duration", "1"),
    "load-max": ("load-max", "--duration", "1"),
    "caliper": ("caliper",),
    "verify": ("verify",),
    "hems": ("hems", "home001"),
}
# Those of them that speak to the network's nodes, so that they notice one that is stopped.
SPEAKING = ("simulate", "load", "load-max", "caliper", "verify", "hems")
# Verbs that need no network, and an argument that cannot be right.
WRONG_USE: dict[str, tuple[str, ...]] = {
    "unknown verb": ("nonsense",),
    "unknown option": ("simulate", "--nonsense"),
    "network up": ("network", "up", "--topology", "nowhere.yaml"),
    "topology check": ("topology", "check", "nowhere.yaml"),
    "clear": ("clear", "nowhere.json"),
    "prices": ("prices", "nowhere.json"),
    "verify": ("verify", "--blocks", "nowhere"),
    "load": ("load", "--duration", "nan"),
    "load rate": ("load", "--rate", "nan"),
    "paper": ("paper", "--seeds", "0"),
    "explain": ("explain", "NOTHING_LIKE_IT"),
    "simulate": ("simulate", "--in-process", "--traces", "nowhere.csv"),
    "org status": ("org", "status"),
    "consortium show": ("consortium", "show", "nowhere.block"),
}


def ended(shell: Shell, commands: dict[str, tuple[str, ...]]) -> dict[str, subprocess.CompletedProcess[str]]:
    """Each command, run to its end; two at a time."""
    with ThreadPoolExecutor(2) as pool:
        return dict(zip(commands, pool.map(lambda words: shell.run(*words), commands.values()), strict=True))


def codes(results: dict[str, subprocess.CompletedProcess[str]]) -> dict[str, int]:
    for name, result in results.items():
        assert "Traceback" not in result.stderr, f"{name}: {result.stderr}"
    return {name: result.returncode for name, result in results.items()}


def test_without_a_network(shell: Shell) -> None:
    results = ended(shell, ON_A_NETWORK)
    assert codes(results) == dict.fromkeys(ON_A_NETWORK, 3)
    for name, result in results.items():
        assert "make network-up" in result.stderr, name
        assert len(result.stderr.strip().splitlines()) == 1, result.stderr


def test_wrong_use(shell: Shell) -> None:
    assert codes(ended(shell, WRONG_USE)) == dict.fromkeys(WRONG_USE, 2)


@pytest.mark.timeout(240)
def test_a_stopped_network_a_missed_threshold_and_a_lost_network(shell: Shell) -> None:
    assert shell.up().returncode == 0
    missed = shell.run("load", "--duration", "1", "--rate", "constant:5", "--p95", "0.0001")
    assert (missed.returncode, "NOT MET" in missed.stdout) == (1, True), missed.stderr

    simulation = subprocess.Popen(
        [shell.command, "simulate", "--days", "30"],
        cwd=shell.folder,
        env=shell.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    begun = shell.folder / "out" / "simulate"
    while simulation.poll() is None and not (begun.exists() and any(begun.iterdir())):
        time.sleep(0.1)
    for process in [one for group in shell.processes().values() for one in group]:
        os.kill(process.pid, signal.SIGKILL)
    _, told = simulation.communicate(timeout=90)
    assert simulation.returncode == 3, told
    assert "make network-up" in told

    assert shell.run("network", "down").returncode == 0
    stopped = ended(shell, {name: ON_A_NETWORK[name] for name in SPEAKING})
    assert codes(stopped) == dict.fromkeys(SPEAKING, 3), {name: one.stderr for name, one in stopped.items()}
