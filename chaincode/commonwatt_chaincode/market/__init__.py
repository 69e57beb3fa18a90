# SPDX-License-Identifier: Apache-2.0
"""The rules of the community market: pure functions on integers and frozen values.

Energy is in Wh, power in W, prices in µAUD per kWh, money in nAUD (price × Wh, exact), time in epoch seconds.
There is no I/O, clock, float or random number here, so that every peer computes the same bytes. The rules
follow Wang et al. 2023, doi 10.3389/fenrg.2022.1091350; docstrings name the equation.
"""
