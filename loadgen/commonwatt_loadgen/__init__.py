# SPDX-License-Identifier: Apache-2.0
"""HEMS agents, simulations and load generators driven by New South Wales household traces."""
