# SPDX-License-Identifier: Apache-2.0
"""The server as a peer meets it over the wire, and every defect known of the existing Python library."""

import asyncio
import logging
import secrets
from typing import Any

import pytest
from commonwatt_chaincode.shim import (
    ConfigurationError,
    Contract,
    PeerError,
    Refusal,
    ServerConfig,
    Stub,
    evaluate,
    serve,
    transaction,
)
from commonwatt_chaincode.shim.testing import WirePeer
from fabric_protos.peer import chaincode_shim_pb2, proposal_response_pb2

from .conftest import Serving

Message = chaincode_shim_pb2.ChaincodeMessage


def response(completed: Any) -> Any:
    assert completed.type == Message.COMPLETED
    return proposal_response_pb2.Response.FromString(completed.payload)


async def test_it_registers_as_its_package_and_answers_keepalives(serving: Serving) -> None:
    async with serving() as address, WirePeer(address) as peer:
        assert peer.chaincode_id == "probe_1:hash"
        await peer.keepalive()
        await peer.invoke("get", "k")
        assert peer.keepalives == 1


async def test_no_transaction_of_many_is_lost(serving: Serving) -> None:
    async with serving() as address, WirePeer(address) as one, WirePeer(address) as other:
        peers = [one, other] * 300
        done = await asyncio.gather(*(peer.invoke("put", f"k{i}", str(i)) for i, peer in enumerate(peers)))
        assert {response(completed).status for completed in done} == {200}
        assert not one.dropped + other.dropped
        for i, (peer, completed) in enumerate(zip(peers, done, strict=True)):
            [(place, value)] = peer.simulation(completed.txid).writes.items()
            assert (place.key, value) == (f"k{i}", str(i).encode())


async def test_slow_transactions_do_not_hold_up_others(serving: Serving) -> None:
    async with serving() as address, WirePeer(address) as peer:
        slow = asyncio.ensure_future(peer.invoke("wait", "30"))
        assert response(await peer.invoke("get", "k")).status == 200
        assert not slow.done()
        slow.cancel()


async def test_concurrent_reads_of_one_transaction_wait_for_each_other(serving: Serving) -> None:
    async with serving() as address, WirePeer(address) as peer:
        done = response(await peer.invoke("get_together", [f"k{i}" for i in range(50)]))
        assert done.payload == b"[" + b",".join([b"null"] * 50) + b"]"
        assert not peer.dropped


async def test_events_are_sent(serving: Serving) -> None:
    async with serving() as address, WirePeer(address) as peer:
        completed = await peer.invoke("announce", "greeting", "hello")
        event = completed.chaincode_event
        assert (event.event_name, event.payload, event.tx_id) == ("greeting", b"hello", completed.txid)
        assert not (await peer.invoke("refuse", "k")).HasField("chaincode_event")


class Careful(Contract):
    """Handles the peer's refusal by itself."""

    @evaluate
    async def read(self, stub: Stub) -> str:
        try:
            await stub.get_private_data("nowhere", "k")
        except PeerError as error:
            return f"{error.request}: {error.message}"
        return "read"

    @transaction
    async def write(self, stub: Stub) -> str:
        await stub.put_private_data("nowhere", "k", b"v")
        try:
            await stub.flush_writes()
        except PeerError as error:
            return error.request
        return "written"


@pytest.mark.parametrize(("write_batch", "kind"), [(1000, "PUT_STATE"), (0, "PUT_STATE")])
async def test_an_error_of_the_peer_is_raised_and_never_taken_as_data(
    serving: Serving, write_batch: int, kind: str
) -> None:
    async with serving(Careful()) as address, WirePeer(address, write_batch=write_batch) as peer:
        text = response(await peer.invoke("read")).payload.decode()
        assert text.startswith("GET_STATE: GET_STATE failed")
        assert "nowhere" in text
        assert response(await peer.invoke("write")).payload.decode() == kind


async def test_an_error_that_the_contract_leaves_alone_fails_the_transaction(serving: Serving) -> None:
    async with serving() as address, WirePeer(address) as peer:
        done = response(await peer.invoke("put_private", "nowhere", "k", transient={"value": b"v"}))
        assert done.status == 500
        assert "nowhere" in done.message


@pytest.mark.parametrize("size", [3 * 1024 * 1024, 20 * 1024 * 1024])
async def test_large_arguments_and_results(serving: Serving, size: int) -> None:
    value = secrets.token_bytes(size)
    async with serving() as address, WirePeer(address) as peer:
        completed = await peer.invoke("put_large", "k", value)
        assert list(peer.simulation(completed.txid).writes.values()) == [value]
        place = next(iter(peer.simulation(completed.txid).writes))
        peer.state.write(place, value, (1, 0), "t", (0, 0))  # type: ignore[arg-type]
        assert response(await peer.invoke("get_large", "k")).payload == value


class Huge(Contract):
    @evaluate
    async def result(self, stub: Stub) -> bytes:
        return bytes(100 * 1024 * 1024 + 1)


