# SPDX-License-Identifier: Apache-2.0
"""A home in the forward market: it forecasts its next periods, plans its battery, bids, and is metered afterwards.

Nothing here knows a ledger: an agent takes prices and says what it wants to buy or sell, and what its meter counted.
"""
