# SPDX-License-Identifier: Apache-2.0
"""Every reason for which the contract refuses a transaction; the codes are stable, the sentences are for people."""

from enum import StrEnum

from ..shim import Refusal


class Code(StrEnum):
    """What a caller's program may rely on. ``docs/contract.md`` says when each is answered."""

    BAD_ARGUMENT = "bad_argument"
    FORBIDDEN = "forbidden"
    NOT_YOUR_METER = "not_your_meter"
    NOT_CONFIGURED = "not_configured"
    OTHER_MARKET = "other_market"
    CLOCK_NOT_SIMULATED = "clock_not_simulated"
    CLOCK_RUNS_BACK = "clock_runs_back"
    UNKNOWN_HOME = "unknown_home"
    UNKNOWN_ROUND = "unknown_round"
    UNKNOWN_BILL = "unknown_bill"
    UNKNOWN_VERSION = "unknown_version"
    OTHER_AUCTION = "other_auction"
    ROUND_CLOSED = "round_closed"
    ROUND_NOT_DUE = "round_not_due"
    ROUND_RUNNING = "round_running"
    NOT_REQUEST_PHASE = "not_request_phase"
    NOT_OFFER_PHASE = "not_offer_phase"
    WRONG_BAND = "wrong_band"
    FUTURE_INTERVAL = "future_interval"
    DUPLICATE_REQUEST = "duplicate_request"
    REQUEST_TOO_LARGE = "request_too_large"
    LIMIT_BELOW_FEED_IN = "limit_below_feed_in"
    LIMIT_ABOVE_TARIFF = "limit_above_tariff"
    NOT_A_PROSUMER = "not_a_prosumer"
    NOT_METERED = "not_metered"
    INSUFFICIENT_ENERGY = "insufficient_energy"
    OFFER_BELOW_FEED_IN = "offer_below_feed_in"
    OFFER_ABOVE_TARIFF = "offer_above_tariff"
    NO_OPEN_REQUEST = "no_open_request"
    NO_OPEN_OFFER = "no_open_offer"
    BAD_INTERVAL = "bad_interval"
    INTERVAL_TOO_OLD = "interval_too_old"
    IMPOSSIBLE_READING = "impossible_reading"
    INTERVAL_REPORTED = "interval_reported"
    INTERVAL_UNKNOWN = "interval_unknown"
    GRID_CHARGING_OFF = "grid_charging_off"
    GRID_CHARGING_BAND = "grid_charging_band"
    BATTERY_FULL = "battery_full"
    DAY_NOT_OVER = "day_not_over"


def refuse(code: Code, sentence: str) -> Refusal:
    """The exception to raise."""
    return Refusal(code.value, sentence)
