# SPDX-License-Identifier: Apache-2.0
"""Simulated days on the ledger: every request, offer, closing, reading and settlement a real transaction."""
