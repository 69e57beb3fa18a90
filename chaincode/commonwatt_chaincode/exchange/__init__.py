# SPDX-License-Identifier: Apache-2.0
"""The contract ``exchange``: what communities vouch for to each other, and their round of leftovers.

It runs on a channel of all communities and the grid. ``docs/exchange.md`` describes its transactions and records.
"""

from .contract import Exchange

__all__ = ["Exchange"]
