# SPDX-License-Identifier: Apache-2.0
"""`cscc`: joining channels, listing them, and their configuration."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any, Protocol

from fabric_protos.common import common_pb2
from fabric_protos.peer import query_pb2
from google.protobuf.message import DecodeError

from commonwatt_network.embedded.channels.blocks import BlockError, channel_of, config_envelope_of
from commonwatt_network.embedded.channels.configuration import ChannelConfigError
from commonwatt_network.embedded.channels.proposals import Proposal
from commonwatt_network.embedded.ledger import LedgerDamaged
from commonwatt_network.embedded.ledger.snapshot_files import SnapshotDamaged
from commonwatt_network.embedded.peer.channel import PeerChannel
from commonwatt_network.embedded.peer.system.responses import failure, success
from commonwatt_network.embedded.peer.views import AccessView
from commonwatt_network.embedded.simulation import Simulator
from commonwatt_network.embedded.trust.access import AccessDenied


class JoiningPeer(AccessView, Protocol):
    """A peer that can join channels."""

    def join(self, channel_id: str, genesis: Any) -> None:
        """Raises ChannelConfigError, BlockError, LedgerDamaged, OSError."""

    def join_by_snapshot(self, folder: Path) -> None:
        """Raises SnapshotDamaged, ChannelConfigError, LedgerDamaged, OSError, sqlite3.Error."""


def run_cscc(
    peer: JoiningPeer, _: PeerChannel | None, proposal: Proposal, arguments: list[bytes], __: Simulator | None
) -> Any:
    """The Response to GetChannels, JoinChain, JoinChainBySnapshot, JoinBySnapshotStatus,
    GetConfigBlock or GetChannelConfig."""
    function = arguments[0].decode(errors="replace") if arguments else ""
    if not arguments or (function not in ("GetChannels", "JoinBySnapshotStatus") and len(arguments) < 2):
        return failure(f"Incorrect number of arguments, {len(arguments)}")
    if proposal.chaincode_name != "cscc":
        return failure(
            f"Rejecting invoke of CSCC from another chaincode, original invocation for '{proposal.chaincode_name}'"
        )
    if function == "JoinChain":
        return _join(peer, proposal, arguments[1])
    if function == "JoinChainBySnapshot":
        return _join_by_snapshot(peer, proposal, arguments[1].decode(errors="replace"))
    if function == "JoinBySnapshotStatus":
        return _join_status(peer, proposal)
    if function == "GetChannels":
        return _list(peer, proposal)
    if function in ("GetConfigBlock", "GetChannelConfig"):
        return _config(peer, proposal, function, arguments[1].decode(errors="replace"))
    return failure(f"Requested function {function} not found.")


def _join(peer: JoiningPeer, proposal: Proposal, encoded: bytes) -> Any:
    try:
        block = common_pb2.Block.FromString(encoded)
        channel_id = channel_of(common_pb2.Envelope.FromString(block.data.data[0]))
    except DecodeError as error:
        return failure(f"Failed to reconstruct the genesis block, {error}")
    except (BlockError, IndexError) as error:
        return failure(f'"JoinChain" request failed to extract channel id from the block due to [{error}]')
    envelope = config_envelope_of(block)
    problem = ""
    if envelope is None:
        problem = "Bad configuration envelope: invalid type, expected CONFIG"
    elif not envelope.config.HasField("channel_group"):
        problem = "Nil channel group"
    elif "Application" not in envelope.config.channel_group.groups:
        problem = "Invalid configuration block, missing Application configuration group"
    if problem:
        return failure(
            f'"JoinChain" for channelID = {channel_id} failed because of validation of configuration block, because '
            f"of {problem}"
        )
    try:
        peer.check_peer_access("cscc/JoinChain", proposal)
    except AccessDenied as error:
        return failure(f"access denied for [JoinChain][{channel_id}]: [{error}]")
    if channel_id in peer.channels:
        return failure(
            f"cannot create ledger from genesis block: ledger [{channel_id}] already exists with state [ACTIVE]"
        )
    try:
        peer.join(channel_id, block)
    except (ChannelConfigError, BlockError, LedgerDamaged, OSError) as error:
        return failure(f"cannot create ledger from genesis block: {error}")
    return success()


def _join_by_snapshot(peer: JoiningPeer, proposal: Proposal, folder: str) -> Any:
    if not folder:
        return failure("Cannot join the channel, no snapshot directory provided")
    try:
        peer.check_peer_access("cscc/JoinChainBySnapshot", proposal)
    except AccessDenied as error:
        return failure(f"access denied for [JoinChainBySnapshot]: [{error}]")
    try:
        peer.join_by_snapshot(Path(folder))
    except (SnapshotDamaged, ChannelConfigError, LedgerDamaged, OSError, sqlite3.Error) as error:
        return failure(f"cannot create ledger from snapshot {folder}: {error}")
    return success()


def _join_status(peer: JoiningPeer, proposal: Proposal) -> Any:
    """A snapshot is taken up before the call returns, so none is ever in progress."""
    try:
        peer.check_peer_access("cscc/JoinBySnapshotStatus", proposal)
    except AccessDenied as error:
        return failure(f"access denied for [JoinBySnapshotStatus]: {error}")
    return success(query_pb2.JoinBySnapshotStatus().SerializeToString())


def _list(peer: JoiningPeer, proposal: Proposal) -> Any:
    try:
        peer.check_peer_access("cscc/GetChannels", proposal)
    except AccessDenied as error:
        return failure(f"access denied for [GetChannels]: {error}")
    channels = [query_pb2.ChannelInfo(channel_id=channel_id) for channel_id in sorted(peer.channels)]
    return success(query_pb2.ChannelQueryResponse(channels=channels).SerializeToString())


def _config(peer: JoiningPeer, proposal: Proposal, function: str, channel_id: str) -> Any:
    if not channel_id:
        return failure("empty channel name provided")
    channel = peer.channels.get(channel_id)
    if channel is None:
        problem = f"Failed to get policy manager for channel [{channel_id}]"
        return failure(f"access denied for [{function}][{channel_id}]: {problem}")
    try:
        peer.check_channel_access(f"cscc/{function}", channel, proposal)
    except AccessDenied as error:
        return failure(f"access denied for [{function}][{channel_id}]: {error}")
    if function == "GetConfigBlock":
        return success(channel.ledger.block_bytes(channel.ledger.config_block_number()) or b"")
    return success(channel.config.config.SerializeToString())
