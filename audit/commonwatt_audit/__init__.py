# SPDX-License-Identifier: Apache-2.0
"""Auditing a market: its ledger replayed from the blocks, and its rules on single cases, trusting none of the peers."""
