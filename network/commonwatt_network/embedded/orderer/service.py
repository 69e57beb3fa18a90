# SPDX-License-Identifier: Apache-2.0
"""The orderers of one embedded process.

All orderers of a process share one sequence per channel and one copy of its blocks, kept in the data folder of the
first orderer (`chains/<channel>/blocks`). Each remembers for itself which channels it has joined (`joined.json`).
The first joined orderer that the channel names as a consenter leads: it signs the blocks. There is no consensus to
run and no failover: a process that is killed stops all of its orderers.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import shutil
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from commonwatt_network.embedded.channels.blocks import (
    BlockError,
    header_hash,
    headers_of,
)
from commonwatt_network.embedded.channels.configuration import ChannelConfig, ChannelConfigError
from commonwatt_network.embedded.config import NodeConfig
from commonwatt_network.embedded.ledger import Ledger
from commonwatt_network.embedded.orderer.admission import Rejection, Status
from commonwatt_network.embedded.orderer.consenters import ConsenterError, is_consenter, validate_consenters
from commonwatt_network.embedded.orderer.joining import (
    ChannelExists,
    JoinError,
    demand_same_block,
    validate_join_block,
)
from commonwatt_network.embedded.orderer.ordering import OrderedChannel, OrderingFaults
from commonwatt_network.embedded.orderer.recovery import demand_same_chain, take_back
from commonwatt_network.embedded.orderer.store import BlockStore, StoreDamaged
from commonwatt_network.embedded.trust.msp import MSP, IdentityError
from commonwatt_network.embedded.trust.signing import SignatureChecks, SigningIdentity

REMEDY = "restore the file, or delete it to let the orderer take the blocks back from the peers beside it"

logger = logging.getLogger(__name__)


class UnknownChannel(Exception):
    """The orderer has not joined the channel."""


@dataclass(frozen=True, slots=True)
class ChannelInfo:
    """What channel participation tells of a channel."""

    name: str
    consensus_relation: str
    status: str
    height: int


class Orderer:
    """One orderer node: its identity, and the channels that it has joined."""

    def __init__(self, config: NodeConfig, service: OrderingService) -> None:
        """Raises IdentityError, CertificateError (unusable MSP folder) or StoreDamaged."""
        self.config = config
        self.msp = MSP.from_directory(config.msp_directory, config.mspid)
        self.signer = SigningIdentity.from_directory(config.msp_directory, config.mspid)
        self.tls_certificate_pem = (config.tls_directory / "server.crt").read_bytes()
        self._service = service
        self.joined_path = config.data_directory / "joined.json"
        self._relations: dict[str, tuple[ChannelConfig, bool]] = {}
        self.joined: set[str] = set()
        self.read_joined()

    def read_joined(self) -> None:
        """Learn from the data folder which channels this orderer has joined."""
        self._relations.clear()
        exists = self.joined_path.exists()
        self.joined = _read_joined(self.joined_path) if exists else set()

    @property
    def name(self) -> str:
        return self.config.name

    def channel(self, channel_id: str) -> OrderedChannel:
        """Raises UnknownChannel."""
        channel = self._service.channels.get(channel_id) if channel_id in self.joined else None
        if channel is None:
            raise UnknownChannel("channel does not exist")
        return channel

    @property
    def failures(self) -> list[str]:
        """What keeps its channels from growing, in words; empty while it is healthy."""
        channels = [
            self._service.channels[name] for name in sorted(self.joined & self._service.channels.keys())
        ]
        failed = [failure for channel in channels for failure in channel.failures]
        return failed + [lag for channel in channels if (lag := self._service.lag(channel))]

    def is_consenter(self, channel_id: str) -> bool:
        """Whether the channel's configuration in force names this node. Raises UnknownChannel."""
        config = self.channel(channel_id).config
        known = self._relations.get(channel_id)
        if known is None or known[0] is not config:
            known = (config, is_consenter(config, self.tls_certificate_pem, self.signer))
            self._relations[channel_id] = known
        return known[1]

    def leads(self, channel_id: str) -> bool:
        """Whether this node signs the channel's blocks. Raises UnknownChannel."""
        channel = self.channel(channel_id)
        return channel.signer is self.signer and not channel.faults.no_leader

    def channel_info(self, channel_id: str) -> ChannelInfo:
        """Raises UnknownChannel."""
        channel = self.channel(channel_id)
        relation = "consenter" if self.is_consenter(channel_id) else "follower"
        return ChannelInfo(channel_id, relation, "active", channel.height)

    def broadcast(self, envelope: Any) -> None:
        """Accept an envelope for ordering. Raises Rejection with what Broadcast answers."""
        try:
            _, header, _ = headers_of(envelope)
        except BlockError as error:
            raise Rejection(Status.BAD_REQUEST, f"could not determine channel ID: {error}") from error
        try:
            channel = self.channel(header.channel_id)
            if not self.is_consenter(header.channel_id):
                raise UnknownChannel("channel does not exist")
        except UnknownChannel as error:
            raise Rejection(Status.BAD_REQUEST, str(error)) from error
        channel.submit(envelope)

    async def join(self, block: Any) -> ChannelInfo:
        """Join the channel of a configuration block. Raises JoinError, ChannelExists."""
        config = validate_join_block(block)
        channel_id = config.channel_id
        if channel_id in self.joined:
            raise ChannelExists("channel already exists")
        try:
            validate_consenters(config)
        except ConsenterError as error:
            raise JoinError(str(error)) from error
        await self._service.open_channel(channel_id, block, self)
        self.joined.add(channel_id)
        try:
            self._write_joined()
        except OSError as error:
            self.joined.discard(channel_id)
            await self._service.leave_channel(channel_id)
            raise JoinError(f"failed to write {self.joined_path}: {error.strerror}") from error
        self._service.elect(channel_id)
        return self.channel_info(channel_id)

    async def remove(self, channel_id: str) -> None:
        """Leave the channel; the last orderer to leave deletes its blocks. Raises UnknownChannel."""
        self.channel(channel_id)
        self.joined.discard(channel_id)
        self._write_joined()
        await self._service.leave_channel(channel_id)

    def _write_joined(self) -> None:
        self.joined_path.parent.mkdir(parents=True, exist_ok=True)
        draft = self.joined_path.with_suffix(".new")
        draft.write_text(json.dumps(sorted(self.joined)))
        with draft.open("rb") as written:
            os.fsync(written.fileno())
        draft.replace(self.joined_path)


