# SPDX-License-Identifier: Apache-2.0
"""Parts of other packages, found by their entry points: strategies, forecasts, battery plans, meters and more."""

from .discovery import About, Broken, Kind, PluginError, choose, flaw, kinds, names, working

__all__ = ["About", "Broken", "Kind", "PluginError", "choose", "flaw", "kinds", "names", "working"]
