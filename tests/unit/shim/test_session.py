# SPDX-License-Identifier: Apache-2.0
"""One peer's stream, message by message."""

import asyncio
import hashlib
from typing import Any

import pytest
from commonwatt_chaincode.shim import Handler, Response, Stub
from commonwatt_chaincode.shim.exchange import Offers
from commonwatt_chaincode.shim.session import LocalSession
from commonwatt_chaincode.shim.testing import caller
from commonwatt_chaincode.shim.testing.proposals import signed_proposal
from fabric_protos.peer import chaincode_pb2, chaincode_shim_pb2, proposal_response_pb2

Message = chaincode_shim_pb2.ChaincodeMessage


class Wire:
    """A session and what it has sent."""

    def __init__(self, handler: Handler) -> None:
        self.sent: list[Any] = []
        self.spoken = asyncio.Event()
        self.session = LocalSession(handler, self._send)

    def _send(self, message: bytes) -> None:
        self.sent.append(Message.FromString(message))
        self.spoken.set()

    def receive(self, kind: int, **fields: Any) -> None:
        self.session.receive(
            Message(type=kind, channel_id="ch", **{"txid": "t1", **fields}).SerializeToString()
        )

    def response(self, index: int = -1) -> Any:
        assert self.sent[index].type == Message.COMPLETED
        return proposal_response_pb2.Response.FromString(self.sent[index].payload)


@pytest.mark.parametrize(
    ("payload", "offers"),
    [
        ("", Offers(0, 0)),  # peers before Fabric 3.1
        ("080110e807180120e807", Offers(1000, 1000)),
        ("10e80720e807", Offers(0, 0)),  # off, though sizes are named
    ],
)
def test_what_a_peer_offers(payload: str, offers: Offers) -> None:
    assert Offers.from_ready(bytes.fromhex(payload)) == offers


@pytest.mark.parametrize("kind", [Message.TRANSACTION, Message.INIT])
async def test_the_proposal_reaches_the_chaincode(kind: int) -> None:
    seen: list[Stub] = []

    async def handler(stub: Stub) -> Response:
        seen.append(stub)
        return Response(200)

    wire, creator = Wire(handler), caller("home001", role="home")
    given = chaincode_pb2.ChaincodeInput(args=[b"go", b"1"], decorations={"colour": b"green"})
    proposal = signed_proposal("ch", creator, (5, 6), {"secret": b"hidden"})  # type: ignore[arg-type]
    wire.receive(kind, payload=given.SerializeToString(), proposal=proposal)
    await asyncio.wait_for(wire.spoken.wait(), 5)
    [stub] = seen
    assert (stub.channel_id, stub.transaction_id, stub.function, stub.arguments) == (
        "ch",
        "t1",
        "go",
        [b"go", b"1"],
    )
    assert dict(stub.decorations) == {"colour": b"green"}
    assert (stub.timestamp, dict(stub.transient)) == ((5, 6), {"secret": b"hidden"})
    assert (stub.creator_bytes, stub.creator.attribute("role")) == (creator, "home")
    assert stub.binding == hashlib.sha256(b"nonce" + creator + bytes(8)).digest()
    assert stub.signed_proposal.signature == b"signature"
    assert "hidden" not in repr(stub.signed_proposal)


async def test_a_transaction_started_again_takes_the_first_one_s_place() -> None:
    started = asyncio.Event()

    async def handler(stub: Stub) -> Response:
        if not started.is_set():
            started.set()
            await asyncio.sleep(30)
        return Response(200, payload=b"second")

    wire = Wire(handler)
    wire.receive(Message.TRANSACTION)
    await asyncio.wait_for(started.wait(), 5)
    wire.receive(Message.TRANSACTION)
    await wire.session.drain()
    assert [message.type for message in wire.sent] == [Message.COMPLETED]
    assert wire.response().payload == b"second"


async def test_answers_to_nobody_are_passed_over() -> None:
    async def handler(stub: Stub) -> Response:
        return Response(200, payload=await stub.get_state("k") or b"")

    wire = Wire(handler)
    wire.receive(Message.RESPONSE, payload=b"early")
    wire.receive(Message.TRANSACTION)
    await asyncio.wait_for(wire.spoken.wait(), 5)
    wire.receive(Message.RESPONSE, payload=b"other", txid="t2")
    wire.receive(Message.RESPONSE, payload=b"value")
    await wire.session.drain()
    wire.receive(Message.RESPONSE, payload=b"late")
    assert wire.response().payload == b"value"


async def test_a_draining_session_refuses_what_is_new() -> None:
    async def handler(stub: Stub) -> Response:
        return Response(200)

    wire = Wire(handler)
    await wire.session.drain()
    wire.receive(Message.TRANSACTION)
    assert (wire.response().status, len(wire.sent)) == (503, 1)
    assert "send the transaction again" in wire.response().message


async def test_a_handler_that_answers_nothing_is_a_defect_not_a_hang() -> None:
    async def handler(stub: Stub) -> Any:
        return None

    wire = Wire(handler)
    wire.receive(Message.TRANSACTION)
    await wire.session.drain()
    assert wire.response().status == 500
