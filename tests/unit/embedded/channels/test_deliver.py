# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from commonwatt_network.embedded.channels.configuration import ChannelConfig
from commonwatt_network.embedded.channels.deliver import DeliverRules, deliver, orderer_policy
from fabric_protos.common import common_pb2
from fabric_protos.orderer import ab_pb2
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

Make = Callable[..., Any]
HEIGHT = 3


class Source:
    """A channel of three blocks that may grow."""

    def __init__(self, config: ChannelConfig, genesis: Any) -> None:
        self.config = config
        self.blocks = [genesis] + [
            common_pb2.Block(
                header=common_pb2.BlockHeader(number=number),
                data=common_pb2.BlockData(data=[b"x", b"y"]),
                metadata=common_pb2.BlockMetadata(metadata=[b"m"]),
            )
            for number in range(1, HEIGHT)
        ]
        self.grown = asyncio.Event()

    @property
    def height(self) -> int:
        return len(self.blocks)

    def block(self, number: int) -> Any:
        return self.blocks[number]

    async def wait_for_height(self, height: int) -> None:
        while self.height < height:
            self.grown.clear()
            await self.grown.wait()

    def grow(self) -> None:
        self.blocks.append(common_pb2.Block(header=common_pb2.BlockHeader(number=self.height)))
        self.grown.set()


@pytest.fixture
def source(channel: ChannelConfig, genesis: Any) -> Source:
    return Source(channel, genesis)


def rules(source: Source) -> DeliverRules:
    return DeliverRules({"newtown": source}.get, orderer_policy)


def position(where: Any) -> Any:
    if isinstance(where, int):
        return ab_pb2.SeekPosition(specified=ab_pb2.SeekSpecified(number=where))
    found = ab_pb2.SeekPosition()
    if where != "nowhere":
        getattr(found, where).SetInParent()
    return found


def seek(start: Any, stop: Any, **fields: Any) -> bytes:
    encoded: bytes = ab_pb2.SeekInfo(start=position(start), stop=position(stop), **fields).SerializeToString()
    return encoded


async def answers(source: Source, envelope: Any) -> list[str]:
    """The numbers of the blocks and the final status."""
    found = []
    async with asyncio.timeout(5):
        async for item in deliver(rules(source), envelope):
            status = isinstance(item, int)
            found.append(common_pb2.Status.Name(item) if status else str(item.header.number))
    return found


FAIL = {"behavior": ab_pb2.SeekInfo.FAIL_IF_NOT_READY}


@pytest.mark.parametrize(
    ("start", "stop", "expected"),
    [
        ("oldest", "oldest", "0 SUCCESS"),
        ("newest", "newest", "2 SUCCESS"),
        ("oldest", "newest", "0 1 2 SUCCESS"),
        (1, 2, "1 2 SUCCESS"),
        (2, 1, "BAD_REQUEST"),
        (9, 9, "NOT_FOUND"),
        (1, 9, "1 2 NOT_FOUND"),
        ("next_commit", "next_commit", "NOT_FOUND"),
        ("nowhere", "newest", "NOT_FOUND"),
        ("oldest", "nowhere", "0 SUCCESS"),
    ],
)
async def test_a_seek_yields_its_blocks_and_a_status(
    source: Source, envelope: Make, start: Any, stop: Any, expected: str
) -> None:
    assert await answers(source, envelope(seek(start, stop, **FAIL), type=5)) == expected.split()


async def test_a_reader_may_wait_for_blocks_to_come(source: Source, envelope: Make) -> None:
    waiting = asyncio.ensure_future(answers(source, envelope(seek("next_commit", HEIGHT + 1), type=5)))
    for _ in range(2):
        await asyncio.sleep(0)
        source.grow()
    assert await waiting == ["3", "4", "SUCCESS"]


async def test_headers_alone_are_given_but_configuration_blocks_whole(source: Source, envelope: Make) -> None:
    request = envelope(seek("oldest", 1, content_type=ab_pb2.SeekInfo.HEADER_WITH_SIG), type=5)
    blocks = [item async for item in deliver(rules(source), request) if not isinstance(item, int)]
    assert [len(block.data.data) for block in blocks] == [1, 0]
    assert list(blocks[1].metadata.metadata) == [b"m"]


@pytest.mark.parametrize(
    ("spoil", "status"),
    [
        (lambda make: make(seek("oldest", "oldest"), type=5, channel_id="elsewhere"), "NOT_FOUND"),
        (lambda make: make(b"\xff", type=5), "BAD_REQUEST"),
        (lambda make: make(b"", type=5), "BAD_REQUEST"),
        (
            lambda make: common_pb2.Envelope(payload=make(seek(0, 0), type=5).payload, signature=b"no"),
            "FORBIDDEN",
        ),
        (lambda make: common_pb2.Envelope(), "BAD_REQUEST"),
    ],
)
async def test_a_request_that_may_not_be_served(
    source: Source, envelope: Make, spoil: Callable[[Make], Any], status: str
) -> None:
    assert await answers(source, spoil(envelope)) == [status]


async def test_a_request_from_another_time_is_refused(source: Source, envelope: Make) -> None:
    request = envelope(seek("oldest", "oldest"), type=5)
    payload = common_pb2.Payload.FromString(request.payload)
    header = common_pb2.ChannelHeader.FromString(payload.header.channel_header)
    header.timestamp.seconds -= 16 * 60
    payload.header.channel_header = header.SerializeToString()
    request.payload = payload.SerializeToString()
    assert await answers(source, request) == ["BAD_REQUEST"]


async def test_a_source_out_of_order_is_said_to_be_so_unless_best_effort_is_enough(
    source: Source, envelope: Make
) -> None:
    broken = DeliverRules({"newtown": source}.get, orderer_policy, lambda channel_id: True)
    for error_response, expected in ((0, [common_pb2.SERVICE_UNAVAILABLE]), (1, [common_pb2.SUCCESS])):
        request = envelope(seek(0, 0, error_response=error_response), type=5)
        found = [item async for item in deliver(broken, request) if isinstance(item, int)]
        assert found == expected


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(junk=st.binary(max_size=200))
def test_bytes_from_the_network_never_crash_deliver(
    channel: ChannelConfig, genesis: Any, junk: bytes
) -> None:
    source = Source(channel, genesis)
    header = common_pb2.ChannelHeader(channel_id="newtown", type=5)
    header.timestamp.GetCurrentTime()
    wrapped = common_pb2.Payload(
        header=common_pb2.Header(channel_header=header.SerializeToString(), signature_header=junk), data=junk
    ).SerializeToString()
    for payload in (junk, wrapped):
        found = asyncio.run(answers(source, common_pb2.Envelope(payload=payload, signature=junk)))
        assert found[-1] in ("BAD_REQUEST", "NOT_FOUND", "FORBIDDEN")
