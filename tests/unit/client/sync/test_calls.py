# SPDX-License-Identifier: Apache-2.0
# Written by `make sync` from tests/unit/client/gateway/test_calls.py: change that file.
"""Calls and streams over real gRPC: the same typed errors, failover, timeouts and hostile answers in both clients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import grpc
import pytest
from commonwatt_client.sync import (
    CommitStatusError,
    ConfigurationError,
    Connection,
    EndorseError,
    EvaluateError,
    EventsError,
    GatewayError,
    MalformedMessageError,
    Peer,
    SigningError,
    SubmitError,
    Timeouts,
    connect,
)
from fabric_protos.gateway import gateway_pb2
from google.protobuf import any_pb2

from ..conftest import Keyed
from ..gateway.stand_in import HELLO, QUICK, StandIn, endorsed, events_after, free_address


def call(
    peers: Any,
    keyed: Keyed,
    action: Callable[[Any], Any],
    signer: Any = None,
    timeouts: Timeouts | None = None,
) -> Any:
    """What `action(contract)` gives."""
    with connect(peers, identity=keyed.identity, signer=signer or keyed.signer, timeouts=timeouts) as gateway:
        return action(gateway.get_network("c").get_contract("m"))


def test_answers(keyed: Keyed, peer: StandIn) -> None:
    peer.behaviours["Evaluate"] = lambda request, context: HELLO
    assert call(peer.peer, keyed, lambda contract: contract.evaluate_transaction("f")) == b"hello"


def test_status_and_phase(keyed: Keyed, peer: StandIn) -> None:
    peer.behaviours["Endorse"] = lambda request, context: context.abort(
        grpc.StatusCode.PERMISSION_DENIED, "no"
    )
    with pytest.raises(EndorseError) as caught:
        call(peer.peer, keyed, lambda contract: contract.submit_transaction("f"))
    assert (caught.value.status, caught.value.message) == (grpc.StatusCode.PERMISSION_DENIED, "no")
    assert len(caught.value.transaction_id) == 64


def test_no_such_service(keyed: Keyed, peer: StandIn) -> None:
    with pytest.raises(EvaluateError) as caught:
        call(peer.peer, keyed, lambda contract: contract.evaluate_transaction("f"))
    assert caught.value.status is grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.parametrize("answer", [b"\xff\xff\xff", b"\x0a\xff", b"\x0a\x02\x1a\x05"])
def test_nonsense_answers(keyed: Keyed, peer: StandIn, answer: bytes) -> None:
    peer.behaviours["Evaluate"] = peer.behaviours["Endorse"] = lambda request, context: answer
    with pytest.raises(MalformedMessageError):
        call(peer.peer, keyed, lambda contract: contract.evaluate_transaction("f"))
    with pytest.raises(MalformedMessageError):
        call(peer.peer, keyed, lambda contract: contract.submit_transaction("f"))


def test_an_empty_endorsement(keyed: Keyed, peer: StandIn) -> None:
    peer.behaviours["Endorse"] = lambda request, context: b""
    with pytest.raises(MalformedMessageError, match="no action"):
        call(peer.peer, keyed, lambda contract: contract.submit_transaction("f"))


@pytest.mark.parametrize(
    ("method", "error", "own", "default"),
    [
        ("Evaluate", EvaluateError, "timeout_s", "evaluate_s"),
        ("Endorse", EndorseError, "endorse_timeout_s", "endorse_s"),
        ("Submit", SubmitError, "submit_timeout_s", "submit_s"),
        ("CommitStatus", CommitStatusError, "commit_timeout_s", "commit_status_s"),
    ],
)
@pytest.mark.parametrize("per_call", [True, False])
def test_every_phase_has_a_timeout_of_its_own(
    keyed: Keyed,
    peer: StandIn,
    method: str,
    error: type[GatewayError],
    own: str,
    default: str,
    per_call: bool,
) -> None:
    peer.behaviours["Endorse"] = lambda request, context: endorsed()
    peer.behaviours["Submit"] = lambda request, context: b""
    peer.behaviours[method] = lambda request, context: peer.wait(context)

    def action(contract: Any) -> Any:
        send = contract.evaluate_transaction if method == "Evaluate" else contract.submit_transaction
        return send("f", **({own: 0.1} if per_call else {}))

    with pytest.raises(error) as caught:
        call(peer.peer, keyed, action, timeouts=None if per_call else Timeouts(**{default: 0.1}))
    assert caught.value.reason == "DEADLINE_EXCEEDED"


def test_a_peer_that_keeps_the_deadline_first_ends_no_call_as_cancelled(keyed: Keyed, peer: StandIn) -> None:
    def cancel_after(wait_s: float) -> Callable[[bytes, grpc.ServicerContext], Any]:
        def behaviour(request: bytes, context: grpc.ServicerContext) -> Any:
            peer.stopping.wait(wait_s)
            context.abort(grpc.StatusCode.CANCELLED, "Stream removed")

        return behaviour

    for wait_s, reason in ((0.95, "DEADLINE_EXCEEDED"), (0.0, "CANCELLED")):
        peer.behaviours["Evaluate"] = cancel_after(wait_s)
        with pytest.raises(EvaluateError) as caught:
            call(peer.peer, keyed, lambda contract: contract.evaluate("f", timeout_s=1.0))
        assert caught.value.reason == reason


def test_senseless_timeouts_are_refused(keyed: Keyed, peer: StandIn) -> None:
    with pytest.raises(ConfigurationError, match="above 0"):
        call(peer.peer, keyed, lambda contract: contract.evaluate("f", timeout_s=-1))


def test_the_next_peer(keyed: Keyed, peer: StandIn) -> None:
    peer.behaviours["Evaluate"] = lambda request, context: HELLO
    peers = [Peer(free_address(), plaintext=True), peer.peer]
    assert call(peers, keyed, lambda contract: contract.evaluate_transaction("f")) == b"hello"


def test_no_peer(keyed: Keyed) -> None:
    address = free_address()
    with pytest.raises(EvaluateError, match=address) as caught:
        call(Peer(address, plaintext=True), keyed, lambda contract: contract.evaluate_transaction("f"))
    assert caught.value.reason == "PEER_UNREACHABLE"


def test_a_busy_peer_is_asked_again(keyed: Keyed, peer: StandIn) -> None:
    def busy_twice(request: bytes, context: grpc.ServicerContext) -> bytes:
        if peer.calls.count("Evaluate") < 3:
            context.abort(grpc.StatusCode.UNKNOWN, "too many requests for /gateway.Gateway/Evaluate")
        return HELLO

    peer.behaviours["Evaluate"] = busy_twice
    assert call(peer.peer, keyed, lambda contract: contract.evaluate("f", retry=True)) == b"hello"


def refusing(letters: int) -> Any:
    """A peer's answer that carries a chaincode's refusal of that length, as Fabric's gateway sends it."""
    text = "chaincode response 400, verbose: " + "m" * letters
    detail = gateway_pb2.ErrorDetail(address="127.0.0.1:7051", msp_id="NewtownMSP", message=text)
    packed = any_pb2.Any()
    packed.Pack(detail)
    serialised = packed.SerializeToString()
    length = len(serialised)
    size = bytes([length & 0x7F | 0x80, length >> 7 & 0x7F | 0x80, length >> 14 & 0x7F | 0x80, length >> 21])
    status = b"\x08\x0a\x1a" + size + serialised  # google.rpc.Status{code: 10, details: [packed]}

    def behaviour(request: bytes, context: grpc.ServicerContext) -> Any:
        context.set_trailing_metadata((("grpc-status-details-bin", status),))
        context.abort(grpc.StatusCode.ABORTED, "failed to endorse transaction, see attached details")

    return behaviour


