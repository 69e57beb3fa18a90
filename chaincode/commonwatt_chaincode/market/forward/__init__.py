# SPDX-License-Identifier: Apache-2.0
"""The forward market's rules: bids before a period, settlement by the meters after it.

Pure functions on integers, like the rest of the market: energy in Wh, power in W, prices in µAUD per kWh, money in
nAUD. All divisions round down. No transaction calls these functions yet.
"""
