# SPDX-License-Identifier: Apache-2.0
"""Trade that goes on while organisations change: consortium_client.py in a process of its own, and its journal."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

CLIENT = Path(__file__).with_name("consortium_client.py")


class Trading:
    """Steady trade of one organisation while something happens. `command` makes the client's of these arguments."""

    def __init__(self, folder: Path, command: Callable[..., list[str]], first_clock: int) -> None:
        self.journal = folder / f"journal-{first_clock}"
        self.journal.touch()
        self.stop = folder / f"stop-{first_clock}"
        words = command(str(first_clock), str(self.journal), str(self.stop))
        self.process = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)

    def committed(self, since: float = 0.0) -> list[tuple[float, str]]:
        """Time and id of every transaction committed since then."""
        lines = (line.split() for line in self.journal.read_text().splitlines())
        return [(float(at), transaction) for at, transaction in lines if float(at) > since]

    def wait_for_more(self, count: int, timeout_s: float = 90) -> None:
        """Until so many transactions more are committed."""
        since, deadline = time.time(), time.monotonic() + timeout_s
        while len(self.committed(since)) < count:
            if time.monotonic() > deadline:
                self.process.kill()
                pytest.fail(f"nobody could trade: {self.process.communicate()[1]}")
            assert self.process.poll() is None, self.process.communicate()[1]
            time.sleep(0.1)

    def end(self) -> tuple[list[str], float]:
        """The transactions, and the longest time between two of them in seconds."""
        self.stop.touch()
        _, said = self.process.communicate(timeout=60)
        assert self.process.returncode == 0, said
        committed = self.committed()
        times = [at for at, _ in committed]
        return [transaction for _, transaction in committed], max(map(float.__sub__, times[1:], times))

    def __enter__(self) -> Trading:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()