@pytest.mark.parametrize("letters", [6_000, 9_000, 20_000, 2_000_000])
def test_a_long_refusal_arrives_whole(keyed: Keyed, peer: StandIn, letters: int) -> None:
    peer.behaviours["Evaluate"] = peer.behaviours["Endorse"] = refusing(letters)
    for send in ("evaluate", "submit"):
        with pytest.raises(GatewayError) as caught:
            call(peer.peer, keyed, lambda contract, send=send: getattr(contract, send)("f", retry=True))
        assert (caught.value.reason, caught.value.tries) == ("CHAINCODE_REFUSED", 1)
        assert caught.value.chaincode_response is not None
        assert caught.value.chaincode_response.message == "verbose: " + "m" * letters
    assert peer.calls == ["Evaluate", "Endorse"]


def test_what_is_too_large_is_not_sent_again(keyed: Keyed, peer: StandIn) -> None:
    peer.behaviours["Endorse"] = refusing(13_000_000)
    with pytest.raises(EndorseError) as caught:
        call(peer.peer, keyed, lambda contract: contract.submit("f", retry=True))
    assert caught.value.reason != "TOO_MANY_REQUESTS"
    assert peer.calls == ["Endorse"]


def test_failing_signers(keyed: Keyed, peer: StandIn) -> None:
    class Broken:
        def sign(self, digest: bytes) -> bytes:
            raise OSError("the token was pulled out")

    class Wrong:
        def sign(self, digest: bytes) -> str:
            return "signature"

    for signer, said in ((Broken(), "pulled out"), (Wrong(), "not bytes")):
        with pytest.raises(SigningError, match=said):
            call(peer.peer, keyed, lambda contract: contract.evaluate_transaction("f"), signer=signer)


def test_a_shared_connection_outlives_its_gateways(keyed: Keyed, peer: StandIn) -> None:
    peer.behaviours["Evaluate"] = lambda request, context: HELLO
    with Connection(peer.peer) as connection:
        for _ in range(2):
            with connect(connection, identity=keyed.identity, signer=keyed.signer) as gateway:
                contract = gateway.get_network("c").get_contract("m")
                assert contract.evaluate_transaction("f") == b"hello"


def test_a_failure_keeps_its_cause(keyed: Keyed, peer: StandIn) -> None:
    peer.behaviours["Evaluate"] = lambda request, context: context.abort(grpc.StatusCode.INTERNAL, "no")
    with pytest.raises(EvaluateError) as caught:
        call(peer.peer, keyed, lambda contract: contract.evaluate_transaction("f"))
    failed = caught.value.__cause__
    assert failed is not None
    assert isinstance(failed.__cause__, grpc.RpcError)


def test_a_stream_comes_back(keyed: Keyed, peer: StandIn) -> None:
    events_after(peer)
    received = []
    with (
        connect(peer.peer, identity=keyed.identity, signer=keyed.signer) as gateway,
        gateway.get_network("c").chaincode_events("m", reconnect=QUICK) as events,
    ):
        with pytest.raises(EventsError, match="enough"):
            for each in events:
                received.append(each.transaction_id)
    assert received == ["a", "b", "c"]
