# SPDX-License-Identifier: Apache-2.0
"""The contract's refusals by code: they leave nothing on the ledger, but the chaincode servers' logs name them."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

# `network up` asks a new channel whether a market stands on it: the refusal that answers is nobody's fault.
PROBED = "not_configured"
REFUSED = re.compile(rb"transaction \w+ on (\S+) refused: ([a-z_]+)")


class RefusalLog:
    """Counts the refusals in one server's log, from its beginning, as the log grows."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._position = 0
        self.counts: Counter[tuple[str, str]] = Counter()

    def read(self) -> None:
        """Take in what was written since the last time; a log that was put away begins anew."""
        try:
            if self._path.stat().st_size < self._position:
                self._position = 0
            with self._path.open("rb") as file:
                file.seek(self._position)
                written = file.read()
        except OSError:
            return
        complete = written[: written.rfind(b"\n") + 1]
        self._position += len(complete)
        for channel, code in REFUSED.findall(complete):
            if code.decode() != PROBED:
                self.counts[channel.decode(errors="replace"), code.decode()] += 1
