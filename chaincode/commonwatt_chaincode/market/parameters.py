# SPDX-License-Identifier: Apache-2.0
"""A community's parameters, their defaults (the paper's, or choices that it leaves open) and bounds."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from .arithmetic import PPM
from .tariff import DAY_MIN, TABLE_2, Band, Tariff, check_tariff, highest_tou, lowest_tou

MODES = ("sqrt_sum", "rms", "mean")
SPILL_POLICIES = ("WASTE", "FEED_IN")
PER_REQUEST, FIXED_ROUNDS = "per_request", "fixed_rounds"
AUCTIONS = (PER_REQUEST, FIXED_ROUNDS)
REPORTERS = ("home", "meter")

LARGEST = 2**53
"""Integers beyond it do not survive every JSON reader."""


@dataclass(frozen=True, slots=True)
class Parameters:
    """What the operator of a community may set; a new version counts from the next round.

    Names without a unit are the paper's symbols: ``lam`` and ``beta`` in µAUD/kWh per kWh, ``mu_milli`` and
    ``nu_milli`` in thousandths of √(µAUD/kWh). Prices are in µAUD/kWh, ``window`` is in rounds (n-1), ``st_min`` and
    ``st_max`` are in minutes.
    """

    tou: Tariff = TABLE_2
    feed_in: int = 100_000
    lam: int = -3_000
    mu_milli: int = 122_474
    beta: int = 20_000
    nu_milli: int = -158_114
    window: int = 10
    seed_s: int = 150_000
    seed_b: int = 250_000
    mode: str = "sqrt_sum"
    t_request_s: int = 60
    t_offer_s: int = 60
    grace_s: int = 600
    st_min: int = 45
    st_max: int = 75
    storage_wh: int = 5_000
    pv_w: int = 5_000
    eta_c_ppm: int = PPM
    eta_d_ppm: int = PPM
    soc_min_ppm: int = 0
    soc_max_ppm: int = PPM
    soc_dsr_ppm: int = 0
    p_rate_w: int = 5_000
    spill_policy: str = "WASTE"
    max_request_wh: int = 50_000
    utc_offset_min: int = 660
    auction: str = "per_request"
    storage_from_grid: bool = False
    cut_at_bands: bool = True
    readings_by: str = "home"
    report_within_s: int = 900
    clock_error_s: int = 30
    correct_within_d: int = 30
    connection_w: int = 24_000
    estimate_w: int = 1_500
    sun_from_min: int = 270
    sun_to_min: int = 1_290
    history_min_wh: int = 500
    distinct_pairs: bool = True


PAPER: Mapping[str, object] = {
    "cut_at_bands": False,
    "history_min_wh": 0,
    "distinct_pairs": False,
    "spill_policy": "WASTE",
}
"""What the paper's market has otherwise than a sound one: intervals across bands, every fill in the price history."""

NAMES = tuple(field.name for field in fields(Parameters))

_WORDS = {"mode": MODES, "spill_policy": SPILL_POLICIES, "auction": AUCTIONS, "readings_by": REPORTERS}

_BOUNDS = {
    "lam": (-LARGEST, LARGEST),
    "mu_milli": (0, 1_000_000),
    "beta": (-LARGEST, LARGEST),
    "nu_milli": (-1_000_000, 1_000_000),
    "window": (1, 100),
    "t_request_s": (1, 3_600),
    "t_offer_s": (1, 3_600),
    "grace_s": (0, 86_400),
    "st_min": (1, DAY_MIN),
    "st_max": (1, DAY_MIN),
    "storage_wh": (0, 10**9),
    "pv_w": (0, 10**9),
    "eta_c_ppm": (1, PPM),
    "eta_d_ppm": (1, PPM),
    "soc_min_ppm": (0, PPM),
    "soc_max_ppm": (0, PPM),
    "soc_dsr_ppm": (0, PPM),
    "p_rate_w": (1, 10**9),
    "max_request_wh": (1, 10**9),
    "utc_offset_min": (-DAY_MIN, DAY_MIN),
    "report_within_s": (0, 86_400),
    "clock_error_s": (0, 900),
    "correct_within_d": (0, 3_660),
    "connection_w": (1, 10**9),
    "estimate_w": (0, 10**9),
    "sun_from_min": (0, DAY_MIN),
    "sun_to_min": (0, DAY_MIN),
    "history_min_wh": (0, 10**9),
}


def changed(parameters: Parameters, changes: Mapping[str, object]) -> Parameters:
    """The parameters with some replaced by JSON values (``tou`` as [[from_hour, to_hour, price]...]).

    ValueError for an unknown name, a value of another kind, or one outside its bounds.
    """
    values: dict[str, Any] = {}
    for name, value in changes.items():
        if name not in NAMES:
            raise ValueError(f"{name[:40]} is not a parameter")
        if name == "tou":
            values[name] = _tariff(value)
        elif type(value) is not type(getattr(parameters, name)):
            raise ValueError(f"{name}: a value of another kind, {type(value).__name__}")
        else:
            values[name] = value
    result = replace(parameters, **values)
    check_parameters(result)
    return result


def as_json(parameters: Parameters) -> dict[str, Any]:
    """Every parameter as a JSON value; ``changed`` takes it back."""
    values = {name: getattr(parameters, name) for name in NAMES}
    values["tou"] = [[band.from_hour, band.to_hour, band.price_uaud_per_kwh] for band in parameters.tou]
    return values


def _tariff(value: object) -> Tariff:
    if not isinstance(value, (list, tuple)) or not all(
        isinstance(row, (list, tuple)) and len(row) == 3 and all(type(number) is int for number in row)
        for row in value
    ):
        raise ValueError("tou: a list of [from_hour, to_hour, price] is wanted, all integers")
    return tuple(Band(*row) for row in value)


def check_parameters(parameters: Parameters) -> None:
    """ValueError that names the parameter and its bounds, if one is outside them."""
    for name, words in _WORDS.items():
        if (word := getattr(parameters, name)) not in words:
            raise ValueError(f"{name}: {word} is none of {', '.join(words)}")
    for name, (low, high) in _BOUNDS.items():
        _check_between(name, getattr(parameters, name), low, high)
    check_tariff(parameters.tou)
    _check_between("tou: the dearest band", highest_tou(parameters.tou), 0, 10**9)
    _check_between("feed_in", parameters.feed_in, 0, lowest_tou(parameters.tou))
    for name in ("seed_s", "seed_b"):
        _check_between(name, getattr(parameters, name), parameters.feed_in, highest_tou(parameters.tou))
    if parameters.st_min > parameters.st_max:
        raise ValueError(f"st_min: {parameters.st_min} is above st_max, {parameters.st_max}")
    if parameters.sun_from_min > parameters.sun_to_min:
        raise ValueError(
            f"sun_from_min: {parameters.sun_from_min} is after sun_to_min, {parameters.sun_to_min}"
        )
    if parameters.soc_min_ppm > parameters.soc_max_ppm:
        raise ValueError(
            f"soc_min_ppm: {parameters.soc_min_ppm} is above soc_max_ppm, {parameters.soc_max_ppm}"
        )


def _check_between(name: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise ValueError(f"{name}: {value} is outside {low}..{high}")
