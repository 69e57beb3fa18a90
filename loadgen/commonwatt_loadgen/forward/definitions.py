# SPDX-License-Identifier: Apache-2.0
"""What each field of a forward simulation's summary.json means."""

SCHEMA = "commonwatt-forward-simulation-1"
DEFINITIONS = {
    "_wh": "energy in watt-hours",
    "_w": "mean power of a period in watts",
    "_naud": "money in 10^-9 AUD, exact; what homes pay, negative: receive",
    "_uaud_per_kwh": "price in 10^-6 AUD per kWh",
    "_percent": "hundredths, rounded to one decimal",
    "use": "consumption of the home",
    "generation": "PV generation of the home, before what it curtails",
    "direct": "use served by the home's own PV at once",
    "own": "use served by the home's own battery",
    "contract": "import that a contract covers",
    "grid": "import that neither contract nor share covers",
    "charged": "PV surplus stored in the home's own battery",
    "curtailed": "generation that the panels held back to keep the envelope",
    "import, export": "the registers of the meter at the connection point, never netted",
    "bought, sold": "contracts: energy awarded before the period",
    "shared_in, shared_out": "energy shared with neighbours after the period",
    "grid_in, grid_out": "energy settled with the grid; grid_in - grid_out - breach = import - export",
    "delivered": "export that a contract covers",
    "fed_in": "export that the grid takes at the feed-in price",
    "over": "bought and not imported; it goes to the grid at the feed-in price",
    "missing": "sold and not exported; it comes from the grid",
    "breach": "export beyond the envelope, which earns nothing",
    "imbalance_naud": "what homes paid more than with contracts for just what they metered: over x (price + local fee "
    "- feed-in price) + missing x (grid's price - price)",
    "same_equipment_naud": "the same homes and equipment without a market: own PV and battery for own use, surplus at "
    "the feed-in price up to the envelope, the rest from the grid; batteries start as with the market",
    "saved_naud": "same_equipment_naud less amount_naud; negative: worse off with the market",
    "fixed_naud": "supply and demand charges and carbon, with the market and without",
    "carbon": "what homes emit by energy from the grid, with the market and without; what homes above their quota pay, "
    "what those below get of it, and the fund, which keeps the rest; null without --carbon-quota",
    "_mg": "mass of CO2-e in milligrams",
    "with": "with the market; imports and exports are those settled with the grid",
    "without": "the same homes and equipment without a market",
    "feeder": "where all homes meet: the net of all imports and exports in a period; bills do not change it",
    "hours": "by local hour of the day",
    "periods": "prices, energy and batteries through time; whole days where more than 14 were simulated",
    "start_min": "local minutes from 0:00 of the first simulated day; every day has 1,440",
    "load_duration_wh": "the community's import of an hour that 0, 5, ... 100 % of the hours exceed",
    "pairs": "each seller's contracts and shares of a period, allocated to all buyers in proportion to what they took; "
    "rounded to Wh at the end; null where there are too many homes",
    "envelopes": "who kept to the envelopes; null where none was in force",
    "compared": "the same homes, days and seed under each forecast and under each battery plan; the first is the run's "
    "own; null where homes x days exceed 2,000",
    "forecast_error_wh": "by how much homes' forecasts of net use were off, the mean of the periods that they bid for",
    "performance": "committed transactions, their rate and latency; empty in-process",
    "commit_latency_ms": "ms from a transaction's proposal to the notice of its commit, in percentiles",
    "retries": "transactions that lost a race, or met a peer that was a block behind, and were tried again",
    "mechanism": "transactions and the network processes' processor time, in all and per kWh that contracts and shares "
    "carry; null where the network's processes are not on this machine; bytes on the ledger are not measured",
    "exchange": "the same communities, homes, days and seed, trading what each leaves over, beside the same alone; "
    "exchange_naud: what its homes pay other communities; gained_naud: what they pay less than alone",
    "refused": "bids that the clearing refused, by code",
}
