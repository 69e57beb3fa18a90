# SPDX-License-Identifier: Apache-2.0
"""Every reason for which a transaction of the exchange is refused; the codes are stable, the sentences are not."""

from enum import StrEnum

from ..shim import Refusal


class Code(StrEnum):
    """What a caller's program may rely on. ``docs/exchange.md`` says when each is answered."""

    BAD_ARGUMENT = "bad_argument"
    FORBIDDEN = "forbidden"
    OTHER_MARKET = "other_market"
    NOT_FOUNDED = "not_founded"
    ALREADY_FOUNDED = "already_founded"
    CLOCK_NOT_SIMULATED = "clock_not_simulated"
    CLOCK_RUNS_BACK = "clock_runs_back"
    UNKNOWN_COMMUNITY = "unknown_community"
    COMMUNITY_KNOWN = "community_known"
    TOO_MANY = "too_many"
    TOO_EARLY = "too_early"
    TOO_LATE = "too_late"
    NOT_HERE = "not_here"
    NOT_SETTLED = "not_settled"
    COMMUNITY_REFUSED = "community_refused"
    LEDGER_DIFFERS = "ledger_differs"
    ATTESTED_OTHERWISE = "attested_otherwise"
    ALREADY_BROUGHT = "already_brought"
    ROUND_OPEN = "round_open"
    ROUND_CLOSED = "round_closed"


def refuse(code: Code, sentence: str) -> Refusal:
    """The exception to raise."""
    return Refusal(code.value, sentence)
