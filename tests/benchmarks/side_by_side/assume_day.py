# SPDX-License-Identifier: Apache-2.0
"""A day of the community of homes_of_a_day.py in ASSUME; runs in an environment of its own, never in ours.

    python3 -m venv ../assume && ../assume/bin/pip install assume-framework==0.6.0
    ../assume/bin/python tests/benchmarks/side_by_side/assume_day.py homes.json

Each home is a demand or, where it has more sun than use, a plant without marginal cost; the grid sells at the tariff.
A market of half hours clears 48 times, pay as clear. ASSUME counts in MW: homes' kW are taken for them.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from contextlib import chdir
from datetime import datetime, timedelta
from importlib.metadata import version

import pandas as pd
from dateutil import rrule

# ASSUME opens assume.log in the current folder as it is imported.
with tempfile.TemporaryDirectory() as folder, chdir(folder):
    from assume import World
    from assume.common.fast_pandas import FastIndex
    from assume.common.forecaster import DemandForecaster, PowerplantForecaster
    from assume.common.market_objects import MarketConfig, MarketProduct

SLOT = timedelta(minutes=30)
START = datetime(2012, 11, 1)
END = START + 47 * SLOT
GRID = 1e6


def main() -> None:
    with open(sys.argv[1], encoding="utf-8") as file:
        community = json.load(file)
    index = FastIndex(START, END + SLOT, freq="30min")
    slots = pd.date_range(START, END + SLOT, freq="30min")

    def series(values: list[float]) -> pd.Series:
        return pd.Series([*values, values[-1]], index=slots)

    imported = time.process_time()
    world = World(log_level="WARNING")
    world.setup(start=START, end=END, save_frequency_hours=48, simulation_id="day")
    world.add_market_operator(id="operator")
    world.add_market(
        "operator",
        MarketConfig(
            market_id="local",
            opening_hours=rrule.rrule(rrule.MINUTELY, interval=30, dtstart=START, until=END, cache=True),
            opening_duration=SLOT,
            market_mechanism="pay_as_clear",
            market_products=[MarketProduct(SLOT, 1, SLOT)],
            maximum_bid_volume=2 * GRID,
        ),
    )
    for name, home in community["homes"].items():
        net_kw = [(use - made) / 500 for use, made in zip(home["use_wh"], home["generation_wh"], strict=True)]
        world.add_unit_operator(name)
        world.add_unit(
            f"{name}-use",
            "demand",
            name,
            {
                "min_power": 0,
                "max_power": -max(max(net_kw), 0.001),
                "bidding_strategies": {"local": "demand_energy_naive"},
                "technology": "demand",
            },
            DemandForecaster(index, demand=series([-max(net, 0.0) for net in net_kw])),
        )
        most = max(-net for net in net_kw)
        if most > 0:
            world.add_unit(
                f"{name}-sun",
                "power_plant",
                name,
                {
                    "min_power": 0,
                    "max_power": most,
                    "bidding_strategies": {"local": "powerplant_energy_naive"},
                    "technology": "pv",
                },
                PowerplantForecaster(index, availability=series([max(-net, 0.0) / most for net in net_kw])),
            )
    world.add_unit_operator("grid")
    prices = [1000 * price for price in community["tariff_aud_per_kwh"]]
    world.add_unit(
        "grid",
        "power_plant",
        "grid",
        {
            "min_power": 0,
            "max_power": GRID,
            "bidding_strategies": {"local": "powerplant_energy_naive"},
            "technology": "grid",
        },
        PowerplantForecaster(index, fuel_prices={"others": series(prices)}),
    )
    ready = time.process_time()
    world.run()
    done = time.process_time()
    print(
        f"ASSUME {version('assume-framework')}: {len(community['homes'])} homes, 48 clearings: "
        f"{done - ready:.1f} s of processor time to run, {ready - imported:.1f} s to set up, "
        f"{imported:.1f} s to import"
    )


if __name__ == "__main__":
    main()
