# SPDX-License-Identifier: Apache-2.0
"""One organisation as it describes itself: its nodes with the names that others dial, its chaincode, its users."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal, Self

from commonwatt_client.yaml_models import Location, parse_model, refuse, words_of
from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, model_validator

from commonwatt_network.errors import TopologyError
from commonwatt_network.model.addresses import HostName
from commonwatt_network.model.forward_market import FORWARD, MARKET
from commonwatt_network.model.nodes import EVERYWHERE, EVERYWHERE_6
from commonwatt_network.model.topology import SETTLED
from commonwatt_network.model.topology_chaincode import ChaincodeProgram
from commonwatt_network.model.topology_parts import DEFAULT_CLOCK_ERROR_S, Images, MspId, Name, User
from commonwatt_network.model.topology_rules import (
    LONGEST_ORGANIZATION,
    chaincode_name_mistakes,
    user_mistakes,
)

Port = Annotated[int, Field(ge=1, le=65_535)]


IN_CONTAINERS = ("compose", "kubernetes")


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Reached(_Model):
    """A node: others dial `host` and `port`. It binds `listen` and `listen_port`, where those differ."""

    host: HostName
    port: Port
    listen: HostName | None = Field(
        default=None, description="the address it binds; default: the organisation's"
    )
    listen_port: Port | None = Field(
        default=None,
        description="the port it binds, where NAT or a load balancer stands before it; default: port",
    )


class OrdererSettings(_Reached):
    """An ordering node. Administration and operations answer on this host alone."""

    port: Port = 7050
    admin_port: Port = 7053
    operations_port: Port = 9443


class PeerSettings(_Reached):
    """A peer. Operations answer on this host alone."""

    port: Port = 7051
    operations_port: Port = 9444


class ChaincodeSettings(ChaincodeProgram):
    """The organisation's chaincode process, reached by its own peers alone."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: Name = "market"
    port: Port = 7052
    market: Literal["ex_post", "forward"] = Field(
        default="ex_post",
        description="of the chaincode `market`, on channels where it is not in force yet; all members say the same",
    )
    clock_error_s: int | None = Field(
        default=DEFAULT_CLOCK_ERROR_S,
        ge=1,
        le=900,
        description="proposals dated further from this host's clock are refused, on every channel; null: none is",
    )


class OrganizationDescription(_Model):
    """An organisation on its own host."""

    name: Name
    mspid: MspId | None = Field(default=None, description="default: the name in CamelCase with MSP after it")
    listen: HostName | None = Field(
        default=None,
        description="the address that peers and orderers bind; default: every one of this host, IPv4 alone unless "
        "others dial an IPv6 address",
    )
    orderers: list[OrdererSettings] = Field(default_factory=list, max_length=5)
    peers: list[PeerSettings] = Field(min_length=1, max_length=16)
    chaincode: ChaincodeSettings = ChaincodeSettings()
    backend: Literal["native", "compose", "kubernetes"] | None = Field(
        default=None,
        description="where its nodes run: as programs of this host, or as `org render` last wrote them; left out: as "
        "before, native at first",
    )
    images: Images = Field(
        default=Images(),
        description="of its containers; a contract's image that is left out stays as long as its version does",
    )
    users: dict[Name, User] = Field(default_factory=dict)
    homes: int = Field(default=0, ge=0, le=5000)
    days_valid: int = Field(
        default=365,
        ge=1,
        le=3650,
        description="of every certificate that its authorities issue; `org renew` issues them anew in time",
    )

    def bound(self, node: _Reached) -> str:
        """The address that one of its nodes binds."""
        everywhere = EVERYWHERE_6 if node.host.startswith("[") else EVERYWHERE
        return node.listen or self.listen or everywhere

    @property
    def msp_id(self) -> str:
        return self.mspid or "".join(part.title() for part in self.name.split("-")) + "MSP"

    @model_validator(mode="after")
    def _consistent(self, info: ValidationInfo) -> Self:
        refuse(self._port_mistakes())
        if info.context != SETTLED:
            refuse(self._name_mistakes())
        return self

    def _port_mistakes(self) -> Iterator[tuple[str, Location]]:
        holders: dict[int, str] = {}
        for holder, port, location in self._ports():
            if port in holders:
                yield (
                    f"{holders[port]} and {holder} share port {port} of this host; give each its own",
                    location,
                )
            holders.setdefault(port, holder)

    def _name_mistakes(self) -> Iterator[tuple[str, Location]]:
        yield from user_mistakes(self.users, self.homes)
        for number, peer in enumerate(self.peers):
            if peer.host.startswith("["):
                yield (
                    f"Fabric's peers cannot tell each other an IPv6 address: give {peer.host} a name and write that",
                    ("peers", number, "host"),
                )
        if self.chaincode.market == FORWARD and self.chaincode.name != MARKET:
            yield (
                f"the forward market is the chaincode `{MARKET}`, not {self.chaincode.name}",
                ("chaincode", "market"),
            )
        for words in chaincode_name_mistakes(self.chaincode.name, len(self.peers)):
            yield words, ("chaincode", "name")
        if len(self.name) > LONGEST_ORGANIZATION:
            yield f"the name has {len(self.name)} characters; {LONGEST_ORGANIZATION} at most", ("name",)

    def _ports(self) -> Iterator[tuple[str, int, Location]]:
        for section, kind, nodes, fields in (
            ("orderers", "orderer", self.orderers, ("port", "admin_port", "operations_port")),
            ("peers", "peer", self.peers, ("port", "operations_port")),
        ):
            for number, node in enumerate(nodes):
                for field in fields:
                    moved = field == "port" and node.listen_port is not None
                    settled = "listen_port" if moved else field
                    yield f"{kind}{number}", getattr(node, settled), (section, number, settled)
        yield self.chaincode.name, self.chaincode.port, ("chaincode", "port")


def load_description(path: Path) -> OrganizationDescription:
    """The organisation in a YAML file. Raises TopologyError with file, line and what would be right."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise TopologyError(f"{path}: {reason}") from error
    expected = "an organisation is a mapping with name, orderers, peers, users"
    return parse_model(
        OrganizationDescription, text, str(path), expected, path.absolute().parent, TopologyError
    )


def read_settled_description(path: Path) -> OrganizationDescription:
    """The organisation that a host was made for, from its own folder. Raises FileNotFoundError, TopologyError."""
    try:
        return OrganizationDescription.model_validate_json(path.read_bytes(), context=SETTLED)
    except ValidationError as error:
        reason = words_of(error.errors()[0])
        raise TopologyError(f"{path} cannot be read; put it back from a backup ({reason})") from error
