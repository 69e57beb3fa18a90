# SPDX-License-Identifier: Apache-2.0
"""What the paper leaves for the future, as experiments of ours: the paper has no figures of it.

It names three: the grid's side verifies, consensus goes from the community to the whole network, carbon quotas. Each
future has a function that makes its sections; here is the second one.
"""

from typing import Any

from commonwatt_loadgen.forward.community import community_in_process
from commonwatt_loadgen.forward.options import ForwardOptions
from commonwatt_loadgen.forward.region import region_in_process
from commonwatt_loadgen.report.axes import plain
from commonwatt_loadgen.report.exchange import exchange_section
from commonwatt_loadgen.report.figure import BATTERY_COLOUR, Figure, Table, canvas, svg_of
from commonwatt_loadgen.report.page import Section
from commonwatt_loadgen.simulate.options import SimulationOptions

Json = dict[str, Any]
COMMUNITIES, HOMES, SEED = 3, 20, 1
FEES_C = (0.0, 1.0, 5.0, 10.0, 20.0, 40.0)
_AUD_NAUD = 10**9


def futures(homes: int = HOMES, fees: tuple[float, ...] = FEES_C) -> Json:
    """A day of communities in the forward market, alone and with an exchange whose links cost each of `fees`."""
    run = SimulationOptions(seed=SEED, homes=homes, share_percent=50)
    options = ForwardOptions(run=run)
    traces, _ = run.trace_set()
    alone = [community_in_process(options, traces, place, alone=True) for place in range(COMMUNITIES)]
    days = [region_in_process(ForwardOptions(run=run, link_fee=fee), traces, alone) for fee in fees]
    return {
        "homes": homes,
        "alone": [{"channel": one["channel"], "totals": one["totals"]} for one in alone],
        "by_fee": days,
    }


def between_communities(found: Json) -> list[Section]:
    """The paper's second future: communities that trade what each leaves over."""
    days = found["by_fee"]
    fees = [one["link_fee_c_per_kwh"] for one in days]
    drawing = canvas()
    axes = drawing.subplots()
    axes.plot(fees, [one["gained_naud"] / _AUD_NAUD for one in days], "o-", color=BATTERY_COLOUR)
    axes.set_ylim(bottom=min(0, *(one["gained_naud"] / _AUD_NAUD for one in days)))
    axes.set_xlabel("fee of a link, c/kWh")
    axes.set_ylabel("homes pay less, AUD a day")
    plain(axes)
    table = Table(
        [
            "fee of a link, c/kWh",
            "kWh between communities",
            "links' fees, AUD",
            "homes pay less, AUD",
            "sums are zero",
        ],
        [
            [
                f"{one['link_fee_c_per_kwh']:g}",
                one["traded_wh"] / 1000,
                one["link_fee_naud"] / _AUD_NAUD,
                one["gained_naud"] / _AUD_NAUD,
                "yes" if one["money_balances"] and one["energy_balances"] else "no",
            ]
            for one in days
        ],
    )
    figure = Figure(
        "futures-fees",
        "What an exchange gains, by the fee of its links",
        "Fees go to the grid, so homes gain less of the same energy. Where forecasts err, a trade can cost more than "
        "it saved.",
        svg_of(drawing, "futures-fees", "A line: what homes pay less, by the fee of a link"),
        table,
    )
    text = (
        "The paper leaves three things for the future: verification by the grid's side, consensus first in the region "
        "and then in the whole network, and carbon quotas. What follows is ours: the paper has no figures of it. "
        "Verification is a program, `commonwatt verify --follow`, which computes each settlement anew and attests it; "
        "docs/verify.md says how it was tried. Consensus first in the "
        f"region and then in the whole network is the exchange: a day of {COMMUNITIES} communities of {found['homes']} "
        "homes, half of them with PV, in the forward market, beside the same communities alone."
    )
    nearest = min(days, key=lambda one: abs(one["link_fee_c_per_kwh"] - 1.0))
    own = Section("The paper's future, as we built it: between communities", text, figures=[figure])
    return [own, exchange_section(nearest, found["alone"])] if nearest["flows"] else [own]
