# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from commonwatt_network.embedded.channels.blocks import (
    BlockError,
    config_envelope_of,
    header_hash,
    last_config_number,
    verify_block,
)
from commonwatt_network.embedded.config import NodeConfig
from commonwatt_network.embedded.orderer import ordering
from commonwatt_network.embedded.orderer.admission import Rejection
from commonwatt_network.embedded.orderer.joining import ChannelExists, InvalidJoinBlock, JoinError
from commonwatt_network.embedded.orderer.service import (
    OrderingService,
    UnknownChannel,
)
from commonwatt_network.embedded.orderer.store import StoreDamaged
from fabric_protos.common import common_pb2

Make = Callable[..., Any]
Serve = Callable[..., Any]


@pytest.fixture
async def serve(orderer_configs: list[NodeConfig], genesis: Any) -> AsyncIterator[Serve]:
    """Start an ordering service whose first `nodes` orderers have joined the channel."""
    services: list[OrderingService] = []

    async def start(nodes: int = 1, **settings: Any) -> OrderingService:
        service = OrderingService(orderer_configs, **settings)
        services.append(service)
        await service.start()
        for orderer in service.orderers[:nodes]:
            if "newtown" not in orderer.joined:
                await orderer.join(genesis)
        return service

    yield start
    for service in services:
        await service.close()


async def take(service: OrderingService, count: int, start: int = 1) -> list[Any]:
    """The next blocks, as a peer of the process gets them."""
    taken: list[Any] = []
    async with asyncio.timeout(10):
        async for block in service.blocks("newtown", start):
            taken.append(block)
            if len(taken) == count:
                break
    return taken


def contents(block: Any) -> list[bytes]:
    payloads = [common_pb2.Envelope.FromString(envelope).payload for envelope in block.data.data]
    return [common_pb2.Payload.FromString(payload).data for payload in payloads]


async def test_blocks_are_chained_signed_and_name_the_last_configuration(
    serve: Serve, envelope: Make, genesis: Any
) -> None:
    service = await serve()
    for number in range(3):
        service.broadcast(envelope(b"%d" % number))
        (block,) = await take(service, 1, number + 1)
        previous = service.channels["newtown"].block(number)
        policy = service.channels["newtown"].config.policies.get("/Channel/Orderer/BlockValidation")
        verify_block(block, number + 1, header_hash(previous.header), policy)
        assert (contents(block), last_config_number(block)) == ([b"%d" % number], 0)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda block: block.header.__setattr__("number", 7), "block number should have been 1 but was 7"),
        (lambda block: block.header.__setattr__("previous_hash", b"x"), "unexpected Previous block hash"),
        (lambda block: block.data.data.append(b"more"), "Header.DataHash is different from Hash"),
        (lambda block: block.metadata.metadata.__setitem__(0, b""), "0 sub-policies were satisfied"),
        (lambda block: block.metadata.metadata.__setitem__(0, b"\xff"), "error unmarshalling signatures"),
    ],
)
async def test_a_peer_refuses_a_spoilt_block(
    serve: Serve, envelope: Make, genesis: Any, spoil: Callable[[Any], None], message: str
) -> None:
    service = await serve()
    service.broadcast(envelope())
    (block,) = await take(service, 1)
    spoilt = common_pb2.Block()
    spoilt.CopyFrom(block)
    spoil(spoilt)
    policy = service.channels["newtown"].config.policies.get("/Channel/Orderer/BlockValidation")
    with pytest.raises(BlockError, match=message):
        verify_block(spoilt, 1, header_hash(genesis.header), policy)


async def test_a_block_is_cut_at_the_message_count(serve: Serve, envelope: Make) -> None:
    service = await serve(cut_when_idle=False)
    for number in range(25):
        service.broadcast(envelope(b"%d" % number))
    blocks = await take(service, 3)
    assert [len(block.data.data) for block in blocks] == [10, 10, 5]
    assert [data for block in blocks for data in contents(block)] == [b"%d" % number for number in range(25)]


async def test_a_block_is_cut_at_the_timeout(serve: Serve, envelope: Make) -> None:
    service = await serve(cut_when_idle=False)
    started_s = asyncio.get_running_loop().time()
    service.broadcast(envelope())
    await take(service, 1)
    assert 0.25 <= asyncio.get_running_loop().time() - started_s < 5


async def test_a_block_is_cut_before_the_preferred_size_and_a_large_envelope_stands_alone(
    serve: Serve, envelope: Make
) -> None:
    service = await serve(cut_when_idle=False)
    for size in (900_000, 900_000, 900_000, 3_000_000, 10):
        service.broadcast(envelope(bytes(size)))
    blocks = await take(service, 4)
    assert [[len(data) for data in contents(block)] for block in blocks] == [
        [900_000, 900_000], [900_000], [3_000_000], [10],
    ]  # fmt: skip


