# SPDX-License-Identifier: Apache-2.0
"""The contract ``forward``: the market of periods ahead, with signed private messages.

Each transaction is thin: it reads the ledger, lets pure functions of ``market.forward`` and ``messages`` decide, and
writes what they say. ``docs/forward-contract.md`` describes every transaction and record.
"""

from .contract import ForwardMarket

__all__ = ["ForwardMarket"]
