# SPDX-License-Identifier: Apache-2.0
"""Ends what a start has begun when the start itself dies.

`network-up` runs this beside itself and keeps its standard input open; `done` on it means all is well. When the
input closes without that word, the starter of the programs is gone, and the watchdog ends them too.
"""

from __future__ import annotations

import sys
from pathlib import Path

DONE = b"done"


def main() -> None:
    """Arguments: the network's folder and the start's id."""
    directory, start_id = sys.argv[1:3]
    if sys.stdin.buffer.read() == DONE:
        return
    # Imported only in need: this runs beside every start.
    from commonwatt_network.model.layout import Layout
    from commonwatt_network.programs.processes import running, stop

    found = running(Layout(Path(directory)), start_id)
    stop(process for processes in found.values() for process in processes)


if __name__ == "__main__":
    main()
