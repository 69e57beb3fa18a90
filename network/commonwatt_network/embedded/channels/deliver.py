# SPDX-License-Identifier: Apache-2.0
"""Deliver: streams of blocks from a seek position on, for orderers and peers.

A request is an envelope whose payload is a SeekInfo. It is answered with blocks and a status: SUCCESS after the
stop position, BAD_REQUEST, NOT_FOUND, FORBIDDEN or SERVICE_UNAVAILABLE otherwise; after any status but SUCCESS the
stream ends. Access is checked at first and again after every change of the configuration, and ends when the
client's certificate expires.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from fabric_protos.common import common_pb2
from fabric_protos.orderer import ab_pb2
from google.protobuf.message import DecodeError

from commonwatt_network.embedded.channels.blocks import BlockError, config_envelope_of, headers_of
from commonwatt_network.embedded.channels.configuration import ChannelConfig
from commonwatt_network.embedded.trust.policies import PolicyError, SignedData

TIME_WINDOW_S = 15 * 60.0

Status = common_pb2.Status


class BlockSource(Protocol):
    """A channel of a node: what it holds, and the configuration in force."""

    @property
    def config(self) -> ChannelConfig: ...

    @property
    def height(self) -> int: ...

    def block(self, number: int) -> Any | None:
        """The `common.Block`, never changed by the caller; None before a snapshot that the channel began from."""

    async def wait_for_height(self, height: int) -> None:
        """Returns once there are `height` blocks, or the channel is closed."""


@dataclass(frozen=True)
class DeliverRules:
    """Where the channels are, which policy guards the stream, and when the source is out of order."""

    channel: Callable[[str], BlockSource | None]
    policy: Callable[[ChannelConfig], str]
    unavailable: Callable[[str], bool] = lambda channel_id: False


def orderer_policy(config: ChannelConfig) -> str:
    """Who may read an orderer's blocks."""
    return "/Channel/Readers" if config.consensus_state_normal else "/Channel/Orderer/Readers"


def peer_policy(resource: str) -> Callable[[ChannelConfig], str]:
    """Who may read a peer's blocks: the ACL of `event/Block` or `event/FilteredBlock`."""
    return lambda config: config.acl_policy(resource)


async def deliver(
    rules: DeliverRules,
    envelope: Any,
    tls_certificate_hash: bytes | None = None,
) -> AsyncIterator[Any | int]:
    """Blocks (`common.Block`), and as the last item the status (`int`) that ends the answer.

    `tls_certificate_hash` is given when the connection is bound to the client's certificate by mutual TLS.
    """
    try:
        payload, channel_header, signature_header = headers_of(envelope)
        seek = ab_pb2.SeekInfo.FromString(payload.data)
    except (BlockError, DecodeError):
        yield Status.BAD_REQUEST
        return
    if not _is_timely(channel_header) or (
        tls_certificate_hash is not None and channel_header.tls_cert_hash != tls_certificate_hash
    ):
        yield Status.BAD_REQUEST
        return
    source = rules.channel(channel_header.channel_id)
    if source is None:
        yield Status.NOT_FOUND
        return
    heeds_errors = seek.error_response != ab_pb2.SeekInfo.BEST_EFFORT
    if heeds_errors and rules.unavailable(channel_header.channel_id):
        yield Status.SERVICE_UNAVAILABLE
        return
    session = Session(source, rules, envelope, signature_header.creator)
    if not session.is_allowed():
        yield Status.FORBIDDEN
        return
    limits = _limits(seek, source.height)
    if isinstance(limits, int):
        yield limits
        return
    number, stop = limits
    while True:
        if number >= source.height:
            if seek.behavior == ab_pb2.SeekInfo.FAIL_IF_NOT_READY:
                yield Status.NOT_FOUND
                return
            await source.wait_for_height(number + 1)
            if number >= source.height:  # closed
                yield Status.SERVICE_UNAVAILABLE
                return
        if not session.is_allowed():
            yield Status.FORBIDDEN
            return
        block = source.block(number)
        if block is None:
            yield Status.NOT_FOUND
            return
        bare = seek.content_type == ab_pb2.SeekInfo.HEADER_WITH_SIG and not config_envelope_of(block)
        yield common_pb2.Block(header=block.header, metadata=block.metadata) if bare else block
        if number == stop:
            yield Status.SUCCESS
            return
        number += 1


def _limits(seek: Any, height: int) -> tuple[int, int | None] | int:
    """(first, last) block; last is None for a stream without end. Else the status that refuses the request."""
    if not seek.HasField("start") or not seek.HasField("stop"):
        return int(Status.BAD_REQUEST)
    starts = {"oldest": 0, "newest": height - 1, "next_commit": height}
    kind = seek.start.WhichOneof("Type")
    first = seek.start.specified.number if kind == "specified" else starts.get(kind, height + 1)
    if first > height:
        return int(Status.NOT_FOUND)
    stop_kind = seek.stop.WhichOneof("Type")
    if stop_kind == "oldest":
        return first, first
    if stop_kind == "newest":
        return first, first if kind == "newest" else height - 1
    if stop_kind == "specified":
        last = seek.stop.specified.number
        return (first, last) if last >= first else int(Status.BAD_REQUEST)
    return first, None if first else 0  # no known stop counts as block 0, as in Fabric


def _is_timely(channel_header: Any) -> bool:
    if not channel_header.HasField("timestamp"):
        return False
    sent_s = channel_header.timestamp.seconds + channel_header.timestamp.nanos / 1e9
    return bool(abs(time.time() - sent_s) <= TIME_WINDOW_S)


class Session:
    """One client's right to a stream."""

    def __init__(self, source: BlockSource, rules: DeliverRules, envelope: Any, creator: bytes) -> None:
        self._source = source
        self._rules = rules
        self._signed = SignedData(envelope.payload, creator, envelope.signature)
        self._checked_sequence: int | None = None
        self._expires_at = source.config.registry.expiry(creator)

    def is_allowed(self) -> bool:
        if self._expires_at is not None and datetime.now(UTC) > self._expires_at:
            return False
        config = self._source.config
        if self._checked_sequence == config.sequence:
            return True
        try:
            config.policies.get(self._rules.policy(config)).evaluate([self._signed])
        except PolicyError:
            return False
        self._checked_sequence = config.sequence
        return True
