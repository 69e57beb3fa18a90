# SPDX-License-Identifier: Apache-2.0
"""The spaces of observations and actions, the same for every home."""

from typing import Any

import numpy as np
from gymnasium.spaces import Box

from commonwatt_loadgen.environment.acting import Action
from commonwatt_loadgen.environment.observing import HIGHEST, OBSERVED


def observations() -> Box:
    """One number for each of `OBSERVED`."""
    return Box(-HIGHEST, HIGHEST, (len(OBSERVED),), np.float32)


def actions() -> Box:
    """The fields of `Action`, in order."""
    return Box(-1.0, 1.0, (len(Action._fields),), np.float32)


def action_of(numbers: Any) -> Action:
    """An action from the numbers of the space; numbers out of bounds are cut off there. ValueError for what is
    none."""
    given = np.asarray(numbers, dtype=float)
    if given.shape != (len(Action._fields),) or np.isnan(given).any():
        raise ValueError(f"{given.tolist()} is no action: {len(Action._fields)} numbers within -1..1 are")
    battery, reluctance = np.clip(given, -1.0, 1.0)
    return Action(float(battery), float(reluctance))
