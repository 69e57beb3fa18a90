# SPDX-License-Identifier: Apache-2.0
"""Simulated days of the forward market: homes bid before each period, are metered after it, settled and billed."""
