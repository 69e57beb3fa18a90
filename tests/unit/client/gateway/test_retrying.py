# SPDX-License-Identifier: Apache-2.0
"""Retry that knows Fabric, decided without a network: what is sent again, and what never."""

from collections.abc import Callable, Iterator
from typing import Any

import grpc
import pytest
from commonwatt_client import CommitError, EndorseError, RetryPolicy, SubmitError, Timeouts, ValidationCode
from commonwatt_client._effects import Call, CallFailed, Effect
from commonwatt_client._proposal import Invocation
from commonwatt_client._retrying import transact
from commonwatt_client._transactions import Party
from commonwatt_client.errors import CommitStatusError, ConfigurationError
from fabric_protos.gateway import gateway_pb2

from ..conftest import Ran, run_scripted
from .stand_in import endorsed

INVOCATION = Invocation("newtown", "market", "trade")
OK = b""
BUSY = CallFailed(
    grpc.StatusCode.UNKNOWN, "too many requests for gateway.Gateway, exceeding concurrency limit (500)"
)
LATE = CallFailed(grpc.StatusCode.DEADLINE_EXCEEDED, "")
# The details tell that a peer answered, and not grpc: the orderers are away, not the peer.
ORDERERS_AWAY = CallFailed(
    grpc.StatusCode.UNAVAILABLE, "no orderers could successfully process transaction", b"\x08\x0e"
)
NOT_JOINED = CallFailed(
    grpc.StatusCode.ABORTED,
    "received unsuccessful response from orderer: status=BAD_REQUEST, info=channel does not exist",
)
REFUSED = CallFailed(grpc.StatusCode.ABORTED, "chaincode response 400, TOO_LATE: the round is closed")
OUT_OF_SIGHT = CallFailed(
    grpc.StatusCode.FAILED_PRECONDITION,
    "no combination of peers can be derived which satisfy the endorsement policy",
)
NO_COMBINATION = CallFailed(
    grpc.StatusCode.FAILED_PRECONDITION, "no peer combination can satisfy the endorsement policy"
)
CLOSING = CallFailed(
    grpc.StatusCode.ABORTED,
    "failed to endorse transaction: rpc error: code = Canceled desc = grpc: the client connection is closing",
)
DIFFERENT = CallFailed(grpc.StatusCode.ABORTED, "ProposalResponsePayloads do not match")
POLICY = RetryPolicy(max_tries=4)


def status(code: ValidationCode, block: int = 5) -> bytes:
    serialised: bytes = gateway_pb2.CommitStatusResponse(result=code, block_number=block).SerializeToString()
    return serialised


ENDORSED, VALID = endorsed(), status(ValidationCode.VALID)
CONFLICT = status(ValidationCode.MVCC_READ_CONFLICT)


def script(*answers: Any) -> Callable[[Effect], Any]:
    """Answers the calls one after the other."""
    waiting: Iterator[Any] = iter(answers)

    def answer(effect: Effect) -> Any:
        assert isinstance(effect, Call)
        return next(waiting)

    return answer


def run(party: Party, policy: RetryPolicy | None, *answers: Any, timeouts: Timeouts | None = None) -> Ran:
    return run_scripted(transact(party, INVOCATION, timeouts or party.timeouts, policy), script(*answers))


def requests(ran: Ran, method: str) -> list[bytes]:
    return [e.request for e in ran.effects if isinstance(e, Call) and e.method.endswith(f"/{method}")]


def test_one_try_without_a_policy(party: Party) -> None:
    ran = run(party, None, ENDORSED, OK, VALID)
    assert ran.methods == ["Endorse", "Submit", "CommitStatus"]
    assert (ran.result.result, ran.result.block_number, ran.result.tries, ran.result.sends) == (
        b"done",
        5,
        1,
        1,
    )


@pytest.mark.parametrize("code", [ValidationCode.MVCC_READ_CONFLICT, ValidationCode.PHANTOM_READ_CONFLICT])
def test_a_lost_race_is_endorsed_anew(party: Party, code: ValidationCode) -> None:
    ran = run(party, POLICY, ENDORSED, OK, status(code), ENDORSED, OK, VALID)
    assert ran.result.tries == 2
    assert len(ran.pauses_s) == 1
    first, second = (gateway_pb2.EndorseRequest.FromString(request) for request in requests(ran, "Endorse"))
    assert first.transaction_id != second.transaction_id
    assert ran.result.transaction_id == second.transaction_id


def test_a_lost_race_is_reported_without_a_policy(party: Party) -> None:
    with pytest.raises(CommitError) as caught:
        run(party, None, ENDORSED, OK, CONFLICT)
    assert (caught.value.code, caught.value.block_number) == (ValidationCode.MVCC_READ_CONFLICT, 5)


def test_tries_are_bounded_and_told(party: Party) -> None:
    with pytest.raises(CommitError, match="4 tries"):
        run(party, POLICY, *[ENDORSED, OK, CONFLICT] * 4)


@pytest.mark.parametrize(
    "code",
    sorted(set(ValidationCode) - {ValidationCode.VALID, *list(ValidationCode)[11:13]}),
)
def test_other_codes_are_not_retried(party: Party, code: ValidationCode) -> None:
    with pytest.raises(CommitError) as caught:
        run(party, POLICY, ENDORSED, OK, status(code))
    assert caught.value.code is code
    assert caught.value.tries == 1


