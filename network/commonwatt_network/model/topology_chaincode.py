# SPDX-License-Identifier: Apache-2.0
"""A chaincode in a topology: the program that serves it, and what the channel's definition of it says."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Self

from commonwatt_client.yaml_models import named, refuse
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, model_validator
from pydantic.functional_validators import AfterValidator

Version = Annotated[str, named(r"^[A-Za-z0-9_.+-]+$", "letters, digits and _ . + -")]
Address = Annotated[
    str,
    named(
        r"^(\[[0-9A-Fa-f:]+\]|[A-Za-z0-9._-]+):[0-9]{1,5}$", "host:port, such as chaincode.example.com:9999"
    ),
]
VariableName = Annotated[
    str, named(r"^[A-Za-z_][A-Za-z0-9_]*$", "a variable's name: letters, digits and _; no digit first")
]
CollectionName = Annotated[
    str, named(r"^[A-Za-z0-9-][A-Za-z0-9_-]*$", "letters, digits, _ and -; no _ first")
]

MARKET_MODULE = "commonwatt_chaincode"
# What the kit tells every chaincode server: its own variables, and those that official libraries read.
SETTLED_VARIABLES = re.compile(
    r"CHAINCODE_(SERVER_ADDRESS|ID|WORKERS|CLIENT_CA_CERT|CLIENT_CERTS|CLOCK_ERROR_S|TLS_.*)|CORE_CHAINCODE_ID_NAME"
    r"|CORE_PEER_.*|CORE_TLS_.*|COMMONWATT_(FOLDER|PROCESS|START)"
)
LARGEST_COLLECTIONS_FILE = 1 << 20
CHANNEL_POLICY = re.compile(
    r"/Channel/Application/([A-Za-z][A-Za-z0-9.-]*/)?(Readers|Writers|Admins|Endorsement|LifecycleEndorsement)"
)


def _words(command: object) -> object:
    """A command's words; a text is split as a shell does, without running one."""
    if not isinstance(command, str):
        return command
    try:
        return shlex.split(command)
    except ValueError as error:
        raise ValueError(f"{command!r} cannot be split into words: {str(error).lower()}") from error


def _readable_policy(text: str) -> str:
    """The policy as it stands. Raises ValueError for one that Fabric could not read."""
    if text.startswith("/"):
        if not CHANNEL_POLICY.fullmatch(text):
            raise ValueError(
                f"{text!r} is no policy of a channel; write for example /Channel/Application/Endorsement"
            )
        return text
    return _readable_signature_policy(text)


def _readable_signature_policy(text: str) -> str:
    from commonwatt_client.errors import InvalidInputError
    from commonwatt_client.ledger.policy import (
        parse_signature_policy,
    )  # loads Fabric's messages: only in need

    try:
        parse_signature_policy(text)
    except InvalidInputError as error:
        raise ValueError(str(error)) from error
    return text


Policy = Annotated[str, AfterValidator(_readable_policy)]
SignaturePolicyText = Annotated[str, AfterValidator(_readable_signature_policy)]