async def test_an_idle_channel_cuts_at_once_and_a_busy_reader_lets_envelopes_gather(
    serve: Serve, envelope: Make
) -> None:
    service = await serve()
    reader = service.blocks("newtown", 1)
    first = asyncio.ensure_future(anext(reader))
    await asyncio.sleep(0)
    service.broadcast(envelope(b"first"))
    assert contents(await asyncio.wait_for(first, 5)) == [b"first"]
    for number in range(4):  # the reader still works on its first block
        service.broadcast(envelope(b"%d" % number))
        await asyncio.sleep(0)
    assert contents(await asyncio.wait_for(anext(reader), 5)) == [b"0", b"1", b"2", b"3"]
    await reader.aclose()


@pytest.mark.parametrize(
    ("make", "status", "info"),
    [
        (
            lambda make: common_pb2.Envelope(),
            common_pb2.BAD_REQUEST,
            "could not determine channel ID: header not set",
        ),
        (lambda make: make(channel_id="elsewhere"), common_pb2.BAD_REQUEST, "channel does not exist"),
        (
            lambda make: make(type=1),
            common_pb2.BAD_REQUEST,
            "message is of type that cannot be processed directly",
        ),
        (
            lambda make: make(bytes(11 << 20)),
            common_pb2.BAD_REQUEST,
            "exceeds maximum allowed 10485760 bytes",
        ),
        (
            lambda make: make(type=2),
            common_pb2.BAD_REQUEST,
            "error applying config update to existing channel",
        ),
        (
            lambda make: common_pb2.Envelope(payload=make().payload, signature=b"wrong"),
            common_pb2.FORBIDDEN,
            "implicit policy evaluation failed - 0 sub-policies were satisfied, but this policy requires 1 of the "
            "'Writers' sub-policies to be satisfied: permission denied",
        ),
    ],
)
async def test_a_refused_envelope_is_answered_in_fabrics_words(
    serve: Serve, envelope: Make, make: Callable[[Make], Any], status: int, info: str
) -> None:
    service = await serve()
    with pytest.raises(Rejection) as refused:
        service.orderers[0].broadcast(make(envelope))
    assert refused.value.status == status
    assert info in refused.value.info


async def test_without_a_leader_nothing_is_accepted(serve: Serve, envelope: Make) -> None:
    service = await serve()
    service.faults.no_leader = True
    with pytest.raises(Rejection, match="no Raft leader") as refused:
        service.broadcast(envelope())
    assert refused.value.status == common_pb2.SERVICE_UNAVAILABLE
    service.faults.no_leader = False
    service.broadcast(envelope(b"later"))
    assert contents((await take(service, 1))[0]) == [b"later"]


async def test_a_restart_goes_on_where_the_sequence_was(serve: Serve, envelope: Make) -> None:
    service = await serve()
    service.broadcast(envelope(b"before"))
    await take(service, 1)
    await service.close()
    again = await serve()
    again.broadcast(envelope(b"after"))
    assert [contents(block) for block in await take(again, 2)] == [[b"before"], [b"after"]]


async def test_orderers_share_one_sequence_and_the_last_to_leave_deletes_it(
    serve: Serve, envelope: Make, orderer_configs: list[NodeConfig]
) -> None:
    service = await serve(nodes=2)
    first, second, third = service.orderers
    assert [orderer.leads("newtown") for orderer in (first, second)] == [True, False]
    second.broadcast(envelope(b"by the second"))
    await take(service, 1)
    assert first.channel_info("newtown").height == second.channel_info("newtown").height == 2
    with pytest.raises(UnknownChannel, match="channel does not exist"):
        third.channel_info("newtown")
    await first.remove("newtown")
    assert second.leads("newtown")
    store = Path(orderer_configs[0].data_directory) / "chains" / "newtown"
    assert store.exists()
    await second.remove("newtown")
    assert not store.exists()


async def test_blocks_kept_by_a_process_killed_while_it_joined_are_kept(
    serve: Serve, envelope: Make, genesis: Any, orderer_configs: list[NodeConfig]
) -> None:
    service = await serve()
    service.broadcast(envelope(b"kept"))
    await take(service, 1)
    await service.close()
    (Path(orderer_configs[0].data_directory) / "joined.json").unlink()
    again = await serve()
    assert contents((await take(again, 1))[0]) == [b"kept"]


