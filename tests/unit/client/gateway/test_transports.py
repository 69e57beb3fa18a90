# SPDX-License-Identifier: Apache-2.0
"""What is each transport's own, over real gRPC: event loops, threads, closing, cancelling."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import grpc
import pytest
from commonwatt_client import (
    ChaincodeEvent,
    ConfigurationError,
    ConnectionClosedError,
    EventStream,
    Peer,
    SigningError,
    connect,
    sync,
)

from ..conftest import Keyed
from .stand_in import HELLO, NEWEST, QUICK, StandIn, event, events_after, stand_in


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
