# SPDX-License-Identifier: Apache-2.0
"""Names and ports that a network's nodes keep while others come and go around them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Placement:
    """Orderer organisation -> its orderers' names, in order; node's name -> its ports, in the order of its fields."""

    orderers: Mapping[str, tuple[str, ...]]
    ports: Mapping[str, tuple[int, ...]]

    def to_json(self) -> dict[str, dict[str, list[object]]]:
        return {
            "orderers": {name: list(names) for name, names in self.orderers.items()},
            "ports": {name: list(ports) for name, ports in self.ports.items()},
        }


def read_placement(content: Mapping[str, Mapping[str, list[object]]]) -> Placement:
    """From what `to_json` gave. Raises KeyError, TypeError or ValueError for anything else."""
    return Placement(
        {name: tuple(map(str, names)) for name, names in content["orderers"].items()},
        {name: tuple(int(str(port)) for port in ports) for name, ports in content["ports"].items()},
    )
