# SPDX-License-Identifier: Apache-2.0
"""The peer's half of the chaincode protocol, message by message."""

import json
from collections.abc import Sequence
from typing import Any

from fabric_protos.peer import chaincode_pb2, chaincode_shim_pb2

from ..arguments import plain
from .simulation import Refused, Simulation

_Message = chaincode_shim_pb2.ChaincodeMessage


def ready(write_batch: int, get_multiple: int) -> bytes:
    """READY, with what the peer offers: batches of these sizes, 0 for none."""
    params = chaincode_pb2.ChaincodeAdditionalParams(
        use_write_batch=write_batch > 0,
        max_size_write_batch=write_batch,
        use_get_multiple_keys=get_multiple > 0,
        max_size_get_multiple_keys=get_multiple,
    )
    return bytes(_Message(type=_Message.READY, payload=params.SerializeToString()).SerializeToString())


def start(channel_id: str, transaction_id: str, arguments: Sequence[bytes], proposal: Any) -> bytes:
    """TRANSACTION, which starts one."""
    message = _Message(
        type=_Message.TRANSACTION,
        channel_id=channel_id,
        txid=transaction_id,
        payload=chaincode_pb2.ChaincodeInput(args=arguments).SerializeToString(),
        proposal=proposal,
    )
    return bytes(message.SerializeToString())


def argument_bytes(argument: Any) -> bytes:
    """An argument as a client sends it: text and bytes as they are, all else as JSON."""
    if isinstance(argument, bytes):
        return argument
    if isinstance(argument, str):
        return argument.encode()
    return json.dumps(plain(argument), ensure_ascii=False).encode()


def answer(simulation: Simulation, namespace: str, request: Any) -> bytes:
    """RESPONSE or ERROR to a transaction's request."""
    try:
        payload = simulation.answer(namespace, request.type, request.payload)
    except Refused as refused:
        return reply(_Message.ERROR, request, str(refused).encode())
    return reply(_Message.RESPONSE, request, payload)


def reply(kind: int, request: Any, payload: bytes) -> bytes:
    """A message to the transaction that made a request."""
    message = _Message(type=kind, channel_id=request.channel_id, txid=request.txid, payload=payload)
    return bytes(message.SerializeToString())
