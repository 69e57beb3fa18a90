# SPDX-License-Identifier: Apache-2.0
"""Fabric's Deliver service, from peers and orderers: a channel's blocks, past and to come, with private data or not."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from typing import Any

import grpc
from fabric_protos.common import common_pb2
from fabric_protos.orderer import ab_pb2

from commonwatt_client.admin.participation import Position
from commonwatt_client.admin.signing import Signatory
from commonwatt_client.admin.transport import read_answer, rpc_failure
from commonwatt_client.errors import (
    AdminError,
    InvalidInputError,
    NotFoundError,
    NotReadyError,
    RefusedError,
    TimedOutError,
    UnexpectedAnswerError,
)
from commonwatt_client.ledger.block import Block, decode_block
from commonwatt_client.ledger.delivered import PrivateValues, block_and_private_data
from commonwatt_client.ledger.wire import serialize

_NEVER = 2**64 - 1


async def deliver_blocks(
    deliver: Callable[[], Any],
    party: str,
    signatory: Signatory,
    channel: str,
    start: Position,
    stop: Position | None,
    *,
    wait: bool = True,
    tls_certificate_hash: bytes = b"",
) -> AsyncIterator[Block]:
    """The blocks from `start` to `stop`, both included, as `party` sends them; without `stop`, for ever.

    NotFoundError (no such block yet, and `wait` is off), RefusedError (no reader of the channel).
    """
    envelope = await _request(signatory, channel, start, stop, wait, tls_certificate_hash)
    async with aclosing(_contents(deliver, party, channel, envelope, "block")) as blocks:
        async for block in blocks:
            yield read_answer(party, decode_block, serialize(block))


async def deliver_blocks_with_private_data(
    deliver: Callable[[], Any],
    party: str,
    signatory: Signatory,
    channel: str,
    start: Position,
    stop: Position | None,
    *,
    tls_certificate_hash: bytes = b"",
) -> AsyncIterator[tuple[Block, PrivateValues]]:
    """As `deliver_blocks`, each block with the private values that the caller's organisation may see."""
    envelope = await _request(signatory, channel, start, stop, True, tls_certificate_hash)
    async with aclosing(_contents(deliver, party, channel, envelope, "block_and_private_data")) as contents:
        async for content in contents:
            both = read_answer(party, block_and_private_data, content)
            yield both.block, both.private_values


async def _request(
    signatory: Signatory,
    channel: str,
    start: Position,
    stop: Position | None,
    wait: bool,
    tls_certificate_hash: bytes,
) -> Any:
    seek = ab_pb2.SeekInfo(
        start=_seek(start),
        stop=_seek(_NEVER if stop is None else stop),
        behavior=ab_pb2.SeekInfo.BLOCK_UNTIL_READY if wait else ab_pb2.SeekInfo.FAIL_IF_NOT_READY,
    )
    return await signatory.signed_envelope(
        common_pb2.DELIVER_SEEK_INFO, channel, serialize(seek), tls_certificate_hash
    )


async def _contents(
    deliver: Callable[[], Any], party: str, channel: str, envelope: Any, content: str
) -> AsyncGenerator[Any]:
    """The field `content` of each answer, until the status that ends them."""
    stream = deliver()
    try:
        await stream.write(envelope)
        async for response in stream:
            if response.WhichOneof("Type") == content:
                yield getattr(response, content)
            elif response.status == common_pb2.SUCCESS:
                return
            else:
                raise _refusal(party, channel, response.status)
        raise UnexpectedAnswerError(f"the stream of {channel!r} ended without a status", party=party)
    except grpc.aio.AioRpcError as error:
        raise rpc_failure(f"read the blocks of {channel!r}", party, error) from error
    finally:
        stream.cancel()


async def deliver_block(blocks: AsyncIterator[Block], party: str, timeout_s: float | None) -> Block:
    """The first of the blocks. Raises TimedOutError when it does not come in time."""
    try:
        async with asyncio.timeout(timeout_s):
            async for block in blocks:
                return block
    except TimeoutError as error:
        raise TimedOutError(f"{party} sent no block within {timeout_s:g} s", party=party) from error
    raise NotFoundError("there is no such block", party=party)


def _seek(position: Position) -> Any:
    seek = ab_pb2.SeekPosition()
    if position == "newest":
        seek.newest.SetInParent()
    elif position == "oldest":
        seek.oldest.SetInParent()
    elif isinstance(position, int) and 0 <= position <= _NEVER:
        seek.specified.number = position
    else:
        raise InvalidInputError(f"{position!r} is not a block number, 'newest' or 'oldest'")
    return seek


def _refusal(party: str, channel: str, status: int) -> AdminError:
    known = status in common_pb2.Status.values()
    answer = f"{common_pb2.Status.Name(status)} ({status})" if known else f"status {status}"
    action = f"read the blocks of {channel!r}"
    if status == common_pb2.NOT_FOUND:
        return NotFoundError(
            f"cannot {action}",
            party=party,
            answer=answer,
            advice="it has no such channel or block",
            status=status,
        )
    if status == common_pb2.FORBIDDEN:
        return RefusedError(
            f"cannot {action}",
            party=party,
            answer=answer,
            advice="use an identity that satisfies the channel's Readers policy",
            status=status,
        )
    if status == common_pb2.SERVICE_UNAVAILABLE:
        return NotReadyError(f"cannot {action}", party=party, answer=answer, status=status)
    return RefusedError(f"cannot {action}", party=party, answer=answer, status=status)
