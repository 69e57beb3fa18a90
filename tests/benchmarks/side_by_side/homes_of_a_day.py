# SPDX-License-Identifier: Apache-2.0
"""Print the community that docs/comparison.md names, as JSON: each home's use and generation of 48 half hours in Wh.

.venv/bin/python tests/benchmarks/side_by_side/homes_of_a_day.py 60 20 > homes.json
"""

import json
import sys

from commonwatt_chaincode.market.tariff import TABLE_2, tou_at
from commonwatt_loadgen.simulate.options import SimulationOptions
from commonwatt_loadgen.simulate.people import draw_homes

HOMES, SHARE_PERCENT = int(sys.argv[1]), float(sys.argv[2])

options = SimulationOptions(homes=HOMES, share_percent=SHARE_PERCENT)
traces, _ = options.trace_set()
names = [f"home{number:03d}" for number in range(1, HOMES + 1)]
homes = {
    home.home: {
        "use_wh": [home.usage.energy_wh(start, start + 30) for start in range(0, 1440, 30)],
        "generation_wh": [home.generation.energy_wh(start, start + 30) for start in range(0, 1440, 30)],
    }
    for home in draw_homes(options, names, traces, 1)
}
tariff = [tou_at(TABLE_2, start) / 1_000_000 for start in range(0, 1440, 30)]  # AUD per kWh
json.dump({"homes": homes, "tariff_aud_per_kwh": tariff, "feed_in_aud_per_kwh": 0.1}, sys.stdout)
