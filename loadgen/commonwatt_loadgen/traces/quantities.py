# SPDX-License-Identifier: Apache-2.0
"""What a column or a register measures, in which unit, and what a home's own use and generation follow from.

Net is import less export. Where generation is metered too, own use is what remains: net and generation together.
Where it is not, nobody knows what a home used of its own sun: its import is then taken as its use, its export as its
generation.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

MISSING, LARGEST = np.iinfo(np.int32).min, np.iinfo(np.int32).max  # mWh; the largest stands for all beyond it
QUANTITIES = ("use", "generation", "import", "export", "net")
NET_METERS = (
    "Net meters: use is what a home takes from the grid, generation what it feeds in; what it uses of its own sun is "
    "in neither."
)
STANDBY_W = 50  # an inverter draws a few watts at night, and two meters don't agree to the watt
_MILLI_PER_UNIT = {"wh": 1e3, "kwh": 1e6, "mwh": 1e9, "w": 1e3, "kw": 1e6}  # mWh, or mW of a power
_POWERS = ("w", "kw")

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Quantity:
    """One of QUANTITIES, with mWh per unit, or mW where it is a mean power."""

    name: str
    milli_per_unit: float
    is_power: bool


def quantity_of(text: str) -> Quantity | None:
    """What a name such as `use_kwh` or `net_w` says, None where it says nothing of the kind."""
    name, _, unit = text.strip().lower().rpartition("_")
    if name not in QUANTITIES or unit not in _MILLI_PER_UNIT:
        return None
    return Quantity(name, _MILLI_PER_UNIT[unit], unit in _POWERS)


@dataclass(frozen=True)
class OwnFlows:
    """A home's use and its generation, None where it has none, and how many small negative values were taken as 0."""

    use: Ints
    generation: Ints | None
    is_net: bool
    at_rest: int


class UnknownUse(ValueError):
    """The quantities that are given do not say what a home uses."""


def own_flows(given: Mapping[str, Ints], meters: str | None, standby_mwh: int) -> OwnFlows:
    """A home's own flows from its quantities, row by row in mWh (MISSING where there is none).

    `meters`: `net` where the column of use is import less export, `gross` where own use must be known, None where the
    quantities tell. Values down to -`standby_mwh` of generation, and of use worked out from others, count as 0.

    Raises:
        UnknownUse: own use is wanted and does not follow from what is given.
    """
    flows = {name: values for name, values in given.items() if (values != MISSING).any()}
    generation, at_rest = flows.get("generation"), 0
    if generation is not None:
        generation, at_rest = _at_rest(generation, standby_mwh)
    if "use" in flows and meters != "net":
        return OwnFlows(flows["use"], generation, False, at_rest)
    net = _net(flows)
    if net is None:
        raise UnknownUse("neither use nor import nor net is known")
    if generation is None and "generation" not in given:
        if meters == "gross":
            raise UnknownUse(
                "own use does not follow from import and export alone: name the generation too, or say --meters net"
            )
        return _taken_as_they_are(flows, net)
    made = np.zeros_like(net) if generation is None else generation
    use = np.where((net == MISSING) | (made == MISSING), MISSING, net + np.maximum(made, 0))
    use, also = _at_rest(use, standby_mwh)
    return OwnFlows(use, generation, False, at_rest + also)


def _net(flows: Mapping[str, Ints]) -> Ints | None:
    if "net" in flows:
        return flows["net"]
    if "use" in flows:
        return flows["use"]
    if "import" not in flows:
        return None
    taken, fed = flows["import"], flows.get("export")
    return taken if fed is None else np.where((taken == MISSING) | (fed == MISSING), MISSING, taken - fed)


def _taken_as_they_are(flows: Mapping[str, Ints], net: Ints) -> OwnFlows:
    if "import" in flows and "net" not in flows and "use" not in flows:
        taken, fed = flows["import"], flows.get("export")
    else:
        taken = np.where(net == MISSING, MISSING, np.maximum(net, 0))
        fed = np.where(net == MISSING, MISSING, np.maximum(-net, 0))
    feeds = fed is not None and bool((fed > 0).any())
    return OwnFlows(taken, fed if feeds else None, feeds, 0)


def _at_rest(values: Ints, standby_mwh: int) -> tuple[Ints, int]:
    small = (values < 0) & (values >= -standby_mwh) & (values != MISSING)
    return np.where(small, 0, values), int(small.sum())
