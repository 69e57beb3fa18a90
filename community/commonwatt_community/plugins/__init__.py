# SPDX-License-Identifier: Apache-2.0
"""Strategies, forecasts, battery plans, meters, mechanisms and trace layouts of other packages, found by their entry points."""

from .discovery import About, Broken, Kind, PluginError, choose, flaw, kinds, names, working

__all__ = ["About", "Broken", "Kind", "PluginError", "choose", "flaw", "kinds", "names", "working"]
