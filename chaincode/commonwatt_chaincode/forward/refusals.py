# SPDX-License-Identifier: Apache-2.0
"""Every reason for which a transaction of the forward market is refused; the codes are stable, the sentences are not.

Messages are refused one by one, with the codes of ``messages.refusals`` and ``market.forward``.
"""

from enum import StrEnum

from ..shim import Refusal


class Code(StrEnum):
    """What a caller's program may rely on. ``docs/forward-contract.md`` says when each is answered."""

    BAD_ARGUMENT = "bad_argument"
    FORBIDDEN = "forbidden"
    NOT_YOURS = "not_yours"
    OTHER_MARKET = "other_market"
    NOT_CONFIGURED = "not_configured"
    OTHER_VERSION = "other_version"
    CLOCK_NOT_SIMULATED = "clock_not_simulated"
    CLOCK_RUNS_BACK = "clock_runs_back"
    TOO_LATE = "too_late"
    TOO_EARLY = "too_early"
    UNKNOWN_HOME = "unknown_home"
    HOME_ENDED = "home_ended"
    NOTHING_PROPOSED = "nothing_proposed"
    NO_KEY = "no_key"
    KEY_TAKEN = "key_taken"
    BAD_PERIOD = "bad_period"
    NOT_TAKING_BIDS = "not_taking_bids"
    GATE_OPEN = "gate_open"
    GATE_CLOSED = "gate_closed"
    NOT_CLEARED = "not_cleared"
    ALREADY_CLEARED = "already_cleared"
    ALREADY_FROZEN = "already_frozen"
    NOT_FROZEN = "not_frozen"
    NOTHING_NEW = "nothing_new"
    NO_EXCHANGE = "no_exchange"
    ROUND_OPEN = "round_open"
    BAD_ROUND = "bad_round"
    NOT_IMPORTED = "not_imported"
    NOT_SETTLED = "not_settled"
    DAY_NOT_OVER = "day_not_over"
    DATA_NOT_HERE = "data_not_here"
    DATA_HERE = "data_here"
    TOO_MANY = "too_many"
    NO_GAP = "no_gap"
    UNKNOWN_BILL = "unknown_bill"
    NO_CARBON = "no_carbon"


def refuse(code: Code, sentence: str) -> Refusal:
    """The exception to raise."""
    return Refusal(code.value, sentence)
