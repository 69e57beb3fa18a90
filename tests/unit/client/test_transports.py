"""Both transports over real gRPC: the same typed errors, failover, closing, and hostile answers."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from commonwatt_client import (
    ChaincodeEvent,
    CommitStatusError,
    ConfigurationError,
    ConnectionClosedError,
    EndorseError,
    EvaluateError,
    EventsError,
    EventStream,
    GatewayError,
    MalformedMessageError,
    Peer,
    ReconnectPolicy,
    SigningError,
    SubmitError,
    Timeouts,
    connect,
    sync,
)
from fabric_protos.gateway import gateway_pb2
from fabric_protos.peer import chaincode_event_pb2, events_pb2, proposal_response_pb2
from google.protobuf import any_pb2

from .conftest import Keyed
from .gateway_stand_in import StandIn, endorsed, free_address, stand_in

HELLO = gateway_pb2.EvaluateResponse(
    result=proposal_response_pb2.Response(payload=b"hello")
).SerializeToString()
NEWEST = events_pb2.DeliverResponse(filtered_block=events_pb2.FilteredBlock(number=4)).SerializeToString()


def event(block: int, transaction: str) -> bytes:
    message: bytes = gateway_pb2.ChaincodeEventsResponse(
        block_number=block,
        events=[chaincode_event_pb2.ChaincodeEvent(chaincode_id="m", tx_id=transaction, event_name="E")],
    ).SerializeToString()
    return message


@pytest.fixture
def peer() -> Iterator[StandIn]:
    with stand_in() as running:
        yield running


class Client:
    """Either client, called the same way."""

    def __init__(self, kind: str, keyed: Keyed) -> None:
        self.kind = kind
        self.keyed = keyed

    def run(self, peers: Any, action: Any, signer: Any = None, timeouts: Timeouts | None = None) -> Any:
        """What `action(contract)` gives, its awaitable awaited."""
        given: dict[str, Any] = {
            "identity": self.keyed.identity,
            "signer": signer or self.keyed.signer,
            "timeouts": timeouts,
        }
        if self.kind == "sync":
            with sync.connect(peers, **given) as gateway:
                return action(gateway.get_network("c").get_contract("m"))

        async def asynchronously() -> Any:
            async with connect(peers, **given) as gateway:
                return await action(gateway.get_network("c").get_contract("m"))

        return asyncio.run(asynchronously())


@pytest.fixture(params=["async", "sync"])
def client(request: pytest.FixtureRequest, keyed: Keyed) -> Client:
    return Client(request.param, keyed)


def test_answers(client: Client, peer: StandIn) -> None:
    peer.behaviours["Evaluate"] = lambda request, context: HELLO
    assert client.run(peer.peer, lambda contract: contract.evaluate_transaction("f")) == b"hello"


def test_status_and_phase(client: Client, peer: StandIn) -> None:
    peer.behaviours["Endorse"] = lambda request, context: context.abort(
        grpc.StatusCode.PERMISSION_DENIED, "no"
    )
    with pytest.raises(EndorseError) as caught:
        client.run(peer.peer, lambda contract: contract.submit_transaction("f"))
    assert (caught.value.status, caught.value.message) == (grpc.StatusCode.PERMISSION_DENIED, "no")
    assert len(caught.value.transaction_id) == 64


def test_no_such_service(client: Client, peer: StandIn) -> None:
    with pytest.raises(EvaluateError) as caught:
        client.run(peer.peer, lambda contract: contract.evaluate_transaction("f"))
    assert caught.value.status is grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.parametrize("answer", [b"\xff\xff\xff", b"\x0a\xff", b"\x0a\x02\x1a\x05"])
def test_nonsense_answers(client: Client, peer: StandIn, answer: bytes) -> None:
    peer.behaviours["Evaluate"] = peer.behaviours["Endorse"] = lambda request, context: answer
    with pytest.raises(MalformedMessageError):
        client.run(peer.peer, lambda contract: contract.evaluate_transaction("f"))
    with pytest.raises(MalformedMessageError):
        client.run(peer.peer, lambda contract: contract.submit_transaction("f"))


def test_an_empty_endorsement(client: Client, peer: StandIn) -> None:
    peer.behaviours["Endorse"] = lambda request, context: b""
    with pytest.raises(MalformedMessageError, match="no action"):
        client.run(peer.peer, lambda contract: contract.submit_transaction("f"))


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
    client: Client,
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

    def call(contract: Any) -> Any:
        send = contract.evaluate_transaction if method == "Evaluate" else contract.submit_transaction
        return send("f", **({own: 0.1} if per_call else {}))

    with pytest.raises(error) as caught:
        client.run(peer.peer, call, timeouts=None if per_call else Timeouts(**{default: 0.1}))
    assert caught.value.reason == "DEADLINE_EXCEEDED"


def test_senseless_timeouts_are_refused(client: Client, peer: StandIn) -> None:
    with pytest.raises(ConfigurationError, match="above 0"):
        client.run(peer.peer, lambda contract: contract.evaluate("f", timeout_s=-1))


def test_the_next_peer(client: Client, peer: StandIn) -> None:
    peer.behaviours["Evaluate"] = lambda request, context: HELLO
    peers = [Peer(free_address(), plaintext=True), peer.peer]
    assert client.run(peers, lambda contract: contract.evaluate_transaction("f")) == b"hello"


def test_no_peer(client: Client) -> None:
    address = free_address()
    with pytest.raises(EvaluateError, match=address) as caught:
        client.run(Peer(address, plaintext=True), lambda contract: contract.evaluate_transaction("f"))
    assert caught.value.reason == "PEER_UNREACHABLE"


def test_a_busy_peer_is_asked_again(client: Client, peer: StandIn) -> None:
    def busy_twice(request: bytes, context: grpc.ServicerContext) -> bytes:
        if peer.calls.count("Evaluate") < 3:
            context.abort(grpc.StatusCode.UNKNOWN, "too many requests for /gateway.Gateway/Evaluate")
        return HELLO

    peer.behaviours["Evaluate"] = busy_twice
    assert client.run(peer.peer, lambda contract: contract.evaluate("f", retry=True)) == b"hello"


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
def test_a_long_refusal_arrives_whole(client: Client, peer: StandIn, letters: int) -> None:
    peer.behaviours["Evaluate"] = peer.behaviours["Endorse"] = refusing(letters)
    for send in ("evaluate", "submit"):
        with pytest.raises(GatewayError) as caught:
            client.run(peer.peer, lambda contract, send=send: getattr(contract, send)("f", retry=True))
        assert (caught.value.reason, caught.value.tries) == ("CHAINCODE_REFUSED", 1)
        assert caught.value.chaincode_response is not None
        assert caught.value.chaincode_response.message == "verbose: " + "m" * letters
    assert peer.calls == ["Evaluate", "Endorse"]


def test_what_is_too_large_is_not_sent_again(client: Client, peer: StandIn) -> None:
    peer.behaviours["Endorse"] = refusing(13_000_000)
    with pytest.raises(EndorseError) as caught:
        client.run(peer.peer, lambda contract: contract.submit("f", retry=True))
    assert caught.value.reason != "TOO_MANY_REQUESTS"
    assert peer.calls == ["Endorse"]


def test_failing_signers(client: Client, peer: StandIn) -> None:
    class Broken:
        def sign(self, digest: bytes) -> bytes:
            raise OSError("the token was pulled out")

    class Wrong:
        def sign(self, digest: bytes) -> str:
            return "signature"

    for signer, said in ((Broken(), "pulled out"), (Wrong(), "not bytes")):
        with pytest.raises(SigningError, match=said):
            client.run(peer.peer, lambda contract: contract.evaluate_transaction("f"), signer=signer)


async def test_a_signer_may_be_a_coroutine(keyed: Keyed, peer: StandIn) -> None:
    class Remote:
        async def sign(self, digest: bytes) -> bytes:
            await asyncio.sleep(0)
            return keyed.signer.sign(digest)

    peer.behaviours["Evaluate"] = lambda request, context: HELLO
    async with connect(peer.peer, identity=keyed.identity, signer=Remote()) as gateway:
        assert await gateway.get_network("c").get_contract("m").evaluate_transaction("f") == b"hello"
    with (
        sync.connect(peer.peer, identity=keyed.identity, signer=Remote()) as blocking,
        pytest.raises(SigningError, match="async client"),
    ):
        blocking.get_network("c").get_contract("m").evaluate_transaction("f")


def test_a_second_event_loop_goes_on_where_the_first_ended(keyed: Keyed, peer: StandIn) -> None:
    """As in a notebook, or a script that calls `asyncio.run` twice."""
    peer.behaviours["Evaluate"] = lambda request, context: HELLO
    gateway = connect(peer.peer, identity=keyed.identity, signer=keyed.signer)
    contract = gateway.get_network("c").get_contract("m")
    for _ in range(3):
        assert asyncio.run(contract.evaluate_transaction("f")) == b"hello"
    asyncio.run(gateway.close())
    with pytest.raises(ConnectionClosedError):
        asyncio.run(contract.evaluate_transaction("f"))


def test_a_stream_goes_on_in_a_second_event_loop(keyed: Keyed, peer: StandIn) -> None:
    def two_each(request: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
        first = peer.calls.count("ChaincodeEvents")
        yield event(first, "a")
        yield event(first + 1, "b")
        peer.wait(context)

    peer.behaviours["DeliverFiltered"] = lambda request, context: iter([NEWEST])
    peer.behaviours["ChaincodeEvents"] = two_each
    gateway = connect(peer.peer, identity=keyed.identity, signer=keyed.signer)
    stream: EventStream[ChaincodeEvent] = gateway.get_network("c").chaincode_events("m", start_block=0)

    async def following() -> ChaincodeEvent:
        return await asyncio.wait_for(anext(stream), 10)

    assert asyncio.run(following()).block_number == 1
    assert asyncio.run(following()).block_number == 2
    asyncio.run(stream.close())
    asyncio.run(gateway.close())


def test_two_event_loops_at_once_are_told_apart(keyed: Keyed, peer: StandIn) -> None:
    peer.behaviours["Evaluate"] = lambda request, context: HELLO

    async def one_and_another() -> None:
        async with connect(peer.peer, identity=keyed.identity, signer=keyed.signer) as gateway:
            contract = gateway.get_network("c").get_contract("m")
            assert await contract.evaluate_transaction("f") == b"hello"
            with pytest.raises(ConfigurationError, match="in use in another event loop"):
                await asyncio.to_thread(asyncio.run, contract.evaluate_transaction("f"))
            assert await contract.evaluate_transaction("f") == b"hello"

    asyncio.run(one_and_another())


async def test_closing_ends_calls_under_way(keyed: Keyed, peer: StandIn) -> None:
    peer.behaviours["Evaluate"] = lambda request, context: peer.wait(context)
    gateway = connect(peer.peer, identity=keyed.identity, signer=keyed.signer)
    contract = gateway.get_network("c").get_contract("m")
    call = asyncio.create_task(contract.evaluate_transaction("f"))
    await asyncio.to_thread(peer.called.wait, 10)
    await gateway.close()
    with pytest.raises(ConnectionClosedError):
        await asyncio.wait_for(call, 5)
    with pytest.raises(ConnectionClosedError):
        await contract.evaluate_transaction("f")


async def test_a_cancelled_task_stays_cancelled(keyed: Keyed, peer: StandIn) -> None:
    peer.behaviours["Evaluate"] = lambda request, context: peer.wait(context)
    async with connect(peer.peer, identity=keyed.identity, signer=keyed.signer) as gateway:
        call = asyncio.create_task(gateway.get_network("c").get_contract("m").evaluate_transaction("f"))
        await asyncio.to_thread(peer.called.wait, 10)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call


def test_closing_ends_blocking_calls(keyed: Keyed, peer: StandIn) -> None:
    peer.behaviours["Evaluate"] = lambda request, context: peer.wait(context)
    gateway = sync.connect(peer.peer, identity=keyed.identity, signer=keyed.signer)
    caught: list[BaseException] = []

    def call() -> None:
        try:
            gateway.get_network("c").get_contract("m").evaluate_transaction("f")
        except BaseException as error:
            caught.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    assert peer.called.wait(10)
    gateway.close()
    thread.join(5)
    assert [type(error) for error in caught] == [ConnectionClosedError]


def test_a_shared_connection_outlives_its_gateways(keyed: Keyed, peer: StandIn) -> None:
    peer.behaviours["Evaluate"] = lambda request, context: HELLO
    with sync.Connection(peer.peer) as connection:
        for _ in range(2):
            with sync.connect(connection, identity=keyed.identity, signer=keyed.signer) as gateway:
                assert gateway.get_network("c").get_contract("m").evaluate_transaction("f") == b"hello"


def events_after(peer: StandIn) -> None:
    """Streams that are cut after each event: the requests' positions decide what comes next."""
    sent = [event(5, "a"), event(5, "b"), event(7, "c")]

    def stream(request: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
        asked = gateway_pb2.ChaincodeEventsRequest.FromString(
            gateway_pb2.SignedChaincodeEventsRequest.FromString(request).request
        )
        start = {"": 0, "a": 1, "b": 2, "c": 3}[asked.after_transaction_id]
        yield from sent[start : start + 1]
        if start >= len(sent):
            context.abort(grpc.StatusCode.PERMISSION_DENIED, "enough")

    peer.behaviours["DeliverFiltered"] = lambda request, context: iter([NEWEST])
    peer.behaviours["ChaincodeEvents"] = stream


QUICK = ReconnectPolicy(first_pause_s=0.01)


async def test_a_stream_comes_back(keyed: Keyed, peer: StandIn) -> None:
    events_after(peer)
    received = []
    async with (
        connect(peer.peer, identity=keyed.identity, signer=keyed.signer) as gateway,
        gateway.get_network("c").chaincode_events("m", reconnect=QUICK) as events,
    ):
        with pytest.raises(EventsError, match="enough"):
            async for each in events:
                received.append(each.transaction_id)
    assert received == ["a", "b", "c"]


def test_a_stream_comes_back_in_the_sync_client(keyed: Keyed, peer: StandIn) -> None:
    events_after(peer)
    received = []
    with (
        sync.connect(peer.peer, identity=keyed.identity, signer=keyed.signer) as gateway,
        gateway.get_network("c").chaincode_events("m", reconnect=QUICK) as events,
        pytest.raises(EventsError, match="enough"),
    ):
        for each in events:
            received.append(each.transaction_id)
    assert received == ["a", "b", "c"]


async def test_a_stream_outlives_its_peers_restart(keyed: Keyed) -> None:
    with stand_in() as first:
        events_after(first)
        port = int(first.address.rpartition(":")[2])
        gateway = connect(first.peer, identity=keyed.identity, signer=keyed.signer)
        events = gateway.get_network("c").chaincode_events("m", reconnect=QUICK)
        assert (await anext(events)).transaction_id == "a"
    following = asyncio.create_task(following_event(events))
    with stand_in(port) as second:
        events_after(second)
        assert await asyncio.wait_for(following, 20) == "b"
        await events.close()
        await gateway.close()


async def following_event(events: EventStream[ChaincodeEvent]) -> str:
    return (await anext(events)).transaction_id


@pytest.mark.parametrize("address", ["localhost", "localhost:", ":7051", "https://localhost:7051", "a:b"])
def test_addresses_are_checked(address: str) -> None:
    with pytest.raises(ConfigurationError, match="not host:port"):
        Peer(address)


def test_certificates_are_checked(keyed: Keyed) -> None:
    with pytest.raises(ConfigurationError, match="not a PEM certificate"):
        connect(Peer("127.0.0.1:1", b"nonsense"), identity=keyed.identity)
    with pytest.raises(ConfigurationError, match="cannot read"):
        connect(Peer("127.0.0.1:1", "/nowhere/ca.crt"), identity=keyed.identity)
    with pytest.raises(ConfigurationError, match="no peer"):
        connect([], identity=keyed.identity)
