# SPDX-License-Identifier: Apache-2.0
"""A peer as its parts see it: each part names what it uses, so that none of them needs to know the whole peer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from commonwatt_network.embedded.channels.proposals import Proposal
from commonwatt_network.embedded.faults import PeerFaults
from commonwatt_network.embedded.peer.channel import PeerChannel
from commonwatt_network.embedded.trust.signing import SigningIdentity


class ChannelsView(Protocol):
    """The channels that a peer has joined, by their id."""

    @property
    def channels(self) -> Mapping[str, PeerChannel]: ...


class AccessView(ChannelsView, Protocol):
    """Channels, and who may do what on them and on the peer."""

    def check_channel_access(self, resource: str, channel: PeerChannel, proposal: Proposal) -> None:
        """Raises AccessDenied."""

    def check_peer_access(self, resource: str, proposal: Proposal) -> None:
        """Raises AccessDenied."""


class NeighbourView(ChannelsView, Protocol):
    """A peer as others of its network know it: its identity, its address, and what it can endorse."""

    @property
    def mspid(self) -> str: ...

    @property
    def address(self) -> str: ...

    @property
    def signer(self) -> SigningIdentity: ...

    @property
    def faults(self) -> PeerFaults: ...

    def has_chaincode(self, channel_id: str, name: str) -> bool:
        """Whether the peer can endorse with the chaincode."""


def may_read(peer: NeighbourView, channel: PeerChannel, call: Any) -> bool:
    """Whether the peer is a member of the collections that a ChaincodeCall reads."""
    return bool(call.no_private_reads) or all(
        channel.identity_is_member(peer.signer.creator, call.name, collection)
        for collection in call.collection_names
    )
