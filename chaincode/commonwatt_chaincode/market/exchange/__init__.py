# SPDX-License-Identifier: Apache-2.0
"""Rules between communities of the forward market: what a clearing leaves over is traded in one round of all.

Pure functions on integers: energy in Wh, prices in µAUD per kWh, money in nAUD. No transaction calls them.
"""
