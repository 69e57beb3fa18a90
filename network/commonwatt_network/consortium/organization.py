"""One organisation as it describes itself: its nodes with the names that others dial, its chaincode, its users."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from commonwatt_network.nodes import EVERYWHERE
from commonwatt_network.topology import Chaincode, MspId, Name, User
from commonwatt_network.yaml_models import TopologyError, parse_model

HostName = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$",
        description="the DNS name or IPv4 address by which the other organisations reach the node",
    ),
]
Port = Annotated[int, Field(ge=1, le=65_535)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class OrdererSettings(_Model):
    """An ordering node. Others reach `port`; administration and operations answer on this host alone."""

    host: HostName
    port: Port = 7050
    admin_port: Port = 7053
    operations_port: Port = 9443


class PeerSettings(_Model):
    """A peer. Others reach `port`; operations answer on this host alone."""

    host: HostName
    port: Port = 7051
    operations_port: Port = 9444


class ChaincodeSettings(Chaincode):
    """The organisation's chaincode process, reached by its own peers alone."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: Name = "market"
    port: Port = 7052


class OrganizationDescription(_Model):
    """An organisation on its own host."""

    name: Name
    mspid: MspId | None = Field(default=None, description="default: the name in CamelCase with MSP after it")
    listen: HostName = Field(default=EVERYWHERE, description="the address that peers and orderers bind")
    orderers: list[OrdererSettings] = Field(default_factory=list, max_length=5)
    peers: list[PeerSettings] = Field(min_length=1, max_length=16)
    chaincode: ChaincodeSettings = ChaincodeSettings()
    users: dict[Name, User] = Field(default_factory=dict)
    homes: int = Field(default=0, ge=0, le=5000)
    days_valid: int = Field(default=3650, ge=1, le=36_500)

    @property
    def msp_id(self) -> str:
        return self.mspid or "".join(part.title() for part in self.name.split("-")) + "MSP"

    @model_validator(mode="after")
    def _no_port_twice(self) -> Self:
        ports = [(f"orderer{n}", port) for n, node in enumerate(self.orderers)
                 for port in (node.port, node.admin_port, node.operations_port)]  # fmt: skip
        ports += [(f"peer{n}", port) for n, node in enumerate(self.peers)
                  for port in (node.port, node.operations_port)]  # fmt: skip
        ports.append((self.chaincode.name, self.chaincode.port))
        for port, count in Counter(port for _, port in ports).items():
            if count > 1:
                holders = " and ".join(holder for holder, taken in ports if taken == port)
                raise ValueError(f"{holders} share port {port} of this host; give each its own")
        return self


def load_description(path: Path) -> OrganizationDescription:
    """The organisation in a YAML file. Raises TopologyError with file, line and what would be right."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise TopologyError(f"{path}: {reason}") from error
    expected = "an organisation is a mapping with name, orderers, peers, users"
    return parse_model(OrganizationDescription, text, str(path), expected)
