# SPDX-License-Identifier: Apache-2.0
"""A community under a carbon quota: what it emits with the market and without, and who paid and got what."""

from commonwatt_loadgen.report.figure import Cell, Table
from commonwatt_loadgen.report.page import Section
from commonwatt_loadgen.report.units import NAUD_PER_AUD, UAUD_PER_CENT, Json

MG_PER_KG = 1_000_000


def carbon_section(carbon: Json) -> Section:
    """The sums in words, and a row for each home."""
    before, after = (carbon["emitted_mg"][which] / MG_PER_KG for which in ("without", "with"))
    homes = carbon["homes"]
    payers, takers = (sum(1 for one in homes if one[name]) for name in ("paid_naud", "got_naud"))
    paid, shared, fund = (carbon[f"{name}_naud"] / NAUD_PER_AUD for name in ("paid", "shared", "fund"))
    text = (
        f"Each home may emit {carbon['quota_g_per_day'] / 1000:,g} kg of CO2-e a day by energy from the grid; energy "
        f"of neighbours counts 0. The grid's energy emits {_intensity(carbon)}. All homes emit {after:,.1f} kg, and "
        f"{before:,.1f} kg with the same equipment and no market. Those above their quota pay "
        f"{carbon['price_uaud_per_kg'] / UAUD_PER_CENT:g} c/kg: {_homes(payers)} paid {paid:,.2f} AUD on some day, "
        f"{_homes(takers)} got {shared:,.2f} AUD, and the community's fund has {fund:,.2f} AUD. The quota moves money "
        "among homes alone, and the savings in this report leave it out."
    )
    rows: list[list[Cell]] = [
        [
            one["home"],
            one["without_mg"] / MG_PER_KG,
            one["emitted_mg"] / MG_PER_KG,
            one["paid_naud"] / NAUD_PER_AUD,
            one["got_naud"] / NAUD_PER_AUD,
            (one["paid_naud"] - one["got_naud"]) / NAUD_PER_AUD,
        ]
        for one in homes
    ]
    header = ["home", "no market, kg", "with market, kg", "paid, AUD", "got, AUD", "together, AUD"]
    return Section("Carbon quota", text, tables=[Table(header, rows)])


def _homes(count: int) -> str:
    return f"{count} home{'' if count == 1 else 's'}"


def _intensity(carbon: Json) -> str:
    hours = carbon["intensity"]
    if len(hours) == 1:
        return f"{hours[0][2]:,} g/kWh"
    return ", ".join(f"{grams:,} g/kWh from {begin} to {end} h" for begin, end, grams in hours)
