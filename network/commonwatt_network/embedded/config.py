# SPDX-License-Identifier: Apache-2.0
"""What one embedded process runs: orderers and peers, each with its addresses, identity folder and data folder.

The file holds no channel and no chaincode: orderers learn channels through channel participation, peers through
`cscc JoinChain`, and chaincode arrives through `_lifecycle`, exactly as on real nodes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

Address = Annotated[str, Field(pattern=r"^[^:\s]+:\d{1,5}$", description="host:port")]


class ConfigurationError(Exception):
    """The configuration file cannot be used; the message names the field and what is wrong with it."""


class NodeConfig(BaseModel):
    """One orderer or peer.

    `msp_directory` is the node's own MSP folder (`cacerts`, `signcerts`, `keystore`, `config.yaml`);
    `tls_directory` holds `server.crt`, `server.key` and `ca.crt`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    mspid: str
    address: Address
    msp_directory: Path
    tls_directory: Path
    data_directory: Path
    admin_address: Address | None = Field(
        default=None, description="orderers: channel participation REST, mutual TLS"
    )
    admin_client_ca_certs: tuple[Path, ...] = Field(
        default=(),
        description="CAs of the certificates that may use the REST interface; none: tls_directory/ca.crt",
    )
    operations_address: Address | None = Field(
        default=None, description="/healthz and /metrics over plain HTTP"
    )


class PeerConfig(NodeConfig):
    """A peer, with the limits that a real peer's core.yaml sets."""

    client_authentication: bool = Field(
        default=False, description="demand a TLS client certificate of a member of the peer's channels"
    )
    gateway_concurrency_limit: int = Field(default=500, ge=0, description="calls at once; 0 is unlimited")
    chaincode_execute_timeout_s: float = Field(default=30.0, gt=0)
    endorsement_timeout_s: float = Field(default=30.0, gt=0)
    rich_queries: bool = Field(default=True, description="false: refused, as by a peer with LevelDB")
    commit_jitter_ms: int = Field(default=0, ge=0, description="commit each block up to so much later")
    commit_jitter_seed: str = Field(default="", description="equal seeds, equal delays")
    second_servers: Path | None = Field(
        default=None,
        description="determinism guard: folder with, for each package that has a second server, a file of the "
        "package id's name that holds its host:port",
    )


class EmbeddedConfig(BaseModel):
    """The whole process. `ready_file` is written (JSON with the process id) once every node listens."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    orderers: tuple[NodeConfig, ...] = ()
    peers: tuple[PeerConfig, ...] = ()
    ready_file: Path | None = None
    cut_when_idle: bool = Field(
        default=True,
        description="cut a block as soon as every peer waits for one; false: only by count, bytes and timeout",
    )


def read_config(path: Path) -> EmbeddedConfig:
    """The configuration in `path`. Raises ConfigurationError with one line per mistake."""
    try:
        return EmbeddedConfig.model_validate_json(path.read_bytes())
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror}") from error
    except ValidationError as error:
        mistakes = (f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise ConfigurationError("\n".join(f"{path}: {mistake}" for mistake in mistakes)) from error