Command = Annotated[list[str], BeforeValidator(_words, json_schema_input_type=list[str] | str)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Collection(_Model):
    """A private data collection. Every field may also be written as in Fabric's JSON: `requiredPeerCount`, ...

    The defaults are those of Fabric's JSON too.
    """

    name: CollectionName
    policy: SignaturePolicyText = Field(description="whose peers hold the data: OR('NewtownMSP.member', ...)")
    required_peer_count: int = Field(
        default=0, ge=0, description="other peers that must have the data before endorsement succeeds"
    )
    max_peer_count: int = Field(default=1, ge=0, lt=2**31, description="other peers that are sent the data")
    block_to_live: int = Field(default=0, ge=0, lt=2**63, description="blocks until it is purged; 0 keeps it")
    member_only_read: bool = False
    member_only_write: bool = False
    endorsement_policy: Policy | None = Field(
        default=None, description="of writes to the collection; left out: the chaincode's own"
    )

    @model_validator(mode="before")
    @classmethod
    def _fabrics_names(cls, content: Any) -> Any:
        """Take the names of Fabric's JSON: `memberOnlyRead`, and an endorsement policy in a mapping of its own."""
        if not isinstance(content, dict):
            return content
        found: dict[Any, Any] = {}
        for key, value in content.items():
            ours = (
                re.sub(r"[A-Z]", lambda match: f"_{match[0].lower()}", key) if isinstance(key, str) else key
            )
            found[ours if ours in cls.model_fields and ours not in content else key] = value
        policy = found.get("endorsement_policy")
        if isinstance(policy, dict) and len(policy) == 1:
            [(kind, text)] = policy.items()
            if kind in ("signaturePolicy", "signature_policy"):
                found["endorsement_policy"] = text
            elif kind in ("channelConfigPolicy", "channel_config_policy") and isinstance(text, str):
                found["endorsement_policy"] = text if text.startswith("/") else f"/{text}"
        return found

    @model_validator(mode="after")
    def _counts(self) -> Self:
        if self.required_peer_count > self.max_peer_count:
            refuse(
                [
                    (
                        f"collection {self.name} requires {self.required_peer_count} other peers "
                        f"(required_peer_count) and sends to {self.max_peer_count} at most (max_peer_count)",
                        (),
                    )
                ]
            )
        return self


def _collections(content: object, info: ValidationInfo) -> object:
    """The collections of a file in Fabric's JSON (or YAML), where its name stands in their place."""
    if not isinstance(content, str):
        return content
    from commonwatt_client.bounded_yaml import UnreadableYamlError, read_yaml

    path = _place(info) / content
    try:
        with path.open(encoding="utf-8") as file:
            text = file.read(LARGEST_COLLECTIONS_FILE + 1)
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise ValueError(f"{path}: {reason}") from error
    if len(text) > LARGEST_COLLECTIONS_FILE:
        raise ValueError(f"{path} is larger than {LARGEST_COLLECTIONS_FILE} bytes")
    try:
        return read_yaml(text, unique_keys=True)[0]
    except UnreadableYamlError as error:
        raise ValueError(f"{path}:{error.line}: {error.problem}") from error


def _place(info: ValidationInfo) -> Path:
    """The folder of the file that is read; the current one where it is no file."""
    context = info.context
    return Path(context.get("folder", ".")) if isinstance(context, Mapping) else Path()


Collections = Annotated[
    list[Collection], BeforeValidator(_collections, json_schema_input_type=list[Collection] | str)
]


class ChaincodeProgram(_Model):
    """What serves a chaincode: one process per organisation (chaincode as a service)."""

    version: Version = "1.0"
    module: str | None = Field(
        default=MARKET_MODULE,
        description="Python, run as `python -m MODULE`; found also in the folder of this file",
    )
    command: Command | None = Field(
        default=None,
        min_length=1,
        description="any program, run in the folder of this file; {address}, {port} and {package_id} stand for "
        "where it listens and as what it registers",
    )
    environment: dict[VariableName, str] = Field(
        default_factory=dict, description="further variables of the program; {address} as in a command"
    )
    workers: int = Field(
        default=1, ge=1, le=64, description="processes behind one address (CHAINCODE_WORKERS)"
    )
    folder: Path | None = Field(
        default=None,
        description="where the program runs and its files are; left out: the folder of this file",
    )

    @model_validator(mode="before")
    @classmethod
    def _in_its_folder(cls, content: Any, info: ValidationInfo) -> Any:
        """Settle the folder; another program than a module takes the default module's place."""
        if not isinstance(content, dict):
            return content
        content = dict(content)
        if any(content.get(name) is not None for name in ("command", "address", "addresses")):
            content.setdefault("module", None)
        own = content.get("command") is not None or content.get("module", MARKET_MODULE) not in (
            None,
            MARKET_MODULE,
        )
        context = info.context if isinstance(info.context, Mapping) else {}
        named_folder = content.get("folder")
        if "folder" in context and (own or named_folder) and isinstance(named_folder, str | None):
            content["folder"] = str((_place(info) / (named_folder or ".")).resolve())
        return content

    @model_validator(mode="after")
    def _one_program(self) -> Self:
        refuse(
            (f"{name} is settled by the kit for every chaincode server; leave it out", ("environment", name))
            for name in self.environment
            if SETTLED_VARIABLES.fullmatch(name)
        )
        ways = [name for name in self._ways() if getattr(self, name)]
        if len(ways) != 1:
            found = " and ".join(ways) if ways else "none of them"
            refuse([(f"a chaincode has one of {', '.join(self._ways())}, not {found}", tuple(ways[1:2]))])
        return self

    @classmethod
    def _ways(cls) -> tuple[str, ...]:
        return tuple(
            name for name in ("module", "command", "address", "addresses") if name in cls.model_fields
        )


class Chaincode(ChaincodeProgram):
    """A chaincode: the program of each organisation, or a server that runs elsewhere, and its definition.

    A part of the definition that is left out stays as it is on the channel.
    """

    address: Address | None = Field(
        default=None, description="a server that runs elsewhere, for all organisations"
    )
    addresses: dict[str, Address] | None = Field(
        default=None, description="organisation -> its own server that runs elsewhere"
    )
    tls_authority: Path | None = Field(
        default=None, description="PEM file of the CA of the server's certificate, where it runs elsewhere"
    )
    client_authentication: bool = Field(
        default=False,
        description="the server elsewhere demands a certificate: peers show organizations/ORG/chaincode/client",
    )
    endorsement_policy: Policy | None = Field(
        default=None,
        description="AND('NewtownMSP.peer', ...) or a channel policy's path; wins over the channel's endorsement",
    )
    collections: Collections | None = Field(
        default=None, description="private data: a list, or the name of a file of Fabric's JSON"
    )
    init_required: bool | None = Field(
        default=None, description="whether the first call of each version must be an Init"
    )

    @property
    def runs_elsewhere(self) -> bool:
        """Whether the kit starts no process for it."""
        return self.address is not None or self.addresses is not None

    def address_of(self, organization: str) -> str | None:
        """Where the organisation's server runs elsewhere."""
        return self.addresses.get(organization) if self.addresses is not None else self.address

    @model_validator(mode="before")
    @classmethod
    def _authority_beside(cls, content: Any, info: ValidationInfo) -> Any:
        """The authority's file is looked for in the topology's folder."""
        context = info.context if isinstance(info.context, Mapping) else {}
        if (
            isinstance(content, dict)
            and "folder" in context
            and isinstance(content.get("tls_authority"), str)
        ):
            authority = (_place(info) / content["tls_authority"]).resolve()
            return {**content, "tls_authority": str(authority)}
        return content

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.runs_elsewhere:
            if self.tls_authority is None:
                refuse(
                    [
                        (
                            "a server that runs elsewhere needs tls_authority: the PEM file of the CA that signed "
                            "its certificate",
                            (),
                        )
                    ]
                )
            if self.environment:
                refuse([("the kit starts no process for a server that runs elsewhere", ("environment",))])
        elif self.tls_authority is not None or self.client_authentication:
            field = "tls_authority" if self.tls_authority is not None else "client_authentication"
            refuse([(f"{field} is for a server that runs elsewhere (address)", (field,))])
        names = [collection.name for collection in self.collections or ()]
        refuse(
            (f"two collections have the name {name}", ("collections", number))
            for number, name in enumerate(names)
            if name in names[:number]
        )
        return self
