# SPDX-License-Identifier: Apache-2.0
"""What a change of a running network is made of. Each step knows its words and what the network is once it is done."""

from __future__ import annotations

from dataclasses import dataclass

from commonwatt_network.model.topology import Topology
from commonwatt_network.model.topology_parts import Batch


@dataclass(frozen=True)
class Step:
    """One thing to do. `after` is the whole topology once it is done."""

    words: str
    after: Topology


@dataclass(frozen=True)
class Record(Step):
    """Nothing to do on the network: settings that count from now on."""


@dataclass(frozen=True)
class ChangeImages(Step):
    """Other images of Fabric's programs: in containers, one node after the other."""


@dataclass(frozen=True)
class ChangeChaincodeImage(Step):
    """Another image under the same versions: in containers, new chaincode servers beside the old ones."""


@dataclass(frozen=True)
class AddOrganization(Step):
    """Authorities, certificates and peers of an organisation that is on no channel yet."""

    organization: str


@dataclass(frozen=True)
class EnrolUsers(Step):
    """Certificates for homes and users. `anew`: users with other attributes, whose former certificates are revoked."""

    organization: str
    anew: tuple[str, ...] = ()


@dataclass(frozen=True)
class ChangeBatch(Step):
    """When a channel's orderers cut blocks."""

    channel: str
    batch: Batch


@dataclass(frozen=True)
class ChangeReaders(Step):
    """Who reads a channel's blocks from now on."""

    channel: str


@dataclass(frozen=True)
class AddPeer(Step):
    """One more peer of an organisation, on all its channels. `by_snapshot`: from another peer's state, not block 0."""

    organization: str
    peer: str
    by_snapshot: bool


@dataclass(frozen=True)
class RemovePeer(Step):
    """An organisation's last peer goes; its ledger stays on disk."""

    peer: str


@dataclass(frozen=True)
class AddOrderer(Step):
    """One more Raft node, on every channel."""

    organization: str


@dataclass(frozen=True)
class RemoveOrderer(Step):
    """An orderer organisation's last node leaves every channel."""

    organization: str


@dataclass(frozen=True)
class AddChannel(Step):
    """A channel with its members and chaincodes."""

    channel: str


@dataclass(frozen=True)
class AddMember(Step):
    """An organisation joins a channel that is there already."""

    channel: str
    organization: str


@dataclass(frozen=True)
class AddChaincode(Step):
    """A chaincode that is new to a channel."""

    channel: str
    chaincode: str


@dataclass(frozen=True)
class ReplaceServers(Step):
    """New chaincode servers beside the old ones, and every channel moved over: another version."""

    chaincode: str


@dataclass(frozen=True)
class RestartServers(Step):
    """The same version with other settings, by new chaincode servers too: none is away meanwhile."""

    chaincode: str


@dataclass(frozen=True)
class ChangeDefinition(Step):
    """Another endorsement policy, collections or Init for a chaincode; its servers stay."""

    chaincode: str


@dataclass(frozen=True)
class RemoveOrganization(Step):
    """The peers of an organisation that has left every channel and has no homes."""

    organization: str