def test_a_refusal_is_not_retried(party: Party) -> None:
    with pytest.raises(EndorseError) as caught:
        run(party, POLICY, REFUSED)
    assert caught.value.reason == "CHAINCODE_REFUSED"


@pytest.mark.parametrize("failure", [BUSY, DIFFERENT, OUT_OF_SIGHT, NO_COMBINATION, CLOSING])
def test_endorsing_is_asked_again(party: Party, failure: CallFailed) -> None:
    ran = run(party, POLICY, failure, failure, ENDORSED, OK, VALID)
    assert ran.result.tries == 3
    assert len(ran.pauses_s) == 2


def test_a_commit_that_does_not_come_is_sent_again_unchanged(party: Party) -> None:
    ran = run(party, POLICY, ENDORSED, OK, LATE, OK, LATE, OK, VALID)
    assert ran.methods == [
        "Endorse",
        "Submit",
        "CommitStatus",
        "Submit",
        "CommitStatus",
        "Submit",
        "CommitStatus",
    ]
    assert len(set(requests(ran, "Submit"))) == 1
    assert (ran.result.tries, ran.result.sends) == (1, 3)


def test_an_unknown_submit_is_asked_for_before_it_is_sent_again(party: Party) -> None:
    ran = run(party, POLICY, ENDORSED, ORDERERS_AWAY, VALID)
    assert ran.methods == ["Endorse", "Submit", "CommitStatus"]


def test_a_refused_copy_does_not_hide_the_first_ones_fate(party: Party) -> None:
    ran = run(party, POLICY, ENDORSED, OK, LATE, REFUSED, VALID)
    assert ran.result.block_number == 5


@pytest.mark.parametrize("failure", [BUSY, NOT_JOINED], ids=["a busy peer", "an orderer yet to join"])
def test_what_nobody_took_goes_in_again_at_once(party: Party, failure: CallFailed) -> None:
    ran = run(party, POLICY, ENDORSED, failure, failure, OK, VALID)
    assert ran.methods == ["Endorse", "Submit", "Submit", "Submit", "CommitStatus"]
    assert len(set(requests(ran, "Submit"))) == 1
    assert len(ran.pauses_s) == 2


def test_submit_refused_for_good(party: Party) -> None:
    with pytest.raises(SubmitError):
        run(party, POLICY, ENDORSED, CallFailed(grpc.StatusCode.INVALID_ARGUMENT, "no"))


def test_waiting_ends_with_the_commit_timeout(party: Party) -> None:
    answers = {"Endorse": ENDORSED, "Submit": OK, "CommitStatus": LATE}

    def answer(effect: Effect) -> Any:
        assert isinstance(effect, Call)
        return answers[effect.method.rpartition("/")[2]]

    timeouts = Timeouts(commit_status_s=0.001)
    with pytest.raises(CommitStatusError) as caught:
        run_scripted(transact(party, INVOCATION, timeouts, POLICY), answer)
    assert caught.value.transaction_id


def test_pauses_grow_and_vary() -> None:
    policy = RetryPolicy(first_pause_s=0.1, longest_pause_s=1.0)
    assert policy.pause_s(100_000) <= 1.5  # after an outage of days, too
    pauses = [[policy.pause_s(failures) for _ in range(50)] for failures in range(1, 9)]
    assert all(len(set(same)) > 1 for same in pauses)
    assert max(pauses[0]) <= 0.15
    assert min(pauses[7]) >= 0.5
    assert max(map(max, pauses)) <= 1.5


@pytest.mark.parametrize("wrong", [{"max_tries": 0}, {"max_sends": 0}, {"commit_wait_s": 0}])
def test_senseless_policies_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        RetryPolicy(**wrong)


def test_the_next_peer_is_used_when_one_is_down(party: Party) -> None:
    down = CallFailed(grpc.StatusCode.UNAVAILABLE, "failed to connect to all addresses")
    ran = run(party, None, down, ENDORSED, OK, VALID)
    assert [effect.peer for effect in ran.effects if isinstance(effect, Call)] == [0, 1, 1, 1]
    assert party.peers.current == 1


def test_every_peer_down_is_told_with_its_address(party: Party) -> None:
    down = CallFailed(grpc.StatusCode.UNAVAILABLE, "failed to connect to all addresses")
    with pytest.raises(EndorseError, match=r"second at 127\.0\.0\.1:2") as caught:
        run(party, None, down, down)
    assert caught.value.reason == "PEER_UNREACHABLE"


def test_a_hanging_peer_is_left(party: Party) -> None:
    with pytest.raises(EndorseError) as caught:
        run(party, None, LATE)
    assert caught.value.reason == "DEADLINE_EXCEEDED"
    assert party.peers.current == 1


def test_a_commit_is_asked_for_at_the_next_peer(party: Party) -> None:
    ran = run(party, POLICY, ENDORSED, OK, LATE, OK, VALID)
    assert [effect.peer for effect in ran.effects if isinstance(effect, Call)] == [0, 0, 0, 1, 1]
