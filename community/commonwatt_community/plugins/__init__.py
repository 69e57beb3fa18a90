# SPDX-License-Identifier: Apache-2.0
"""Strategies, forecasts, battery plans and meters of other packages, found by their entry points."""

from .discovery import Broken, Kind, PluginError, choose, flaw, kinds, names, working

__all__ = ["Broken", "Kind", "PluginError", "choose", "flaw", "kinds", "names", "working"]
