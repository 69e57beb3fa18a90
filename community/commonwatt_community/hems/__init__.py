# SPDX-License-Identifier: Apache-2.0
"""Home energy management systems: one agent per home, with a forecast, a bidding strategy and a battery
policy.

Each of the three is a small interface in a file of its own (`forecast`, `strategy`, `battery`). Add yours to the
mapping at the file's end, and you can choose it by name.
"""
