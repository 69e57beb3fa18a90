# SPDX-License-Identifier: Apache-2.0
"""What a topology is made of: organisations, orderers, channels, chaincodes, each with its own limits."""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib.metadata import version
from typing import Annotated, Literal

from commonwatt_client.yaml_models import named
from pydantic import BaseModel, ConfigDict, Field

from commonwatt_network.model.addresses import HostName
from commonwatt_network.model.topology_chaincode import Chaincode as Chaincode

Name = Annotated[
    str,
    named(
        r"^[a-z][a-z0-9-]{0,62}$",
        "lower-case letters, digits, hyphens; a letter first; 63 characters at most",
    ),
]
OrganizationName = Annotated[
    str,
    named(
        r"^[a-z][a-z0-9-]*(\.[a-z0-9][a-z0-9-]*)*$",
        "lower-case letters, digits, hyphens; dots between them; a letter first",
    ),
]
ChannelName = Annotated[
    str,
    named(
        r"^[a-z][a-z0-9.-]{0,248}$",
        "lower-case letters, digits, hyphens, dots; a letter first; 249 characters at most",
    ),
]
MspId = Annotated[
    str,
    named(
        r"^[A-Za-z][A-Za-z0-9.-]{0,62}$",
        "letters, digits, hyphens, dots; a letter first; 63 characters at most",
    ),
]
Image = Annotated[
    str,
    named(
        r"^[a-z0-9][a-z0-9._/:-]*:[0-9][A-Za-z0-9_.-]*(@sha256:[0-9a-f]{64})?$",
        "name:version, with @sha256:... behind it or not",
    ),
]
CouchDBAddress = Annotated[
    str,
    named(
        r"^http://[A-Za-z0-9.-]+:[0-9]{1,5}/?$",
        "http://HOST:PORT, without user and password",
    ),
]
PeerName = Annotated[str, named(r"^peer[0-9]+\.[a-z][a-z0-9-]{0,62}$", "peer0.ORGANISATION")]
Role = Literal["operator", "grid", "home", "meter", "carrier"]
MARKET = "market"


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class User(_Model):
    """A client identity of an organisation, besides its homes and its administrator."""

    role: Role | None = Field(default=None, description="what the market's contract lets it do")
    attributes: dict[str, str] = Field(default_factory=dict, description="further certificate attributes")


class Registrar(_Model):
    """With what name and secret other programs register and enrol at an organisation's Fabric CA server."""

    name: Name
    secret: Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[!-~]+$")]


class Organization(_Model):
    """A member of channels: its peers and the identities its certificate authority vouches for."""

    mspid: MspId | None = Field(default=None, description="default: the name in CamelCase with MSP after it")
    peers: int = Field(default=1, ge=1, le=16)
    homes: int = Field(
        default=0, ge=0, le=5000, description="home001, home002, ... each with its own certificate"
    )
    users: dict[Name, User] = Field(default_factory=dict)
    registrar: Registrar | None = Field(
        default=None,
        description="ca: fabric-ca: who may register users, known to other programs; default: the kit alone",
    )
    days_valid: int = Field(default=3650, ge=1, le=36500, description="of every certificate it issues")
    host: HostName | None = Field(
        default=None,
        description="the backend compose: DNS name or address of the machine its nodes run on; default: this one",
    )
    client_authentication: bool = Field(
        default=False,
        description="its peers demand a TLS client certificate of a member of their channels (mutual TLS)",
    )
    new_peers: Literal["blocks", "snapshot"] = Field(
        default="blocks",
        description="how a peer that is added catches up: by every block, or from a snapshot of a peer's state",
    )


class OrdererOrganization(_Model):
    """An organisation that runs ordering nodes."""

    mspid: MspId | None = None
    nodes: int = Field(default=1, ge=1, le=5)
    hostname: Name | None = Field(
        default=None,
        description="names its nodes HOSTNAME.ORGANISATION, HOSTNAME2.ORGANISATION, ...; "
        "default: orderer0, orderer1, ... of the whole network",
    )
    days_valid: int = Field(default=3650, ge=1, le=36500)
    host: HostName | None = Field(default=None, description="as of an organisation")