class OrderingService:
    """All orderers of the process. `checks` may be shared with the peers (see signing.SignatureChecks)."""

    def __init__(
        self,
        configs: Sequence[NodeConfig],
        checks: SignatureChecks | None = None,
        faults: OrderingFaults | None = None,
        cut_when_idle: bool = True,
    ) -> None:
        self.faults = faults or OrderingFaults()
        self.channels: dict[str, OrderedChannel] = {}
        self.checks = checks or SignatureChecks()
        self._cut_when_idle = cut_when_idle
        self.ledgers: Callable[[str], Sequence[Ledger]] = lambda channel_id: ()  # of the peers beside it
        self._opened = asyncio.Condition()
        self.orderers = tuple(Orderer(config, self) for config in configs)

    def admit(self, config: NodeConfig) -> Orderer:
        """One more orderer, which has joined nothing yet. Raises as `Orderer` does."""
        orderer = Orderer(config, self)
        self.orderers = (*self.orderers, orderer)
        return orderer

    async def start(self) -> None:
        """Open every joined channel. Raises StoreDamaged."""
        for orderer in self.orderers:
            for channel_id in sorted(orderer.joined):
                if channel_id not in self.channels:
                    self._open_store(channel_id, orderer)
        for channel_id in self.channels:
            self.elect(channel_id)

    async def close(self) -> None:
        for channel in self.channels.values():
            await channel.close()
        self.channels.clear()

    def at(self, address: str) -> Orderer | None:
        """The orderer of this process that listens at `host:port`."""
        return next((orderer for orderer in self.orderers if orderer.config.address == address), None)

    def broadcast(self, envelope: Any, address: str | None = None) -> None:
        """Hand an envelope to the orderer at `address`, or to the first that has joined its channel.

        Raises Rejection with what Broadcast answers.
        """
        chosen = self.at(address) if address else None
        if chosen is None:
            try:
                _, header, _ = headers_of(envelope)
            except BlockError as error:
                raise Rejection(Status.BAD_REQUEST, f"could not determine channel ID: {error}") from error
            joined = (orderer for orderer in self.orderers if header.channel_id in orderer.joined)
            chosen = next(joined, self.orderers[0] if self.orderers else None)
        if chosen is None:
            raise Rejection(Status.SERVICE_UNAVAILABLE, "no orderer in this process")
        chosen.broadcast(envelope)

    async def blocks(self, channel_id: str, start: int) -> AsyncGenerator[Any]:
        """Blocks of a channel from number `start` on, forever; first waits until an orderer has joined it.

        As OrderedChannel.blocks. After a channel was removed, waits until it is joined anew.
        """
        next_number = start
        while True:
            channel = self.channels.get(channel_id)
            if channel is None:
                await self._channel_opened(channel_id)
                continue
            async for block in channel.blocks(next_number):
                next_number = block.header.number + 1
                yield block

    async def _channel_opened(self, channel_id: str) -> None:
        async with self._opened:
            await self._opened.wait_for(lambda: channel_id in self.channels)

    async def open_channel(self, channel_id: str, block: Any, orderer: Orderer) -> None:
        """Make `orderer` a server of the channel that `block` defines. Raises JoinError."""
        channel = self.channels.get(channel_id)
        if channel is not None:
            demand_same_block(channel, block)
            return
        if block.header.number != 0:
            raise JoinError(
                f"no orderer of this process holds channel {channel_id} below block {block.header.number}; "
                "join with the channel's genesis block"
            )
        self._begin_store(channel_id, block)
        try:
            self._open_store(channel_id, orderer)
        except StoreDamaged as error:
            raise JoinError(str(error)) from error
        async with self._opened:
            self._opened.notify_all()

    def _begin_store(self, channel_id: str, genesis: Any) -> None:
        """Write block 0, unless a process that was killed while it joined or left has kept the same channel."""
        path = self._store_path(channel_id)
        try:
            store = BlockStore(path)
            try:
                if store.height == 0:
                    store.append(genesis)
                elif header_hash(store.block(0).header) != header_hash(genesis.header):
                    raise JoinError(
                        f"{path} holds the blocks of another channel {channel_id}; move them away to join this one"
                    )
            finally:
                store.close()
        except StoreDamaged as error:
            raise JoinError(str(error)) from error
        except OSError as error:
            raise JoinError(f"failed to append join block to the ledger: {error.strerror}: {path}") from error

    def _open_store(self, channel_id: str, orderer: Orderer) -> None:
        """Raises StoreDamaged, and then the channel isn't opened."""
        store = BlockStore(self._store_path(channel_id))
        try:
            self._recover(store, channel_id, orderer)
            channel = OrderedChannel(
                channel_id, store, orderer.signer, self.checks, self.faults, self._cut_when_idle
            )
            joined = [each for each in self.orderers if channel_id in each.joined]
            _demand_own_channel(channel, joined or [orderer])
        except (BlockError, ChannelConfigError) as error:
            store.close()
            raise StoreDamaged(
                f"{store.path}: its configuration cannot be read: {error}; {REMEDY}"
            ) from error
        except BaseException:
            store.close()
            raise
        self.channels[channel_id] = channel
        channel.start()

    def _recover(self, store: BlockStore, channel_id: str, orderer: Orderer) -> None:
        ledgers = self.ledgers(channel_id)
        for ledger in ledgers:
            demand_same_chain(store, ledger)
        lacking = store.repaired_bytes
        taken = take_back(store, ledgers, self.checks)
        if lacking:
            logger.warning("channel %s: passed over a torn block record of %d bytes", channel_id, lacking)
        if taken:
            logger.warning(
                "channel %s: %s lacked its last %d blocks; the peers beside it had them: taken back",
                channel_id,
                store.path,
                taken,
            )
        if store.height == 0:
            raise StoreDamaged(
                f"{store.path}: no block of channel {channel_id}, which {orderer.name} has joined; restore the "
                f"file, or take the channel out of {orderer.joined_path} and join it anew"
            )

    def lag(self, channel: OrderedChannel) -> str:
        """In words, whether the channel has fewer blocks here than a peer beside it; empty if not."""
        highest = max((ledger.height for ledger in self.ledgers(channel.channel_id)), default=0)
        if highest <= channel.height:
            return ""
        return (
            f"{channel.store.path} ends with block {channel.height - 1}, but a peer beside it has block {highest - 1}; "
            "restart the network: the orderer then takes the missing blocks back"
        )

    def _store_path(self, channel_id: str) -> Path:
        return self.orderers[0].config.data_directory / "chains" / channel_id / "blocks"

    def elect(self, channel_id: str) -> None:
        """Let the first joined consenter sign the channel's blocks."""
        for orderer in self.orderers:
            if channel_id in orderer.joined and orderer.is_consenter(channel_id):
                self.channels[channel_id].signer = orderer.signer
                return

    async def leave_channel(self, channel_id: str) -> None:
        """After an orderer has left: delete the blocks if it was the last, else elect a leader."""
        if any(channel_id in orderer.joined for orderer in self.orderers):
            self.elect(channel_id)
            return
        channel = self.channels.pop(channel_id)
        await channel.close()
        shutil.rmtree(self._store_path(channel_id).parent)


def _demand_own_channel(channel: OrderedChannel, orderers: Sequence[Orderer]) -> None:
    """Raises StoreDamaged where the blocks are another channel's, or another network's."""
    config = channel.config
    if config.channel_id != channel.channel_id:
        raise StoreDamaged(
            f"{channel.store.path}: these are the blocks of channel {config.channel_id}; {REMEDY}"
        )
    problem = ""
    for orderer in orderers:
        if orderer.config.mspid not in config.registry.msps:
            return  # its organisation has left the channel
        try:
            config.registry.deserialize(orderer.signer.creator).validate()
        except IdentityError as error:
            problem = f"{orderer.name}: {error}"
        else:
            return
    raise StoreDamaged(
        f"{channel.store.path}: the channel's configuration accepts no orderer of this network ({problem}): these are "
        "another network's blocks; put this network's own ledgers back, or delete its data and set it up anew"
    )


def _read_joined(path: Path) -> set[str]:
    try:
        joined = json.loads(path.read_text())
    except ValueError:
        joined = None
    if not isinstance(joined, list) or not all(isinstance(name, str) for name in joined):
        raise StoreDamaged(
            f"{path}: not a JSON list of channel names; write down the channels of {path.parent}"
        )
    return set(joined)
