# SPDX-License-Identifier: Apache-2.0
"""Home energy management systems: one agent per home, with a forecast, a bidding strategy and a battery
policy.

Each of the three is a small interface in a file of its own (`forecast`, `strategy`, `battery`); add yours
to the mapping at the file's end and it can be chosen by name.
"""
