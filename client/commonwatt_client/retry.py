# SPDX-License-Identifier: Apache-2.0
"""Retry that knows Fabric: what to send again, and what never to endorse anew.

- A transaction that lost a race (MVCC_READ_CONFLICT, PHANTOM_READ_CONFLICT, or endorsers at different heights) read
  stale state: it is endorsed anew, after a jittered pause.
- A busy peer ("too many requests") and an unreachable one get the same message again, after a growing pause.
- A commit that doesn't come within `commit_wait_s`, or a submit whose fate is unknown, is asked for by its transaction
  id, and the same signed envelope is submitted again. That is safe: a transaction id commits once.
- Everything else (a chaincode's refusal, an endorsement policy failure, a bad signature) is reported at once.
"""

import random
from dataclasses import dataclass

import grpc

from commonwatt_client.errors import ConfigurationError, ErrorCode, GatewayError
from commonwatt_client.ledger.validation import ValidationCode

LOST_RACES = frozenset({ValidationCode.MVCC_READ_CONFLICT, ValidationCode.PHANTOM_READ_CONFLICT})

_FATE_UNKNOWN = frozenset(
    {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.INTERNAL}
)
_DOUBLINGS = 64  # more would be beyond any pause, and at last beyond what a float holds


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and how soon to try again.

    Attributes:
        max_tries: endorsements of one transaction, the first included.
        first_pause_s: the mean pause before the second try; it doubles with every further one.
        longest_pause_s: where doubling stops.
        commit_wait_s: how long a commit may take before the same envelope is submitted again.
        max_sends: how often one signed envelope is submitted, the first time included.

    ::

        patient = RetryPolicy(max_tries=10, commit_wait_s=5.0)
        outcome = await market.submit("get_parameters", arguments=["{}"], retry=patient)
        print(outcome.tries, outcome.sends)
    """

    max_tries: int = 6
    first_pause_s: float = 0.1
    longest_pause_s: float = 3.0
    commit_wait_s: float = 3.0
    max_sends: int = 10

    def __post_init__(self) -> None:
        if self.max_tries < 1 or self.max_sends < 1:
            raise ConfigurationError("a retry policy needs at least one try and one send")
        if min(self.first_pause_s, self.longest_pause_s, self.commit_wait_s) <= 0:
            raise ConfigurationError("a retry policy's pauses and waits are seconds above 0")

    def pause_s(self, failures: int) -> float:
        """A random pause after so many failures (1 or more), so that those who collided don't collide again."""
        mean = min(self.first_pause_s * 2.0 ** min(failures - 1, _DOUBLINGS), self.longest_pause_s)
        return mean * random.uniform(0.5, 1.5)  # noqa: S311 - jitter, not a secret


def policy_of(retry: "RetryPolicy | bool | None") -> RetryPolicy | None:
    """The policy an argument `retry` stands for: True is the default policy, False and None are none."""
    if retry is True:
        return RetryPolicy()
    return retry or None


def is_busy(error: GatewayError) -> bool:
    """Whether the peer refused for its number of concurrent calls (it answers UNKNOWN "too many requests")."""
    return error.code is ErrorCode.TOO_MANY_REQUESTS


def was_not_taken(error: GatewayError) -> bool:
    """Whether a submit failed so that the same envelope may go in again at once: nobody has it.

    The peer was busy; or it had picked an orderer that the channel lists but that has yet to join it, as one that is
    being added. The next submit picks another.
    """
    return is_busy(error) or error.code is ErrorCode.ORDERER_NOT_JOINED


def is_lost_race(error: GatewayError) -> bool:
    """Whether endorsers saw different states, as they do while one of them is a block behind."""
    return error.code is ErrorCode.ENDORSEMENTS_DIFFER


def is_away(error: GatewayError) -> bool:
    """Whether the peer, or another one or the orderers it needs, cannot be reached at present.

    Peers take each other for gone at a broken connection, until they hear of each other again a second later;
    meanwhile a gateway knows of no combination of endorsers.
    """
    if error.code in (ErrorCode.ENDORSER_UNREACHABLE, ErrorCode.NO_ENDORSERS):
        return True
    return error.status is grpc.StatusCode.UNAVAILABLE and error.code is not ErrorCode.NOT_FOUND


def can_endorse_again(error: GatewayError) -> bool:
    """Whether an endorsement that failed so may succeed if asked for again."""
    return is_busy(error) or is_lost_race(error) or is_away(error)


def fate_is_unknown(error: GatewayError) -> bool:
    """Whether a submit that failed so may have reached the orderer all the same, or may be sent again anyway."""
    return was_not_taken(error) or error.status in _FATE_UNKNOWN


@dataclass(frozen=True, slots=True)
class ReconnectPolicy:
    """How an event stream comes back after it was cut.

    Attributes:
        first_pause_s: the mean pause before the second attempt; it doubles with every further one.
        longest_pause_s: where doubling stops.
        max_outage_s: how long no peer may answer before the stream ends with an EventsError.

    ::

        stubborn = ReconnectPolicy(longest_pause_s=1.0, max_outage_s=3600.0)
        async with gateway.get_network("newtown").block_events(start_block=0, reconnect=stubborn) as blocks:
            async for block in blocks:
                print(block.number)
                break
    """

    first_pause_s: float = 0.1
    longest_pause_s: float = 5.0
    max_outage_s: float = 300.0

    def pause_s(self, failures: int) -> float:
        """A random pause after so many failures (1 or more)."""
        mean = min(self.first_pause_s * 2.0 ** min(failures - 1, _DOUBLINGS), self.longest_pause_s)
        return mean * random.uniform(0.5, 1.5)  # noqa: S311 - jitter, not a secret


def reconnect_policy_of(reconnect: "ReconnectPolicy | bool | None") -> ReconnectPolicy | None:
    """The policy an argument `reconnect` stands for: True is the default policy, False and None are none."""
    if reconnect is True:
        return ReconnectPolicy()
    return reconnect or None
