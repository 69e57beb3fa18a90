# SPDX-License-Identifier: Apache-2.0
"""What each field of summary.json means."""

DEFINITIONS = {
    "_wh": "energy in watt-hours",
    "_naud": "money in 10^-9 AUD, exact",
    "_uaud_per_kwh": "price in 10^-6 AUD per kWh",
    "_percent": "hundredths, rounded to one decimal",
    "use": "consumption of the home as metered",
    "generation": "PV generation as metered",
    "direct": "use served by the home's own PV at once",
    "own": "use served by the home's own battery",
    "need": "use left to be bought, from neighbours or the grid",
    "p2p": "bought from neighbours",
    "grid": "bought from the grid",
    "grid_charge": "stored from the grid in its cheapest band, where the community allows it",
    "charged": "PV surplus stored in the home's own battery",
    "spill": "PV surplus that found no room",
    "sold": "battery energy sold to neighbours",
    "amount_naud": "what a home pays for a day (negative: receives)",
    "same_equipment_naud": "the same homes and equipment without a market: own PV and battery for own use, surplus at "
    "the feed-in tariff, the rest from the grid; batteries start as with the market",
    "saved_naud": "same_equipment_naud less amount_naud; negative: worse off with the market",
    "traditional_naud": "the paper's baseline: all use from the grid, all generation at the feed-in tariff",
    "with": "with the market",
    "without": "the same homes and equipment without a market",
    "hours": "energy by the hour in which it flowed; an interval's energy is spread over its minutes",
    "load_duration_wh": "the community's import of an hour that 0, 5, ... 100 % of the hours exceed",
    "policies": "the same homes, days and seed under each battery policy, traded once more in-process; the first is "
    "the run's own; null where homes x days exceed 2,000, or no home has a battery",
    "mechanism": "transactions and the network processes' processor time, in all and per kWh that neighbours traded; "
    "null where the network's processes are not on this machine; bytes on the ledger are not measured",
    "worse_off": "homes that pay more with the market than with the same equipment without it",
    "suggested_uaud_per_kwh": "mean of p_S, the asking price suggested to sellers (equation 5)",
    "traded_uaud_per_kwh": "mean price of the energy traded; null where none was",
    "start_min": "minutes from 0:00 of the first simulated day",
    "half_hours": "prices and batteries through time; whole days where more than 14 were simulated",
    "battery_begin_wh": "what batteries held before the first day",
    "disutility": "consumers' load moved within its day and their discomfort in money; `at_rest`: the same homes, days "
    "and seed traded once more, in-process, with loads that do not move; null where loads do not move",
}
