# SPDX-License-Identifier: Apache-2.0
"""Chaincode events: where a stream starts, and the events of valid transactions from there on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
from fabric_protos.gateway import gateway_pb2

from commonwatt_network.embedded.channels.transactions import Codes
from commonwatt_network.embedded.peer.channel import PeerChannel
from commonwatt_network.embedded.peer.gateway.errors import GatewayError

Status = grpc.StatusCode


def start_block(channel: PeerChannel, request: Any) -> int:
    """The first block that a ChaincodeEventsRequest is about. Raises GatewayError."""
    if request.after_transaction_id:
        found = channel.ledger.transaction(request.after_transaction_id)
        if found is not None:
            return found.block_number
    kind = request.start_position.WhichOneof("Type") if request.HasField("start_position") else None
    if kind == "specified":
        return int(request.start_position.specified.number)
    if kind in ("oldest", "newest"):
        type_name = f"*orderer.SeekPosition_{kind.capitalize()}"
        raise GatewayError(Status.INVALID_ARGUMENT, f"invalid start position type: {type_name}")
    return channel.height


async def events_from(channel: PeerChannel, request: Any, start: int) -> AsyncIterator[Any]:
    """ChaincodeEventsResponses without end, one per block with matching events."""
    after, passed = request.after_transaction_id, not request.after_transaction_id
    number = start
    while True:
        await channel.wait_for_height(number + 1)
        matching = []
        for transaction, code in channel.transactions(number):
            event = transaction.endorsed.event if transaction.endorsed is not None else None
            if code != Codes.VALID or event is None:
                continue
            if not passed:
                passed = transaction.transaction_id == after
            elif event.chaincode_id == request.chaincode_id:
                matching.append(event)
        if matching:
            yield gateway_pb2.ChaincodeEventsResponse(events=matching, block_number=number)
        else:
            await asyncio.sleep(0)  # a long way back must not keep the others waiting
        number += 1
