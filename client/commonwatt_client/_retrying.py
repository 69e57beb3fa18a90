# SPDX-License-Identifier: Apache-2.0
"""The flow of a whole transaction, with the tries a `RetryPolicy` allows."""

import logging
import time
from dataclasses import dataclass, replace
from typing import Any

import grpc

from commonwatt_client import _transactions as flow
from commonwatt_client._effects import Flow, Sleep
from commonwatt_client._failures import commit_error
from commonwatt_client._proposal import Invocation, new_proposed_transaction
from commonwatt_client._transactions import Party, Status
from commonwatt_client.errors import (
    CommitStatusError,
    EndorseError,
    EvaluateError,
    GatewayError,
    SubmitError,
)
from commonwatt_client.retry import (
    LOST_RACES,
    RetryPolicy,
    can_endorse_again,
    fate_is_unknown,
    is_away,
    is_busy,
    was_not_taken,
)
from commonwatt_client.timeouts import Timeouts

_log = logging.getLogger("commonwatt_client")


@dataclass(frozen=True, slots=True)
class Outcome:
    """A committed transaction.

    Attributes:
        result: what the transaction function returned.
        transaction_id: hex.
        block_number: the block that holds it.
        tries: how often it was endorsed, 1 without a retry policy; each try has its own transaction id.
        sends: how often the committed envelope was submitted, 1 without a retry policy.

    ::

        outcome = await market.submit("get_parameters", arguments=["{}"], retry=True)
        print(outcome.transaction_id, "in block", outcome.block_number, "after", outcome.tries, "tries")
    """

    result: bytes
    transaction_id: str
    block_number: int
    tries: int = 1
    sends: int = 1


def _pause(policy: RetryPolicy, failures: int, what: str, *facts: object) -> Sleep:
    """A pause before another try, told to the log with its reason and never with what the messages hold."""
    pause_s = policy.pause_s(failures)
    _log.info(f"{what}; again in %.2f s", *facts, pause_s)
    return Sleep(pause_s)


def _pause_after(policy: RetryPolicy, error: GatewayError, failures: int) -> Sleep:
    return _pause(
        policy,
        failures,
        "transaction %s: %s failed with %s at %s (%d)",
        error.transaction_id,
        error.phase,
        error.code.name,
        error.party,
        failures,
    )


@dataclass(frozen=True, slots=True)
class Endorsed:
    """An endorsed and signed transaction, its result, and how many tries endorsing took."""

    prepared: Any
    channel: str
    result: bytes
    tries: int


def evaluate(
    party: Party, invocation: Invocation, timeout_s: float | None, policy: RetryPolicy | None
) -> Flow[bytes]:
    """Evaluate an invocation, again where the peer was busy or away."""
    failures = 0
    while True:
        proposed = new_proposed_transaction(invocation, party.identity)
        yield from flow.sign_proposal(party, proposed)
        try:
            return (yield from flow.evaluate(party, proposed, invocation.channel, timeout_s))
        except EvaluateError as error:
            failures += 1
            error.tries = failures
            again = is_busy(error) or is_away(error)
            if policy is None or failures >= policy.max_tries or not again:
                raise
            pause = _pause_after(policy, error, failures)
        yield pause


def endorse(
    party: Party, invocation: Invocation, timeout_s: float | None, policy: RetryPolicy | None, tries: int = 0
) -> Flow[Endorsed]:
    """Endorse an invocation and sign the transaction; `tries` counts those made before."""
    while True:
        tries += 1
        proposed = new_proposed_transaction(invocation, party.identity)
        yield from flow.sign_proposal(party, proposed)
        try:
            prepared = yield from flow.endorse(party, proposed, invocation.channel, timeout_s)
        except EndorseError as error:
            error.tries = tries
            if policy is None or tries >= policy.max_tries or not can_endorse_again(error):
                raise
            pause = _pause_after(policy, error, tries)
        else:
            channel, result = flow.parse_result(prepared.envelope)
            yield from flow.sign_transaction(party, prepared)
            return Endorsed(prepared, channel, result, tries)
        yield pause


def submit(
    party: Party, prepared: Any, channel: str, timeout_s: float | None, policy: RetryPolicy | None
) -> Flow[None]:
    """Submit a signed transaction, the same envelope again while the peer is busy or the orderers away."""
    failures = 0
    while True:
        try:
            return (yield from flow.submit(party, prepared, channel, timeout_s))
        except SubmitError as error:
            failures += 1
            error.tries = failures
            if policy is None or failures >= policy.max_sends or not fate_is_unknown(error):
                raise
            pause = _pause_after(policy, error, failures)
        yield pause


