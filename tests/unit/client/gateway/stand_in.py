# SPDX-License-Identifier: Apache-2.0
"""A gateway peer that answers as told, over real gRPC on loopback: for faults that a real peer cannot be asked for."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc
from commonwatt_client import Peer, ReconnectPolicy
from fabric_protos.common import common_pb2
from fabric_protos.gateway import gateway_pb2
from fabric_protos.peer import (
    chaincode_event_pb2,
    events_pb2,
    proposal_pb2,
    proposal_response_pb2,
    transaction_pb2,
)

Behaviour = Callable[[bytes, grpc.ServicerContext], Any]


class StandIn(grpc.GenericRpcHandler):
    """Serves each method by the behaviour set for it; streaming behaviours yield."""

    def __init__(self) -> None:
        self.behaviours: dict[str, Behaviour] = {}
        self.calls: list[str] = []
        self.called = threading.Event()
        self.stopping = threading.Event()
        self.address = ""

    @property
    def peer(self) -> Peer:
        return Peer(self.address, plaintext=True, name="stand-in")

    def service(self, details: grpc.HandlerCallDetails) -> Any:
        name = details.method.rpartition("/")[2]
        self.calls.append(name)
        self.called.set()
        behaviour = self.behaviours.get(name)
        if behaviour is None:
            return None
        if name.startswith("Deliver"):
            return grpc.stream_stream_rpc_method_handler(
                lambda requests, context: behaviour(next(requests), context)
            )
        if name.endswith("Events"):
            return grpc.unary_stream_rpc_method_handler(behaviour)
        return grpc.unary_unary_rpc_method_handler(behaviour)

    def wait(self, context: grpc.ServicerContext) -> None:
        """Hold a call until the client leaves or the stand-in stops."""
        context.add_callback(self.stopping.set)
        self.stopping.wait(20)


@contextmanager
def stand_in(port: int = 0) -> Iterator[StandIn]:
    """A running stand-in on a free port of loopback."""
    handler = StandIn()
    with ThreadPoolExecutor(16) as executor:
        server = grpc.server(executor, handlers=[handler])
        handler.address = f"127.0.0.1:{server.add_insecure_port(f'127.0.0.1:{port}')}"
        server.start()
        try:
            yield handler
        finally:
            handler.stopping.set()
            server.stop(0).wait()


def free_address() -> str:
    """An address of loopback that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


def endorsed(result: bytes = b"done") -> bytes:
    """An EndorseResponse whose transaction returned `result`."""
    action = proposal_pb2.ChaincodeAction(response=proposal_response_pb2.Response(status=200, payload=result))
    payload = transaction_pb2.ChaincodeActionPayload(
        action=transaction_pb2.ChaincodeEndorsedAction(
            proposal_response_payload=proposal_response_pb2.ProposalResponsePayload(
                extension=action.SerializeToString()
            ).SerializeToString()
        )
    )
    transaction = transaction_pb2.Transaction(
        actions=[transaction_pb2.TransactionAction(payload=payload.SerializeToString())]
    )
    header = common_pb2.Header(
        channel_header=common_pb2.ChannelHeader(channel_id="newtown").SerializeToString()
    )
    envelope = common_pb2.Envelope(
        payload=common_pb2.Payload(header=header, data=transaction.SerializeToString()).SerializeToString()
    )
    serialised: bytes = gateway_pb2.EndorseResponse(prepared_transaction=envelope).SerializeToString()
    return serialised


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
