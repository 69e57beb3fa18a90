# SPDX-License-Identifier: Apache-2.0
"""What flowed between communities, and what their exchange gained over separate ones."""

from commonwatt_loadgen.report.figure import Table
from commonwatt_loadgen.report.page import Section
from commonwatt_loadgen.report.units import Json

_AUD_NAUD = 10**9


def exchange_section(exchange: Json) -> Section:
    """Both tables; the second one by seller and buyer."""
    gained = exchange["gained_naud"] / _AUD_NAUD
    text = (
        f"Each community clears first and offers what is left to the others, in levels of several homes. Over links "
        f"of {exchange['link_limit_w'] / 1000:,g} kW, at {exchange['link_fee_c_per_kwh']:g} c/kWh, "
        f"{exchange['traded_wh'] / 1000:,.1f} kWh went from one community to another. Their homes pay "
        f"{abs(gained):,.2f} AUD {'less' if gained >= 0 else 'more'} than in separate communities. The other parts of "
        "this report are about separate ones."
    )
    communities = Table(
        [
            "",
            "imported, kWh",
            "exported, kWh",
            "paid to others, AUD",
            "homes pay, AUD",
            "alone, AUD",
            "gain, AUD",
        ],
        [
            [
                one["channel"],
                one["imported_wh"] / 1000,
                one["exported_wh"] / 1000,
                one["exchange_naud"] / _AUD_NAUD,
                one["amount_naud"]["with"] / _AUD_NAUD,
                one["amount_naud"]["alone"] / _AUD_NAUD,
                one["gained_naud"] / _AUD_NAUD,
            ]
            for one in exchange["communities"]
        ],
    )
    flows = Table(
        ["from and to", "kWh", "the seller gets, AUD", "links' fees, AUD"],
        [
            [
                f"{one['from']} to {one['to']}",
                one["energy_wh"] / 1000,
                one["seller_naud"] / _AUD_NAUD,
                one["fee_naud"] / _AUD_NAUD,
            ]
            for one in exchange["flows"]
        ],
    )
    return Section("Between communities", text, tables=[communities, *([flows] if exchange["flows"] else [])])
