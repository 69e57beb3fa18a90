# SPDX-License-Identifier: Apache-2.0
"""The same community of docs/comparison.md in both of our markets, timed.

.venv/bin/python tests/benchmarks/side_by_side/commonwatt_day.py 60 20
"""

import sys
import time
from pathlib import Path

from commonwatt_loadgen.forward.community import community_in_process as forward_community
from commonwatt_loadgen.forward.options import ForwardOptions
from commonwatt_loadgen.simulate.inprocess import community_in_process
from commonwatt_loadgen.simulate.options import SimulationOptions

imported_s = time.process_time()
options = SimulationOptions(
    homes=int(sys.argv[1]),
    share_percent=float(sys.argv[2]),
    battery="sell-all",
    data=False,
    out=Path("unused"),
)
traces, _ = options.trace_set()
for name, run in (
    ("ex post", lambda: community_in_process(options, traces, 0, alone=True)),
    ("forward", lambda: forward_community(ForwardOptions(run=options), traces, 0, alone=True)),
):
    started_s = time.process_time()
    run()
    print(
        f"{name}: {options.homes} homes, a day: {time.process_time() - started_s:.2f} s of processor time, "
        f"{imported_s:.1f} s to import"
    )
