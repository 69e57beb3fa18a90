# SPDX-License-Identifier: Apache-2.0
"""Rules between communities of the forward market: all trade in one round what their clearings leave over.

Pure functions on integers: energy in Wh, prices in µAUD per kWh, money in nAUD. The contracts `exchange` and `forward`
call them.
"""
