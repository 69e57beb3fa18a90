# SPDX-License-Identifier: Apache-2.0
"""`commonwatt operate`: what runs a community's market in real time. All of its state is on the ledger.

`docs/operating.md` describes it.
"""
