# SPDX-License-Identifier: Apache-2.0
"""Running a transaction against a state view: what it reads and writes, recorded as Fabric records it."""

from commonwatt_network.embedded.simulation.simulator import (
    SimulationError,
    SimulationResult,
    Simulator,
)

__all__ = ["SimulationError", "SimulationResult", "Simulator"]