@pytest.mark.parametrize("damage", ["[1, 2", '{"a": 1}', "[1]"])
def test_damage_to_the_list_of_channels_is_said(orderer_configs: list[NodeConfig], damage: str) -> None:
    folder = Path(orderer_configs[0].data_directory)
    folder.mkdir(parents=True)
    (folder / "joined.json").write_text(damage)
    with pytest.raises(StoreDamaged, match=r"joined.json: not a JSON list of channel names"):
        OrderingService(orderer_configs)


async def test_a_reader_waits_for_a_channel_that_is_joined_later(
    serve: Serve, genesis: Any, envelope: Make
) -> None:
    service = await serve(nodes=0)
    reader = asyncio.ensure_future(take(service, 1, 0))
    await asyncio.sleep(0)
    await service.orderers[0].join(genesis)
    assert config_envelope_of((await reader)[0]) is not None


async def test_joining_twice_or_with_a_wrong_block_is_refused(serve: Serve, genesis: Any) -> None:
    service = await serve()
    with pytest.raises(ChannelExists, match="channel already exists"):
        await service.orderers[0].join(genesis)
    other = common_pb2.Block()
    other.CopyFrom(genesis)
    other.header.previous_hash = b"other"
    with pytest.raises(
        JoinError, match="block 0 is not the one that the other orderers of this process hold"
    ):
        await service.orderers[1].join(other)
    for spoil, message in (
        (lambda block: block.data.Clear(), "block is not a config block"),
        (lambda block: block.metadata.Clear(), "invalid block: does not have metadata"),
        (lambda block: block.header.Clear(), "Header.DataHash is different from"),
    ):
        spoilt = common_pb2.Block()
        spoilt.CopyFrom(genesis)
        spoil(spoilt)
        with pytest.raises(InvalidJoinBlock, match=message):
            await service.orderers[1].join(spoilt)


async def test_a_configuration_update_stands_alone_and_takes_effect(
    serve: Serve, envelope: Make, signer: Callable[[str, str], Any]
) -> None:
    from fabric_protos.common import configtx_pb2
    from fabric_protos.orderer import configuration_pb2

    service = await serve(cut_when_idle=False)
    channel = service.channels["newtown"]
    orderer = channel.config.config.channel_group.groups["Orderer"]
    update = configtx_pb2.ConfigUpdate(channel_id="newtown")
    update.read_set.groups["Orderer"].SetInParent()
    value = update.write_set.groups["Orderer"].values["BatchSize"]
    value.CopyFrom(orderer.values["BatchSize"])
    value.version += 1
    size = configuration_pb2.BatchSize(
        max_message_count=2, absolute_max_bytes=99_000, preferred_max_bytes=98_000
    )
    value.value = size.SerializeToString()
    admin = signer("orderers", "admin")
    signed = configtx_pb2.ConfigUpdateEnvelope(config_update=update.SerializeToString())
    header = admin.signature_header()
    signed.signatures.add(signature_header=header, signature=admin.sign(header + signed.config_update))
    too_large_later = envelope(bytes(200_000))
    service.broadcast(envelope(b"before"))
    service.broadcast(envelope(signed.SerializeToString(), type=common_pb2.CONFIG_UPDATE))
    service.broadcast(too_large_later)
    service.broadcast(envelope(b"after"))
    before, update_block, after = await take(service, 3)
    assert (contents(before), contents(after)) == ([b"before"], [b"after"])
    assert config_envelope_of(update_block).config.sequence == 1
    assert [last_config_number(block) for block in (before, update_block, after)] == [0, 2, 2]
    assert channel.config.batch_size.max_message_count == 2
    with pytest.raises(Rejection, match="exceeds maximum allowed 99000 bytes"):
        service.broadcast(too_large_later)


async def test_what_waits_to_be_ordered_is_bounded(
    serve: Serve, envelope: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = envelope(b"x" * 1_000)
    size = len(one.payload) + len(one.signature)
    monkeypatch.setattr(ordering, "MOST_QUEUED_BYTES", 3 * size + 100)
    service = await serve()
    for round_of_three in (1, 2):
        for _ in range(3):
            service.orderers[0].broadcast(envelope(b"x" * 1_000))
        with pytest.raises(Rejection, match="too many transactions wait to be ordered") as refused:
            service.orderers[0].broadcast(envelope(b"x" * 1_000))
        assert refused.value.status == common_pb2.SERVICE_UNAVAILABLE
        ordered = 0
        async with asyncio.timeout(10):
            async for block in service.blocks("newtown", 1):
                ordered += len(block.data.data)
                if ordered == 3 * round_of_three:
                    break
