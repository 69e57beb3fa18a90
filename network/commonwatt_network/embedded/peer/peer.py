# SPDX-License-Identifier: Apache-2.0
"""One peer of the process: its identity, its channels, its chaincode, and the peers it knows."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import sqlite3
import time
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any

from commonwatt_network.embedded.background import BackgroundTasks
from commonwatt_network.embedded.channels.blocks import BlockError
from commonwatt_network.embedded.channels.configuration import ChannelConfigError
from commonwatt_network.embedded.channels.proposals import Proposal
from commonwatt_network.embedded.channels.transactions import BlockParser
from commonwatt_network.embedded.config import PeerConfig
from commonwatt_network.embedded.faults import PeerFaults
from commonwatt_network.embedded.ledger import Ledger, LedgerDamaged
from commonwatt_network.embedded.ledger.database import ANEW, explain_failure
from commonwatt_network.embedded.ledger.snapshot_files import SnapshotDamaged, read_block
from commonwatt_network.embedded.lifecycle.connection_templates import VARIABLE as BUILDER_VARIABLE
from commonwatt_network.embedded.lifecycle.connection_templates import builder_values
from commonwatt_network.embedded.lifecycle.package_store import PackageStore
from commonwatt_network.embedded.orderer.service import OrderingService
from commonwatt_network.embedded.peer.chaincode.runtime import ChaincodeRuntime
from commonwatt_network.embedded.peer.channel import PeerChannel
from commonwatt_network.embedded.peer.endorser import Endorser
from commonwatt_network.embedded.peer.jitter import delay_s, when_due
from commonwatt_network.embedded.peer.ledger_check import check_at_start
from commonwatt_network.embedded.peer.ledger_snapshot import collect_private, load_snapshot
from commonwatt_network.embedded.peer.metrics import PeerMetrics
from commonwatt_network.embedded.peer.private_data import distribute, fetch_from
from commonwatt_network.embedded.peer.reconciliation import reconcile
from commonwatt_network.embedded.peer.refill import refill
from commonwatt_network.embedded.peer.snapshot_requests import SnapshotRequests
from commonwatt_network.embedded.peer.system.registry import SYSTEM_CHAINCODES
from commonwatt_network.embedded.trust.access import check_channel_access, check_peer_access
from commonwatt_network.embedded.trust.msp import MSP, IdentityRegistry
from commonwatt_network.embedded.trust.policies import SignedData
from commonwatt_network.embedded.trust.signing import SignatureChecks, SigningIdentity
from commonwatt_network.embedded.validation.private import Fetch

LEDGER = "ledger.sqlite"

log = logging.getLogger(__name__)


class Peer:
    """One peer. Peers of the process share `checks` and `parser` unless each is given its own."""

    def __init__(
        self, config: PeerConfig, ordering: OrderingService, checks: SignatureChecks, parser: BlockParser
    ) -> None:
        """Open what the data folder holds. Raises IdentityError, CertificateError, LedgerDamaged."""
        self.config = config
        self.ordering = ordering
        self.signer = SigningIdentity.from_directory(config.msp_directory, config.mspid)
        self.local = IdentityRegistry([MSP.from_directory(config.msp_directory, config.mspid)], checks)
        self.packages = PackageStore(
            config.data_directory / "chaincodes",
            lambda: builder_values(config.name, os.environ.get(BUILDER_VARIABLE)),
        )
        timeout_s, rich = config.chaincode_execute_timeout_s, config.rich_queries
        self.runtime = ChaincodeRuntime(self, timeout_s, rich_queries=rich)
        self.second_runtime = ChaincodeRuntime(self, timeout_s, self.second_server, rich_queries=rich)
        self.endorser = Endorser(self)
        self.metrics = PeerMetrics()
        self.faults = PeerFaults()
        self.clock: Callable[[], float] = time.time
        self.peers: Sequence[Peer] = (self,)
        self.channels: dict[str, PeerChannel] = {}
        self.tasks = BackgroundTasks(config.name)
        self._failures: dict[str, str] = {}
        self._deleted: list[str] = []
        self._checks = checks
        self._parser = parser
        self._fingerprint = self.local.deserialize(self.signer.creator).fingerprint
        self._followers: dict[str, asyncio.Task[None]] = {}
        self._reconciler: asyncio.Task[None] | None = None
        self.open_channels()

    def open_channels(self) -> None:
        """Open the ledgers of the data folder. Raises LedgerDamaged, PackageError, and then none is open."""
        try:
            self._open_channels()
        except BaseException:
            self.release()
            raise

    def release(self) -> None:
        """Close every ledger."""
        for channel in self.channels.values():
            channel.close()
        self.channels.clear()

    def _open_channels(self) -> None:
        self.packages.reload()
        self.snapshot_requests = SnapshotRequests(self.config.data_directory / "snapshots")
        self._deleted.clear()
        for directory in sorted((self.config.data_directory / "channels").glob("*/")):
            deleted = not (directory / LEDGER).exists()
            try:
                channel = self._open(directory.name)
            except (ChannelConfigError, SnapshotDamaged) as error:
                raise LedgerDamaged(f"{directory / LEDGER}: {error}; {ANEW}") from error
            if channel.height:
                self.channels[directory.name] = channel
                continue
            channel.close()
            if deleted or not channel.ledger.write_sets.is_empty:
                self._deleted.append(directory.name)
            else:  # killed while it joined
                shutil.rmtree(directory)

    def check_ledgers(self) -> None:
        """Raises LedgerDamaged where a ledger is not what this peer wrote."""
        for channel in self.channels.values():
            check_at_start(channel.ledger)
            if not channel.ledger.write_sets.is_whole:
                refill(channel.ledger)

    def sign(self, message: bytes) -> bytes:
        """This peer's signature; peers that share its checks need not verify it again."""
        signature = self.signer.sign(message)
        self._checks.remember(self._fingerprint, message, signature)
        return signature

    @property
    def failures(self) -> list[str]:
        """What keeps this peer from committing blocks, in words; empty while it is healthy."""
        return [*self._failures.values(), *self.tasks.failures]

    @property
    def name(self) -> str:
        return self.config.name

    @property
    def mspid(self) -> str:
        return self.config.mspid

    @property
    def address(self) -> str:
        return self.config.address

    def _open(self, channel_id: str) -> PeerChannel:
        path = self._channel_directory(channel_id) / LEDGER
        return PeerChannel(
            channel_id, path, self.signer, self._checks, self._parser, self._fetch_private(channel_id)
        )

    def _channel_directory(self, channel_id: str) -> Path:
        return self.config.data_directory / "channels" / channel_id

    def client_authorities(self) -> Iterator[str]:
        """Whose TLS certificates its clients may show (PEM): its own organisation's, and its channels' members'."""
        yield (self.config.tls_directory / "ca.crt").read_text()
        for channel in self.channels.values():
            for organization in channel.config.application_organizations.values():
                msp = channel.config.registry.msps[organization.mspid].config
                for pem in (*msp.tls_root_certs, *msp.tls_intermediate_certs):
                    yield pem.decode(errors="replace")

    def start(self) -> None:
        """Follow the channels joined so far, and fetch anew those whose ledger was deleted."""
        for channel_id in self._deleted:
            ordered = self.ordering.channels.get(channel_id)
            if ordered is None:
                log.warning(
                    "%s: no orderer has channel %s, whose ledger was deleted", self.config.name, channel_id
                )
            else:
                log.warning(
                    "%s fetches channel %s anew: its ledger was deleted", self.config.name, channel_id
                )
                self._join(channel_id, ordered.block(0))
        self._deleted.clear()
        for channel in self.channels.values():
            self._follow(channel)
        if self._reconciler is None:
            self._reconciler = self.tasks.start(
                reconcile(self.name, self.channels, self._others),
                "the search for missing private data",
            )

    def join(self, channel_id: str, genesis: Any) -> None:
        """Start a ledger with a genesis block and follow the channel.

        Raises ChannelConfigError, BlockError, LedgerDamaged (a full disk), OSError, and then nothing is left of it.
        """
        try:
            channel = self._join(channel_id, genesis)
        except (ChannelConfigError, BlockError, LedgerDamaged, OSError):
            shutil.rmtree(self._channel_directory(channel_id), ignore_errors=True)
            raise
        self._follow(channel)

    def _join(self, channel_id: str, genesis: Any) -> PeerChannel:
        channel = self._open(channel_id)
        try:
            channel.start_with(genesis)
        except sqlite3.Error as error:
            channel.close()
            raise explain_failure(channel.ledger.path, error) from error
        except (ChannelConfigError, BlockError):
            channel.close()
            raise
        self.channels[channel_id] = channel
        return channel

    def join_by_snapshot(self, folder: Path) -> None:
        """Start a ledger with a snapshot and follow the channel. Raises SnapshotDamaged, ChannelConfigError."""
        channel_id = read_block(folder).channel_id
        if channel_id in self.channels:
            raise SnapshotDamaged(
                f"error while creating ledger id: ledger [{channel_id}] already exists with state [ACTIVE]"
            )
        directory = self._channel_directory(channel_id)
        try:
            ledger = Ledger(directory / LEDGER)
            try:
                load_snapshot(folder, ledger)
            finally:
                ledger.close()
            channel = self._open(channel_id)
        except (SnapshotDamaged, ChannelConfigError, LedgerDamaged, OSError, sqlite3.Error):
            shutil.rmtree(directory, ignore_errors=True)
            raise
        collect_private(
            channel,
            [peer.channels[channel_id] for peer in self.peers if channel_id in peer.channels],
        )
        self.channels[channel_id] = channel
        self._follow(channel)

    def _follow(self, channel: PeerChannel) -> None:
        channel.on_commit.append(lambda _: self.snapshot_requests.take_due(channel))
        self._followers[channel.channel_id] = self.tasks.start(
            self._commit_blocks(channel), f"the follower of channel {channel.channel_id}"
        )

    async def _commit_blocks(self, channel: PeerChannel) -> None:
        while True:
            try:
                async with aclosing(self._blocks(channel)) as blocks:
                    async for block in blocks:
                        if self.faults.commit_delay_s:
                            await asyncio.sleep(self.faults.commit_delay_s)
                        if block.header.number >= channel.height:  # else `level` was there first
                            self._commit(channel, block)
            except Exception as error:  # nothing that a block holds may end the follower
                failure = (
                    f"{self.config.name} cannot commit block {channel.height} of channel {channel.channel_id} to "
                    f"{channel.ledger.path}: {error}"
                )
                foreseen = isinstance(error, sqlite3.Error | BlockError | ChannelConfigError)
                if self._failures.get(channel.channel_id) != failure:
                    log.error("%s; trying again every second", failure, exc_info=None if foreseen else error)
                self._failures[channel.channel_id] = failure
                await asyncio.sleep(1)

    def _blocks(self, channel: PeerChannel) -> AsyncGenerator[Any]:
        """The blocks that the peer lacks, each when it is time to commit it."""
        blocks = self.ordering.blocks(channel.channel_id, channel.height)
        config = self.config
        if not config.commit_jitter_ms:
            return blocks

        def delay(number: int) -> float:
            seed, most_ms = config.commit_jitter_seed, config.commit_jitter_ms
            return delay_s(most_ms, seed, config.name, channel.channel_id, number)

        return when_due(blocks, delay)

    def _commit(self, channel: PeerChannel, block: Any) -> None:
        started_s = time.perf_counter()
        channel.commit(block, self.faults)
        self._failures.pop(channel.channel_id, None)
        self.metrics.blocks_committed += 1
        self.metrics.transactions_committed += len(block.data.data)
        self.metrics.commit_duration_s += time.perf_counter() - started_s

    def level(self) -> None:
        """Commit every block that the orderer has, jitter or not."""
        for channel in self.channels.values():
            ordered = self.ordering.channels.get(channel.channel_id)
            while ordered is not None and channel.height < ordered.height:
                self._commit(channel, ordered.block(channel.height))

    async def close_channels(self) -> None:
        """Stop following and close every ledger."""
        for task in self._followers.values():
            task.cancel()
        await asyncio.gather(*self._followers.values(), return_exceptions=True)
        self._followers.clear()
        self._failures.clear()
        self.release()

    async def close(self) -> None:
        if self._reconciler is not None:
            self._reconciler.cancel()
            await asyncio.gather(self._reconciler, return_exceptions=True)
            self._reconciler = None
        await self.close_channels()
        await self.runtime.close()
        await self.second_runtime.close()

    # Access

    def check_channel_access(self, resource: str, channel: PeerChannel, proposal: Proposal) -> None:
        """Raises AccessDenied."""
        check_channel_access(resource, channel.config, _evidence(proposal))

    def check_peer_access(self, resource: str, proposal: Proposal) -> None:
        """Raises AccessDenied."""
        check_peer_access(resource, self.local, self.config.mspid, _evidence(proposal))

    # Chaincode

    def second_server(self, package_id: str) -> str | None:
        """Where the determinism guard runs a package's proposals once more (host:port), if it does."""
        if self.config.second_servers is None:
            return None
        try:
            return (self.config.second_servers / package_id).read_text()
        except FileNotFoundError:
            return None

    def package_references(self, package_id: str) -> Mapping[str, list[tuple[str, str]]]:
        """The definitions that use an installed package: (name, version) by channel."""
        references: dict[str, list[tuple[str, str]]] = {}
        for channel in self.channels.values():
            for name in channel.defined_chaincodes():
                definition = channel.definition(name)
                if definition is not None and channel.approved_package(name) == package_id:
                    entry = (name, definition.parameters.version)
                    references.setdefault(channel.channel_id, []).append(entry)
        return references

    def has_chaincode(self, channel_id: str, name: str) -> bool:
        """Whether this peer can endorse with the chaincode: defined, approved by its organisation, installed."""
        channel = self.channels.get(channel_id)
        if channel is None or self.faults.down:
            return False
        return name in SYSTEM_CHAINCODES or channel.approved_package(name) in self.packages.installed

    # Private data

    def distribute_private(self, channel: PeerChannel, transaction_id: str, private: Any) -> str:
        """Keep an endorsed transaction's private writes, and give members' peers theirs; what went wrong, if so."""
        return distribute(channel, self._others(channel.channel_id), transaction_id, private)

    def _fetch_private(self, channel_id: str) -> Fetch:
        def channels() -> tuple[PeerChannel | None, list[PeerChannel]]:
            return self.channels.get(channel_id), self._others(channel_id)

        return fetch_from(channels, self.signer.creator)

    def _others(self, channel_id: str) -> list[PeerChannel]:
        """A channel at the other peers that answer."""
        return [
            peer.channels[channel_id]
            for peer in self.peers
            if peer is not self and not peer.faults.down and channel_id in peer.channels
        ]


def _evidence(proposal: Proposal) -> SignedData:
    return SignedData(proposal.signed.proposal_bytes, proposal.creator, proposal.signed.signature)
