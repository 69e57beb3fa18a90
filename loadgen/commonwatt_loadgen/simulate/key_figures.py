# SPDX-License-Identifier: Apache-2.0
"""What a community's market did, in a few figures; each stands beside the same homes and equipment without a market."""

from collections.abc import Mapping, Sequence
from typing import Any

from commonwatt_chaincode.market.arithmetic import PPM
from commonwatt_community.hems.home import HomeSpec

Json = dict[str, Any]

CO2_G_PER_KWH = 660
CO2_SOURCE = "Australian National Greenhouse Accounts Factors 2024, table 1: grid electricity, NSW, scope 2"
_DURATION_PERCENT = range(0, 101, 5)


def percent(part: int, whole: int) -> float | None:
    """A share in percent with one decimal, or None of nothing."""
    return round(100 * part / whole, 1) if whole else None


def worse_off(homes: Sequence[HomeSpec], gains_naud: Mapping[str, int]) -> Json:
    """The homes that pay more than without a market, and how much more."""
    losers = [home for home in homes if gains_naud[home.home] < 0]
    losses = [-gains_naud[home.home] for home in losers]
    return {
        "homes": len(losers),
        "consumers": sum(not home.prosumer for home in losers),
        "prosumers": sum(home.prosumer for home in losers),
        "loss_naud": sum(losses),
        "largest_loss_naud": max(losses, default=0),
    }


def self_sufficiency_percent(use_wh: int, imported_wh: int) -> float | None:
    """The share of the homes' use that the community served itself."""
    return percent(use_wh - imported_wh, use_wh)


def self_consumption_percent(generation_wh: int, surplus_wh: int) -> float | None:
    """The share of generation that stayed in the community, in batteries too."""
    return percent(generation_wh - surplus_wh, generation_wh)


def peak(import_wh: Sequence[int]) -> Json:
    """The hour of the largest import; hours count from 0:00 of the first day."""
    most = max(import_wh, default=0)
    return {"energy_wh": most, "hour": import_wh.index(most) if import_wh else None}


def load_duration_wh(import_wh: Sequence[int]) -> list[int]:
    """The import of an hour that is exceeded in 0, 5, ... 100 % of the hours."""
    falling = sorted(import_wh, reverse=True)
    return [falling[(len(falling) - 1) * share // 100] for share in _DURATION_PERCENT] if falling else []


def jain_ppm(gains_naud: Sequence[int]) -> int | None:
    """Jain's fairness index of the gains in ppm: 10^6 where all gain the same, 10^6 / n where one gains all.

    None where nobody gains, or somebody loses.
    """
    if not gains_naud or min(gains_naud) < 0 or not any(gains_naud):
        return None
    return PPM * sum(gains_naud) ** 2 // (len(gains_naud) * sum(gain**2 for gain in gains_naud))


def gini_ppm(gains_naud: Sequence[int]) -> int | None:
    """Gini's index of the gains in ppm: 0 where all gain the same. None where nobody gains, or somebody loses."""
    if not gains_naud or min(gains_naud) < 0 or not any(gains_naud):
        return None
    ranked = sum((2 * place - len(gains_naud) - 1) * gain for place, gain in enumerate(sorted(gains_naud), 1))
    return PPM * ranked // (len(gains_naud) * sum(gains_naud))


def co2(imported_wh: tuple[int, int], exported_wh: tuple[int, int]) -> Json:
    """Emissions of the energy from the grid, with and without the market, in g.

    Energy that homes feed in displaces as much elsewhere, so `net` counts imports less exports; a market within the
    community
    changes it only by what batteries hold and lose.
    """
    grams = [energy_wh * CO2_G_PER_KWH // 1000 for energy_wh in imported_wh]
    net = [
        (bought - fed_in) * CO2_G_PER_KWH // 1000
        for bought, fed_in in zip(imported_wh, exported_wh, strict=True)
    ]
    return {
        "factor_g_per_kwh": CO2_G_PER_KWH,
        "source": CO2_SOURCE,
        "imports_g": {"with": grams[0], "without": grams[1]},
        "net_g": {"with": net[0], "without": net[1]},
        "avoided_by_lower_imports_g": grams[1] - grams[0],
        "avoided_net_g": net[1] - net[0],
    }
