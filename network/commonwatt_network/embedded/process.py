# SPDX-License-Identifier: Apache-2.0
"""The whole process: orderers and peers of one configuration, started together and stopped together."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path

from commonwatt_network.embedded import snapshots
from commonwatt_network.embedded.channels.transactions import BlockParser
from commonwatt_network.embedded.config import EmbeddedConfig
from commonwatt_network.embedded.ledger import Ledger, LedgerDamaged
from commonwatt_network.embedded.lifecycle.package_store import PackageError
from commonwatt_network.embedded.orderer.server import OrdererServer
from commonwatt_network.embedded.orderer.service import OrderingService
from commonwatt_network.embedded.orderer.store import StoreDamaged
from commonwatt_network.embedded.peer.peer import Peer
from commonwatt_network.embedded.peer.server import PeerServer
from commonwatt_network.embedded.snapshots import Snapshot
from commonwatt_network.embedded.transport.listener import ListenError
from commonwatt_network.embedded.trust.certificates import CertificateError
from commonwatt_network.embedded.trust.msp import IdentityError
from commonwatt_network.embedded.trust.signing import SignatureChecks


class StartError(Exception):
    """The process cannot start; the message names the node and says what to do."""


class EmbeddedNetwork:
    """Orderers and peers in this process. `start` either starts all of them or none."""

    def __init__(self, config: EmbeddedConfig) -> None:
        """Open every node's folders. Raises StartError."""
        self.config = config
        self._checks = SignatureChecks()
        self._parser = BlockParser()
        self.peers: list[Peer] = []
        try:
            self.ordering = OrderingService(config.orderers, self._checks, cut_when_idle=config.cut_when_idle)
            for peer_config in config.peers:
                peer = Peer(peer_config, self.ordering, self._checks, self._parser)
                self.peers.append(peer)
                peer.check_ledgers()
        except (IdentityError, CertificateError, LedgerDamaged, PackageError, StoreDamaged, OSError) as error:
            for peer in self.peers:
                peer.release()
            raise StartError(_told(error)) from error
        for peer in self.peers:
            peer.peers = tuple(self.peers)
        self.ordering.ledgers = self._ledgers
        self._servers: list[OrdererServer | PeerServer] = []

    async def start(self) -> None:
        """Open the channels, follow them, listen. Raises StartError."""
        try:
            await self.ordering.start()
            for peer in self.peers:
                peer.start()
            for orderer in self.ordering.orderers:
                await self._listen(OrdererServer(orderer))
            for peer in self.peers:
                await self._listen(PeerServer(peer))
        except BaseException as error:
            await self.stop()
            if isinstance(error, ListenError | LedgerDamaged | StoreDamaged | OSError):
                raise StartError(_told(error)) from error
            raise

    async def grow(self, config: EmbeddedConfig) -> None:
        """Start the nodes that `config` has besides those that run; these go on undisturbed. Raises StartError."""
        known = {node.name for node in (*self.config.orderers, *self.config.peers)}
        try:
            for orderer_config in config.orderers:
                if orderer_config.name not in known:
                    await self._listen(OrdererServer(self.ordering.admit(orderer_config)))
            for peer_config in config.peers:
                if peer_config.name not in known:
                    peer = Peer(peer_config, self.ordering, self._checks, self._parser)
                    self.peers.append(peer)
                    peer.check_ledgers()
                    for each in self.peers:
                        each.peers = tuple(self.peers)
                    peer.start()
                    await self._listen(PeerServer(peer))
        except (
            IdentityError,
            CertificateError,
            LedgerDamaged,
            PackageError,
            StoreDamaged,
            ListenError,
            OSError,
        ) as error:
            raise StartError(_told(error)) from error
        self.config = config

    def _ledgers(self, channel_id: str) -> list[Ledger]:
        """What the peers have of a channel."""
        return [peer.channels[channel_id].ledger for peer in self.peers if channel_id in peer.channels]

    async def _listen(self, server: OrdererServer | PeerServer) -> None:
        await server.start()
        self._servers.append(server)

    async def stop(self) -> None:
        for server in self._servers:
            await server.stop()
        self._servers.clear()
        for peer in self.peers:
            await peer.close()
        await self.ordering.close()

    def snapshot(self) -> Snapshot:
        """All state as of now; call it while no transaction is under way."""
        return snapshots.take(self.config, self.peers)

    async def restore(self, snapshot: Snapshot) -> None:
        """Back to an earlier state; clients and chaincode stay connected."""
        await snapshots.restore(snapshot, self.config, self.ordering, self.peers)

    def clash(self, transactions: int = 1) -> None:
        """Let the coming endorser transactions, so many of them, fail with MVCC_READ_CONFLICT."""
        for peer in self.peers:
            peer.faults.clashes = transactions

    def set_clock(self, clock: Callable[[], float]) -> None:
        """Let every peer tell the time by `clock` (epoch seconds); for tests."""
        for peer in self.peers:
            peer.clock = clock


def _told(error: Exception) -> str:
    """The message; of the system's own errors, with what to do."""
    if not isinstance(error, OSError) or error.filename is None:
        return str(error)
    remedies = {errno.ENOSPC: "free space on its disk", errno.EDQUOT: "free space on its disk"}
    remedy = remedies.get(error.errno or 0, "let this user write it and its folder")
    return f"{error.filename}: {error.strerror}: {remedy}"


def write_ready_file(path: Path) -> None:
    """Tell who waits that every node listens: JSON with this process's id, put in place at once."""
    draft = path.with_suffix(".new")
    draft.write_text(json.dumps({"pid": os.getpid()}))
    draft.replace(path)
