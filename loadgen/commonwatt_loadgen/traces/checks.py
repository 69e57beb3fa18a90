# SPDX-License-Identifier: Apache-2.0
"""What can be wrong with a trace file, and how it is said."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Problem:
    """One finding in a trace file: where it is, what it is, and the repair that was applied (or why there
    is none).
    """

    file: str
    line: int
    code: str
    message: str
    repair: str = ""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place}: {self.message}" + (f" ({self.repair})" if self.repair else "")


class TraceError(ValueError):
    """A trace file cannot be used; the message says where and why."""

    def __init__(self, path: Path | str, line: int, message: str) -> None:
        place = f"{path}:{line}" if line else f"{path}"
        super().__init__(f"{place}: {' '.join(message.split())}")  # one line, whatever a file holds


def counted(problems: list[Problem]) -> dict[str, int]:
    """How often each kind of problem occurred, by code."""
    counts: dict[str, int] = {}
    for problem in problems:
        counts[problem.code] = counts.get(problem.code, 0) + 1
    return dict(sorted(counts.items()))
