# SPDX-License-Identifier: Apache-2.0
"""`python off_clock.py FILE VERB...`: a verb of `commonwatt` on a machine whose clock is off, at each moment by as many
seconds as the file says.
"""

import sys
import time
from pathlib import Path


def main() -> None:
    file = Path(sys.argv[1])
    right, right_ns = time.time, time.time_ns

    def off_s() -> float:
        return float(file.read_text())

    time.time = lambda: right() + off_s()  # type: ignore[assignment]
    time.time_ns = lambda: right_ns() + int(off_s() * 1e9)  # type: ignore[assignment]
    from commonwatt_network.cli.main import main as commonwatt

    sys.argv = ["commonwatt", *sys.argv[2:]]
    commonwatt()


if __name__ == "__main__":
    main()
