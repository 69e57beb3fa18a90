# SPDX-License-Identifier: Apache-2.0
"""The Snapshot service of a peer: requests for snapshots of blocks to come, and those that are pending."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any, Protocol

import grpc
from fabric_protos.peer import snapshot_pb2, snapshot_pb2_grpc
from google.protobuf import empty_pb2
from google.protobuf.message import DecodeError

from commonwatt_network.embedded.peer.channel import PeerChannel
from commonwatt_network.embedded.peer.ledger_snapshot import write_snapshot
from commonwatt_network.embedded.peer.views import ChannelsView
from commonwatt_network.embedded.trust.access import AccessDenied, check_peer_access
from commonwatt_network.embedded.trust.msp import IdentityRegistry
from commonwatt_network.embedded.trust.policies import SignedData

log = logging.getLogger(__name__)


class SnapshotRefused(Exception):
    """A request that cannot be; the message is Fabric's."""


class SnapshotRequests:
    """The pending requests of one peer, kept in its snapshots folder as Fabric keeps completed ones.

    A snapshot of block N lies in `completed/CHANNEL/N`. Commits wait while one is written.
    """

    def __init__(self, root: Path) -> None:
        self._completed = root / "completed"
        self._file = root / "pending.json"
        self._pending = _read_pending(self._file)

    def folder(self, channel_id: str, number: int) -> Path:
        return self._completed / channel_id / str(number)

    def pending(self, channel_id: str) -> list[int]:
        return sorted(self._pending.get(channel_id, ()))

    def add(self, channel: PeerChannel, number: int) -> None:
        """Ask for a snapshot as of block `number`; 0 is the last one. Raises SnapshotRefused."""
        last = channel.height - 1
        wanted = number or last
        if wanted < last:
            raise SnapshotRefused(
                f"requested snapshot for block number {wanted} cannot be less than the last committed block "
                f"number {last}"
            )
        if wanted == last and self.folder(channel.channel_id, wanted).exists():
            raise SnapshotRefused(f"snapshot already generated for block number {wanted}")
        pending = self._pending.setdefault(channel.channel_id, set())
        if wanted in pending:
            raise SnapshotRefused(f"duplicate snapshot request for block number {wanted}")
        pending.add(wanted)
        self._save()
        self.take_due(channel)

    def cancel(self, channel_id: str, number: int) -> None:
        """Raises SnapshotRefused."""
        if number not in self._pending.get(channel_id, ()):
            raise SnapshotRefused(f"no snapshot request exists for block number {number}")
        self._pending[channel_id].discard(number)
        self._save()

    def take_due(self, channel: PeerChannel) -> None:
        """Write the snapshot that was asked for as of the channel's last block, if any."""
        number = channel.height - 1
        if number not in self._pending.get(channel.channel_id, ()):
            return
        try:
            if not self.folder(channel.channel_id, number).exists():
                write_snapshot(channel, self.folder(channel.channel_id, number))
            self._pending[channel.channel_id].discard(number)
            self._save()
        except OSError as error:
            log.error("no snapshot of block %d of channel %s: %s", number, channel.channel_id, error)

    def _save(self) -> None:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        draft = self._file.with_suffix(".new")
        draft.write_text(json.dumps({channel: sorted(numbers) for channel, numbers in self._pending.items()}))
        draft.replace(self._file)


def _read_pending(path: Path) -> dict[str, set[int]]:
    """The pending requests by channel; a file that cannot be read is no reason not to start."""
    try:
        return {
            str(channel): set(map(int, numbers)) for channel, numbers in json.loads(path.read_bytes()).items()
        }
    except FileNotFoundError:
        return {}
    except (ValueError, TypeError, AttributeError):
        log.error("%s: cannot be read: snapshots that were asked for are forgotten; ask for them anew", path)
        return {}


class SnapshotPeer(ChannelsView, Protocol):
    """A peer of which snapshots can be asked."""

    @property
    def mspid(self) -> str: ...

    @property
    def local(self) -> IdentityRegistry: ...

    @property
    def snapshot_requests(self) -> SnapshotRequests: ...


class SnapshotServicer(snapshot_pb2_grpc.SnapshotServicer):  # type: ignore[misc]
    """Generate, Cancel and QueryPendings, for the peer's own administrators."""

    def __init__(self, peer: SnapshotPeer) -> None:
        self._peer = peer

    async def Generate(self, signed: Any, context: Any) -> Any:
        request, channel = await self._open(signed, "snapshot/submitrequest", context)
        try:
            self._peer.snapshot_requests.add(channel, request.block_number)
        except SnapshotRefused as error:
            await context.abort(grpc.StatusCode.UNKNOWN, str(error))
        return empty_pb2.Empty()

    async def Cancel(self, signed: Any, context: Any) -> Any:
        request, channel = await self._open(signed, "snapshot/cancelrequest", context)
        try:
            self._peer.snapshot_requests.cancel(channel.channel_id, request.block_number)
        except SnapshotRefused as error:
            await context.abort(grpc.StatusCode.UNKNOWN, str(error))
        return empty_pb2.Empty()

    async def QueryPendings(self, signed: Any, context: Any) -> Any:
        _, channel = await self._open(signed, "snapshot/listpending", context)
        numbers = self._peer.snapshot_requests.pending(channel.channel_id)
        return snapshot_pb2.QueryPendingSnapshotsResponse(block_numbers=numbers)

    async def _open(self, signed: Any, resource: str, context: Any) -> tuple[Any, PeerChannel]:
        query = resource == "snapshot/listpending"
        kind = snapshot_pb2.SnapshotQuery if query else snapshot_pb2.SnapshotRequest
        problem = ""
        try:
            request = kind.FromString(signed.request)
            if not request.HasField("signature_header"):
                problem = "missing signature header"
            else:
                peer = self._peer
                evidence = SignedData(signed.request, request.signature_header.creator, signed.signature)
                check_peer_access(resource, peer.local, peer.mspid, evidence)
                if not request.channel_id:
                    problem = "missing channel ID"
                elif request.channel_id not in peer.channels:
                    problem = f"cannot find ledger for channel {request.channel_id}"
        except DecodeError as error:
            problem = f"failed to unmarshal snapshot request: {error}"
        except AccessDenied as error:
            problem = str(error)
        if problem:
            await context.abort(grpc.StatusCode.UNKNOWN, problem)
        return request, self._peer.channels[request.channel_id]
