# SPDX-License-Identifier: Apache-2.0
"""`commonwatt chaincode dev` as a person runs it: in a terminal of its own, beside saves and Ctrl-C."""

from __future__ import annotations

import re
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from ..acceptance.conftest import Shell


@dataclass
class Dev:
    """`commonwatt chaincode dev` in a folder, in a terminal of its own."""

    shell: Shell
    process: subprocess.Popen[str]
    output: Path
    read: int = field(default=0)

    def says(self, words: str, timeout_s: float = 60.0) -> str:
        """What it has said since the last time that this was asked, up to `words`."""
        deadline = time.monotonic() + timeout_s
        while True:
            text = self.output.read_text()[self.read :]
            if (found := re.search(words, text)) is not None:
                self.read += found.end()
                return text[: found.end()]
            assert self.process.poll() is None, f"it ended: {text}"
            assert time.monotonic() < deadline, f"it did not say {words!r} but: {text}"
            time.sleep(0.05)

    def save(self, old: str, new: str, file: str = "assets.py") -> float:
        """Replace a text of the contract; the time."""
        path = self.shell.folder / file
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))
        return time.monotonic()

    def ends(self) -> tuple[int, str]:
        """Ctrl-C; the exit code, and its last words."""
        self.process.send_signal(signal.SIGINT)
        code = self.process.wait(20)
        return code, self.output.read_text()[self.read :]


@contextmanager
def dev(shell: Shell, *arguments: str, **variables: str) -> Iterator[Dev]:
    output = shell.folder.parent / f"dev{time.monotonic_ns()}.txt"
    with output.open("w") as file:
        process = subprocess.Popen(
            [shell.command, "chaincode", "dev", *arguments],
            cwd=shell.folder,
            env=shell.environment(**variables),
            stdout=file,
            stderr=subprocess.STDOUT,
            text=True,
        )
    try:
        yield Dev(shell, process, output)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
