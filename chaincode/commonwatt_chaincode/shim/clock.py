# SPDX-License-Identifier: Apache-2.0
"""The server's own clock against the date of a proposal.

A proposal's timestamp is its sender's word. Contracts read it as the time, and endorsers must agree, so no contract may
compare it with a clock. The server may: it refuses before the contract runs, and what it lets pass is deterministic.
"""

import time
from collections.abc import Callable, Mapping

from .contract import Handler
from .errors import Refusal
from .results import Response
from .stub import Stub

CODE = "clock_differs"
EVERY_CHANNEL = "*"
_SECOND_NS = 1_000_000_000


def _now_ns() -> int:
    """Epoch nanoseconds by the machine's clock, also where a test moves `time.time`."""
    return time.clock_gettime_ns(time.CLOCK_REALTIME)


def on_time(handler: Handler, error_s: Mapping[str, int], now_ns: Callable[[], int] = _now_ns) -> Handler:
    """The handler for proposals that are dated now; the others are refused, evaluations too.

    ``error_s`` is the largest difference in seconds by channel, ``*`` standing for those that are not named; channels
    without one take any date. No peer tells a server whether a proposal is to be submitted, so that one for an
    evaluation must be dated now as well.
    """
    if not error_s:
        return handler

    async def timely(stub: Stub) -> Response:
        most_s = error_s.get(stub.channel_id, error_s.get(EVERY_CHANNEL))
        if most_s is not None:
            dated = stub.timestamp
            ahead_ns = dated.seconds * _SECOND_NS + dated.nanos - now_ns()
            if abs(ahead_ns) > most_s * _SECOND_NS:
                # Nothing of our clock: every endorser's words are the same.
                raise Refusal(
                    CODE,
                    f"the proposal is dated {dated.seconds} s since 1970, more than {most_s} s "
                    f"{'ahead of' if ahead_ns > 0 else 'behind'} the clock of the chaincode server; set the clock of "
                    "the machine that sent it, and send a new proposal",
                )
        return await handler(stub)

    return timely
