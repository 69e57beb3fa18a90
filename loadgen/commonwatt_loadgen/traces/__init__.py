# SPDX-License-Identifier: Apache-2.0
"""Household traces: what homes use and generate, from files or from the default profiles.

`load_traces(path)` reads any supported file; `default_types()` gives the 15 usage and 3 generation types of
November 2012. Both hold `EnergySource` values: ask them for the Wh between two minutes.
"""

from commonwatt_community.hems.energy import EnergySource, Silent

from commonwatt_loadgen.traces.checks import Problem, TraceError
from commonwatt_loadgen.traces.files import ReadAs, load_traces
from commonwatt_loadgen.traces.profiles import default_types
from commonwatt_loadgen.traces.sources import EquationOnePv, HalfHourly, HourlyProfile, TraceSet

__all__ = [
    "EnergySource",
    "EquationOnePv",
    "HalfHourly",
    "HourlyProfile",
    "Problem",
    "ReadAs",
    "Silent",
    "TraceError",
    "TraceSet",
    "default_types",
    "load_traces",
]