def endorse_and_submit(
    party: Party,
    invocation: Invocation,
    endorse_timeout_s: float | None,
    submit_timeout_s: float | None,
    policy: RetryPolicy | None,
) -> Flow[Endorsed]:
    """Endorse an invocation and submit the transaction, without asking for its commit."""
    endorsed = yield from endorse(party, invocation, endorse_timeout_s, policy)
    yield from submit(party, endorsed.prepared, endorsed.channel, submit_timeout_s, policy)
    return endorsed


def commit_status(party: Party, request: Any, transaction_id: str, timeout_s: float | None) -> Flow[Status]:
    """Sign the request where needed and wait for the commit."""
    yield from flow.sign_request(party, request)
    return (yield from flow.commit_status(party, request, transaction_id, timeout_s))


def settle(
    party: Party,
    prepared: Any,
    request: Any,
    channel: str,
    timeouts: Timeouts,
    policy: RetryPolicy,
    sends: int = 0,
) -> Flow[Status]:
    """Submit a signed transaction until its commit status is known.

    An acknowledged submit means only that the orderer queued it; a leader that then fails takes the queue with it.
    So where no commit comes, the same envelope goes in again: it commits once, however often it is sent.
    """
    yield from flow.sign_request(party, request)
    deadline = time.monotonic() + (timeouts.commit_status_s or float("inf"))
    failures = 0
    asked_only = sends > 0
    while True:
        if not asked_only and sends < policy.max_sends:
            if sends:
                _log.info(
                    "transaction %s: no commit yet; submitting the same envelope again (%d)",
                    prepared.transaction_id,
                    sends + 1,
                )
            try:
                yield from flow.submit(party, prepared, channel, timeouts.submit_s)
                sends += 1
            except SubmitError as error:
                # Once a copy has been accepted, its fate counts, whatever becomes of a later copy.
                if sends == 0 and not fate_is_unknown(error):
                    raise
                failures += 1
                error.tries = failures
                if time.monotonic() >= deadline:
                    raise
                if was_not_taken(error):
                    yield _pause_after(policy, error, failures)
                    continue
                sends += 1
        asked_only = False
        wait_s = max(0.05, min(policy.commit_wait_s, deadline - time.monotonic()))
        try:
            status = yield from flow.commit_status(party, request, prepared.transaction_id, wait_s)
            return replace(status, sends=sends)
        except CommitStatusError as error:
            failures += 1
            error.tries = failures
            late = error.status is grpc.StatusCode.DEADLINE_EXCEEDED
            if time.monotonic() >= deadline or not (late or fate_is_unknown(error)):
                raise
            if not late:
                yield _pause_after(policy, error, failures)


def settled_status(
    party: Party, endorsed: Endorsed, request: Any, timeout_s: float | None, policy: RetryPolicy | None
) -> Flow[Status]:
    """The status of a transaction that was submitted once, submitting it again where a policy allows."""
    if policy is None:
        transaction_id = endorsed.prepared.transaction_id
        return (yield from commit_status(party, request, transaction_id, timeout_s))
    timeouts = replace(party.timeouts, commit_status_s=timeout_s)
    return (yield from settle(party, endorsed.prepared, request, endorsed.channel, timeouts, policy, sends=1))


def transact(
    party: Party, invocation: Invocation, timeouts: Timeouts, policy: RetryPolicy | None
) -> Flow[Outcome]:
    """Endorse, submit and await the commit; endorse anew where the transaction lost a race and the policy allows."""
    tries = 0
    while True:
        endorsed = yield from endorse(party, invocation, timeouts.endorse_s, policy, tries)
        tries = endorsed.tries
        transaction_id = endorsed.prepared.transaction_id
        request = flow.new_commit_request(party, endorsed.channel, transaction_id)
        if policy is None:
            yield from flow.submit(party, endorsed.prepared, endorsed.channel, timeouts.submit_s)
            status = yield from commit_status(party, request, transaction_id, timeouts.commit_status_s)
        else:
            status = yield from settle(party, endorsed.prepared, request, endorsed.channel, timeouts, policy)
        if status.successful:
            return Outcome(endorsed.result, transaction_id, status.block_number, tries, status.sends)
        if policy is None or status.code not in LOST_RACES or tries >= policy.max_tries:
            raise commit_error(
                status.code, status.block_number, transaction_id, party.peers.name(party.peers.current), tries
            )
        yield _pause(
            policy,
            tries,
            "transaction %s: %s in block %d, endorsing it anew (%d)",
            transaction_id,
            status.code.name,
            status.block_number,
            tries,
        )