class Orderers(_Model):
    """The ordering service, shared by all channels. Raft takes 1, 3 or 5 nodes in all, BFT takes 4 (Fabric 3)."""

    consensus: Literal["raft", "bft"] = "raft"
    organizations: dict[OrganizationName, OrdererOrganization] = Field(min_length=1)


class Batch(_Model):
    """When the orderer cuts a block."""

    timeout_ms: int = Field(default=200, ge=1, le=60_000)
    max_messages: int = Field(default=500, ge=1, le=100_000)
    preferred_bytes: int = Field(default=2 << 20, ge=1024)
    absolute_bytes: int = Field(default=10 << 20, ge=1024)


def default_batch(clock: str, market: str = "ex_post") -> Batch:
    """When blocks are cut on a channel that does not say: in real time rather full, in simulated time at once.

    A forward market's transactions are few and carry many messages, so there a block of one costs nothing; nor does
    it on an exchange.
    """
    if clock == "live":
        return Batch()
    return Batch(timeout_ms=50 if market == "ex_post" else 10)


def default_readers(chaincodes: Sequence[str]) -> Literal["operators", "members"]:
    """Who reads the blocks of a channel that does not say: those of a market tell what homes use."""
    return "operators" if MARKET in chaincodes else "members"


class Channel(_Model):
    """A ledger and its members. The first organisation is the community; `endorsement` asks its members' peers."""

    organizations: list[OrganizationName] = Field(min_length=1)
    chaincodes: list[Name] = Field(default_factory=list)
    endorsement: Literal["all", "majority", "any"] = "all"
    clock: Literal["live", "simulated"] = Field(
        default="simulated", description="the market's time on this channel"
    )
    market: Literal["ex_post", "forward", "exchange"] = Field(
        default="ex_post",
        description="for good: ex_post settles readings by requests and offers afterwards, public on the ledger; "
        "forward takes signed messages ahead of each period, private to two organisations; "
        "exchange is no community's: the grid, first, and communities vouch and trade there with each other",
    )
    clock_error_s: int | None = Field(
        default=None,
        ge=1,
        le=900,
        description="clock: live: chaincode servers refuse proposals dated further from their own clock; default 30",
    )
    readers: Literal["operators", "members"] = Field(
        default_factory=lambda known: default_readers(known.get("chaincodes", [])),
        description="who reads its blocks: operators, administrators and nodes, or every member; "
        "left out: operators where the chaincode `market` runs, members elsewhere",
    )
    batch: Batch = Field(
        default_factory=lambda known: default_batch(
            known.get("clock", "simulated"), known.get("market", "ex_post")
        ),
        description="left out: cut after 200 ms where the clock is live; after 50 ms where it is simulated, "
        "since a simulated day is one transaction after another; after 10 ms where the market is forward or exchange",
    )


DEFAULT_CLOCK_ERROR_S = 30


Port = Annotated[int, Field(ge=1024, le=65_535)]


class NodePorts(_Model):
    """The fixed ports of one node; those left out are of the network's block."""

    port: Port | None = Field(default=None, description="where it is dialled")
    admin: Port | None = Field(default=None, description="an orderer's, for channel participation")
    operations: Port | None = Field(
        default=None, description="an orderer's or peer's, for health and metrics"
    )


class Ports(_Model):
    """Where the network's block of ports begins; default: chosen once per network folder, and kept."""

    first: int | None = Field(default=None, ge=1024, le=32_000, description="below the ephemeral range")
    nodes: dict[str, NodePorts] = Field(
        default_factory=dict, description="node's name, such as peer0.newtown -> its fixed ports"
    )


CONTRACTS_IMAGE = f"commonwatt-chaincode:{version('commonwatt-network')}"
"""The image that chaincode/Dockerfile makes, of the version that the parts share."""


