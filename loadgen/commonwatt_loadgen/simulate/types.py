# SPDX-License-Identifier: Apache-2.0
"""The types that a community's homes follow, by the hour."""

from collections.abc import Sequence
from typing import Any

from commonwatt_community.hems.home import HomeSpec

Json = dict[str, Any]


def types_by_hour(homes: Sequence[HomeSpec]) -> Json:
    """Mean W by hour of the types in use, on the first day (Figures 3 and 4)."""
    usage = {home.usage_type: home.usage for home in homes}
    generation = {home.generation_type: home.generation for home in homes if home.prosumer}
    return {
        "usage_w": {
            name: [usage[name].energy_wh(hour * 60, hour * 60 + 60) for hour in range(24)]
            for name in sorted(usage)
        },
        "generation_w": {
            name: [generation[name].energy_wh(hour * 60, hour * 60 + 60) for hour in range(24)]
            for name in sorted(generation)
        },
    }