async def test_a_result_that_no_peer_takes_fails_alone(serving: Serving) -> None:
    async with serving(Huge()) as address, WirePeer(address) as peer:
        done = response(await peer.invoke("result"))
        assert done.status == 500
        assert "more than peers take" in done.message
        assert response(await peer.invoke("nothing")).status == 400


async def test_writes_leave_in_batches_where_the_peer_takes_them(serving: Serving) -> None:
    async with serving() as address, WirePeer(address, write_batch=100) as peer:
        completed = await peer.invoke("put_many", "k", 250)
        assert [request.type for request in peer.requests] == [Message.WRITE_BATCH_STATE] * 3
        assert len(peer.simulation(completed.txid).writes) == 250


async def test_large_batches_are_cut_by_size_too(serving: Serving) -> None:
    entries = [{"key": f"k{i}", "text": "x" * 6_000_000} for i in range(5)]
    async with serving() as address, WirePeer(address) as peer:
        await peer.invoke("put_entries", entries)
        sizes = [len(request.payload) for request in peer.requests]
        assert len(sizes) == 3
        assert max(sizes) < 17_000_000


async def test_writes_leave_one_by_one_where_the_peer_takes_no_batches(serving: Serving) -> None:
    async with serving() as address, WirePeer(address, write_batch=0) as peer:
        completed = await peer.invoke("put_many", "k", 5)
        assert [request.type for request in peer.requests] == [Message.PUT_STATE] * 5
        assert len(peer.simulation(completed.txid).writes) == 5


@pytest.mark.parametrize(("offered", "requests"), [(1000, 1), (100, 3), (0, 250)])
async def test_many_keys_are_read_as_the_peer_offers(serving: Serving, offered: int, requests: int) -> None:
    async with serving() as address, WirePeer(address, get_multiple=offered) as peer:
        done = response(await peer.invoke("get_many", [f"k{i}" for i in range(250)]))
        assert done.payload.count(b"null") == 250
        assert len(peer.requests) == requests


async def test_a_stream_that_ends_cancels_its_transactions(serving: Serving) -> None:
    started, cancelled = asyncio.Event(), asyncio.Event()

    async def handler(stub: Stub) -> Any:
        started.set()
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            cancelled.set()
            raise

    async with serving(handler) as address:
        async with WirePeer(address) as peer:
            running = asyncio.ensure_future(peer.invoke("anything"))
            await asyncio.wait_for(started.wait(), 5)
        with pytest.raises(EOFError):
            await running
        await asyncio.wait_for(cancelled.wait(), 5)


async def test_stopping_finishes_what_is_in_flight_and_refuses_more(serving: Serving) -> None:
    async with serving() as address:
        peer = await WirePeer(address).__aenter__()
        running = asyncio.ensure_future(peer.invoke("wait", "0.5"))
        await peer.invoke("get", "k")
    assert response(await running).payload == b"waited"
    await peer.__aexit__()


async def test_logs_show_no_payload(serving: Serving, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with serving() as address, WirePeer(address, collections=["secrets"]) as peer:
        await peer.invoke("put_private", "secrets", "k", transient={"value": b"TOPSECRET"})
        await peer.invoke("put", "k", "TOPSECRET")
        done = response(await peer.invoke("fail", "TOPSECRET"))
        assert done.message == "the chaincode failed with RuntimeError; its log says where"
    assert "TOPSECRET" not in caplog.text
    assert "in fail" in caplog.text
    assert "RuntimeError" in caplog.text


async def test_a_port_in_use_is_told(serving: Serving, probe: Contract) -> None:
    async with serving() as address, WirePeer(address):
        config = ServerConfig(address, "probe_2:hash", plaintext=True)
        with pytest.raises(ConfigurationError, match=f"cannot listen on {address}"):
            await asyncio.wait_for(serve(probe, config), 10)


class Surrogate(Contract):
    @evaluate
    async def go(self, stub: Stub) -> None:
        raise Refusal("odd", "a lone \ud800 surrogate")

    @transaction
    async def much(self, stub: Stub) -> None:
        await stub.put_state("k", bytes(100 * 1024 * 1024))


async def test_every_transaction_is_answered(serving: Serving) -> None:
    async with serving(Surrogate()) as address, WirePeer(address) as peer:
        done = response(await peer.invoke("go"))
        assert (done.status, done.message) == (400, "odd: a lone ? surrogate")
        done = response(await peer.invoke("much"))
        assert done.status == 500
        assert "more than peers take" in done.message


async def test_garbage_on_the_stream_ends_that_stream_alone(serving: Serving) -> None:
    async with serving() as address, WirePeer(address) as good:
        async with WirePeer(address) as bad:
            await bad._write(b"\xff\xff\xff")
            with pytest.raises(EOFError):
                await bad.invoke("get", "k")
        assert response(await good.invoke("get", "k")).status == 200
