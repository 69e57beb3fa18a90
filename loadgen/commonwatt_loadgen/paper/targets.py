# SPDX-License-Identifier: Apache-2.0
"""What the paper states, and what an independent reference simulation of the same rules found."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Target:
    """A figure in percent; `reference` and `spread` are the reference's mean and single-run deviation by preset.

    `paper` is None where the paper states no value, but says that it is below zero.
    """

    key: str
    label: str
    share_percent: int
    paper: float | None
    paper_says: str
    reference: dict[str, float]
    spread: dict[str, float]


TARGETS = (
    Target(
        "consumers",
        "consumers at 30 %, of their own traditional cost",
        30,
        68.3,
        "68.3",
        {"RAW": 53.9, "NSW": 73.7, "FIT": 76.8},
        {"RAW": 2.4, "NSW": 3.1, "FIT": 3.3},
    ),
    Target(
        "consumers",
        "consumers at 50 %",
        50,
        60.2,
        "60.2",
        {"RAW": 43.3, "NSW": 55.2, "FIT": 57.7},
        {"RAW": 1.6, "NSW": 2.5, "FIT": 2.6},
    ),
    Target(
        "consumers",
        "consumers at 70 %",
        70,
        44.7,
        "44.7",
        {"RAW": 39.7, "NSW": 46.8, "FIT": 48.0},
        {"RAW": 1.5, "NSW": 2.3, "FIT": 2.4},
    ),
    Target(
        "prosumers",
        "prosumers at 50 %, of their own traditional cost",
        50,
        19.6,
        "19.6",
        {"RAW": -17.6, "NSW": 23.4, "FIT": 20.9},
        {},
    ),
    Target(
        "all",
        "all at 50 %, of their own traditional cost",
        50,
        43.1,
        "43.1",
        {"RAW": 27.5, "NSW": 43.3, "FIT": 43.7},
        {},
    ),
    Target(
        "prosumers_of_consumers",
        "prosumers at 70 %, of a consumer's traditional cost",
        70,
        None,
        "below 0",
        {"RAW": 0.8, "NSW": 13.7, "FIT": 7.5},
        {},
    ),
)

DEFAULT_DAY: dict[int, dict[str, dict[str, int]]] = {
    20: {"requests": {"mean": 1359}, "offers": {"mean": 625, "sd": 132}, "fills": {"mean": 328}},
    50: {"requests": {"mean": 1141}, "offers": {"mean": 8205}, "fills": {"mean": 447}},
}
"""The reference's default day with the preset NSW, by share of generators in percent; `sd` where several runs tell."""

DOES_NOT_REPRODUCE = (
    "The fall of grid power at midday with the number of users (Figure 7) does not reproduce: the share of their need "
    "that neighbours cover from 10 to 16 h is the same for small and large communities.",
    "Prosumers' cost falling steadily, to below zero at 70 % of generators, does not reproduce. In any market whose "
    "prices lie between the feed-in tariff and the grid's, sellers earn from what the others lack: few sellers earn "
    "most each. The more homes have PV, the less the rest needs, the more sellers share it, and the nearer the price "
    "comes to the feed-in tariff; so a prosumer's cost levels off instead of falling on.",
    "The fall of purchases “from 9 a.m.” comes from sunrise on, around 6 to 7 a.m. in November, since batteries begin "
    "the day empty and PV serves its own home first.",
    "The paper does not say what a prosumer pays without the market. Its own figures imply 72.8 % of a consumer's "
    "cost; of five readings, all PV sold at the feed-in tariff (gross metering) comes closest and is used here.",
    "λ, μ, β and ν are not given. The defaults make supply lower the asking price and need raise the bid, and are "
    "calibrated on the paper's figures at 50 %.",
)