class Images(_Model):
    """The container images of the backends compose and kubernetes, each pinned by version; a digest may follow."""

    peer: Image = "hyperledger/fabric-peer:3.1.5"
    orderer: Image = "hyperledger/fabric-orderer:3.1.5"
    chaincode: Image = Field(default=CONTRACTS_IMAGE, description="built from chaincode/Dockerfile")


class Cluster(_Model):
    """How the backend kubernetes is reached."""

    outside: Literal["port-forward", "LoadBalancer"] = Field(
        default="port-forward",
        description="how clients reach peers and orderers: through this machine while `kubectl port-forward` runs, "
        "or at the addresses of load balancers",
    )

    @property
    def load_balanced(self) -> bool:
        return self.outside == "LoadBalancer"


class Certificates(_Model):
    """When `commonwatt apply` renews certificates, and whether with the keys they have."""

    renew_before_days: int = Field(
        default=30, ge=0, le=3650, description="or a third of days_valid, where that is less"
    )
    new_keys: bool = False


class CouchDB(_Model):
    """The peers' state is in CouchDB, a server of its own for each peer, since Fabric's peers share none."""

    couchdb: CouchDBAddress | dict[PeerName, CouchDBAddress] = Field(
        description="native: http://HOST:PORT of the only peer, or of each peer by its name (peer0.newtown); "
        "user and password come from COMMONWATT_COUCHDB_USER and COMMONWATT_COUCHDB_PASSWORD. The embedded "
        "network uses no server"
    )


class TopologyFields(_Model):
    """A whole network, whether or not its parts agree: `Topology` is one whose parts do."""

    name: Name = "commonwatt"
    organizations: dict[OrganizationName, Organization] = Field(min_length=1)
    orderers: Orderers
    channels: dict[ChannelName, Channel] = Field(min_length=1)
    chaincodes: dict[Name, Chaincode] = Field(default_factory=dict)
    ports: Ports = Ports()
    ca: Literal["built-in", "fabric-ca"] = Field(
        default="built-in",
        description="who issues identities: the kit, or a Fabric CA server per organisation",
    )
    state: Literal["leveldb"] | CouchDB | None = Field(
        default=None,
        description="the peers' state database; left out: LevelDB, but the embedded network answers rich queries",
    )
    home_seed: str | None = Field(
        default=None,
        min_length=1,
        max_length=64,
        description="the homes' ids on the ledger follow from it, so that runs repeat; left out: they are random",
    )
    images: Images = Images()
    kubernetes: Cluster = Cluster()
    certificates: Certificates = Certificates()
    determinism_guard: bool = Field(
        default=False,
        description="the backend embedded: run each proposal once more, in a process with another hash seed and clock",
    )

    commit_jitter_ms: int = Field(
        default=0,
        ge=0,
        le=10_000,
        description="the backend embedded: each peer commits each block up to so much later, as peers on "
        "machines of their own do; the delays are the same in every run",
    )

    def couchdb_address(self, peer: str) -> str | None:
        """host:port of the CouchDB that has a peer's state; None where LevelDB has it."""
        if not isinstance(self.state, CouchDB):
            return None
        addresses = self.state.couchdb
        url = addresses if isinstance(addresses, str) else addresses[peer]
        return url.removeprefix("http://").rstrip("/")

    def mspid(self, organization: str) -> str:
        """The MSP id of a member or orderer organisation."""
        entry = self.organizations.get(organization) or self.orderers.organizations.get(organization)
        if entry is None:
            raise KeyError(organization)
        words = re.split("[-.]", organization)
        return entry.mspid or "".join(word.title() for word in words) + "MSP"

    def has_grid(self, organization: str) -> bool:
        """Whether a user of this member is of the role grid."""
        users = self.organizations[organization].users.values()
        return any((user.role or user.attributes.get("role")) == "grid" for user in users)
