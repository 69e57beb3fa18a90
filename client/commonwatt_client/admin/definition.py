# SPDX-License-Identifier: Apache-2.0
"""Chaincode definitions: what organisations approve and a channel commits."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from fabric_protos.peer import collection_pb2, policy_pb2
from fabric_protos.peer.lifecycle import lifecycle_pb2

from commonwatt_client.errors import InvalidInputError, UnexpectedAnswerError
from commonwatt_client.ledger.policy import (
    SignaturePolicy,
    parse_signature_policy,
    read_signature_policy,
    signature_policy_envelope,
)
from commonwatt_client.ledger.wire import parse, serialize

CHANNEL_ENDORSEMENT_POLICY = "/Channel/Application/Endorsement"
_NAME = re.compile(r"[a-zA-Z0-9]+([-_][a-zA-Z0-9]+)*")
_VERSION = re.compile(r"[A-Za-z0-9_.+-]+")
_COLLECTION = re.compile(r"[A-Za-z0-9-]+([A-Za-z0-9_-]+)*")


@dataclass(frozen=True)
class CollectionConfig:
    """A private data collection, with the fields and defaults of Fabric's collection definition.

    member_policy: signature policy as text: whose peers hold the data, for example
        ``OR('NewtownMSP.member', 'GridMSP.member')``.
    required_peer_count, maximum_peer_count: to how many other peers the data goes before endorsement
    succeeds. blocks_to_live: blocks after which the data is purged; 0 keeps it for ever.
    endorsement_policy: for writes to this collection, instead of the chaincode's own; empty for none.

    ::

        readings = CollectionConfig("readings", "OR('NewtownMSP.member')", blocks_to_live=1000)
        definition = ChaincodeDefinition("meters", "1.0", collections=(readings,))
    """

    name: str
    member_policy: str
    required_peer_count: int = 0
    maximum_peer_count: int = 1
    blocks_to_live: int = 0
    member_only_read: bool = True
    member_only_write: bool = True
    endorsement_policy: str = ""

    def __post_init__(self) -> None:
        if not _COLLECTION.fullmatch(self.name):
            raise InvalidInputError(f"{self.name!r} is not a collection name")
        if not 0 <= self.required_peer_count <= self.maximum_peer_count < 2**31:
            raise InvalidInputError(
                f"collection {self.name}: required_peer_count {self.required_peer_count} is not from 0 to "
                f"maximum_peer_count {self.maximum_peer_count}"
            )
        if not 0 <= self.blocks_to_live < 2**64:
            raise InvalidInputError(f"collection {self.name}: {self.blocks_to_live} is no number of blocks")
        # One spelling each, so that equal definitions compare equal.
        object.__setattr__(self, "member_policy", str(parse_signature_policy(self.member_policy)))
        if self.endorsement_policy:
            object.__setattr__(self, "endorsement_policy", _one_spelling(self.endorsement_policy))


@dataclass(frozen=True)
class ChaincodeDefinition:
    """A chaincode's definition on a channel.

    sequence: 1 for the first definition of this name on the channel, one more for each change.
    endorsement_policy: a channel policy's path, or a signature policy as text.

    ::

        definition = ChaincodeDefinition("market", "1.0", endorsement_policy="OR('NewtownMSP.peer', 'GridMSP.peer')")
        print((await peer.check_commit_readiness("newtown", definition.next(version="99.0"))).missing)
    """

    name: str
    version: str
    sequence: int = 1
    endorsement_policy: str = CHANNEL_ENDORSEMENT_POLICY
    collections: tuple[CollectionConfig, ...] = ()
    init_required: bool = False
    endorsement_plugin: str = "escc"
    validation_plugin: str = "vscc"

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise InvalidInputError(
                f"{self.name!r} is not a chaincode name",
                advice="use letters and digits, with single - or _ between",
            )
        if not _VERSION.fullmatch(self.version):
            raise InvalidInputError(f"{self.version!r} is not a chaincode version")
        if not 1 <= self.sequence < 2**63:
            raise InvalidInputError(f"sequence {self.sequence} of {self.name}: sequences start at 1")
        object.__setattr__(self, "endorsement_policy", _one_spelling(self.endorsement_policy))
        names = [collection.name for collection in self.collections]
        if len(set(names)) < len(names):
            raise InvalidInputError(f"{self.name} has two collections of one name: {sorted(names)}")

    def next(self, **changes: Any) -> "ChaincodeDefinition":
        """The definition that follows this one: the next sequence, with the changes given."""
        return replace(self, sequence=self.sequence + 1, **changes)


@dataclass(frozen=True)
class CommittedDefinition:
    """A definition in force; `approvals` says by MSP id who approved it (empty in a list of all definitions).

    ::

        committed = await peer.query_committed_chaincode_definition("newtown", "market")
        print(committed.definition.version, committed.approvals)
    """

    definition: ChaincodeDefinition
    approvals: Mapping[str, bool] = field(default_factory=dict)


@dataclass(frozen=True)
class ApprovedDefinition:
    """The definition that an organisation approved; `package_id` is empty when its peers run no package of their own.

    ::

        approved = await peer.query_approved_chaincode_definition("newtown", "market")
        print(approved.definition.sequence, approved.package_id)
    """

    definition: ChaincodeDefinition
    package_id: str


@dataclass(frozen=True)
class CommitReadiness:
    """The organisations that have approved exactly the definition asked about.

    mismatches: by MSP id, the parameters that organisation approved otherwise (told by Fabric 3.1 and later).

    ::

        readiness = await peer.check_commit_readiness("newtown", ChaincodeDefinition("meters", "1.0"))
        print(readiness.missing)
    """

    approvals: Mapping[str, bool]
    mismatches: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def missing(self) -> tuple[str, ...]:
        """The organisations that have yet to approve."""
        return tuple(sorted(mspid for mspid, approved in self.approvals.items() if not approved))


@dataclass(frozen=True)
class InstalledChaincode:
    """A package installed on a peer; `references` are the (name, version) it serves, by channel.

    ::

        for installed in await peer.query_installed_chaincodes():
            print(installed.package_id, installed.references)
    """

    package_id: str
    label: str
    references: Mapping[str, tuple[tuple[str, str], ...]] = field(default_factory=dict)


def approve_arguments(definition: ChaincodeDefinition, package_id: str) -> bytes:
    """Argument of ``ApproveChaincodeDefinitionForMyOrg``."""
    source = lifecycle_pb2.ChaincodeSource()
    if package_id:
        source.local_package.package_id = package_id
    else:
        source.unavailable.SetInParent()
    return serialize(
        lifecycle_pb2.ApproveChaincodeDefinitionForMyOrgArgs(source=source, **_definition_fields(definition))
    )


def readiness_arguments(definition: ChaincodeDefinition) -> bytes:
    """Argument of ``CheckCommitReadiness``."""
    return serialize(lifecycle_pb2.CheckCommitReadinessArgs(**_definition_fields(definition)))


def commit_arguments(definition: ChaincodeDefinition) -> bytes:
    """Argument of ``CommitChaincodeDefinition``."""
    return serialize(lifecycle_pb2.CommitChaincodeDefinitionArgs(**_definition_fields(definition)))


def read_readiness(payload: bytes) -> CommitReadiness:
    """Result of ``CheckCommitReadiness``."""
    result = parse(lifecycle_pb2.CheckCommitReadinessResult, payload)
    return CommitReadiness(
        dict(result.approvals), {mspid: tuple(found.items) for mspid, found in result.mismatches.items()}
    )


def read_committed(name: str, payload: bytes) -> CommittedDefinition:
    """Result of ``QueryChaincodeDefinition``."""
    result = parse(lifecycle_pb2.QueryChaincodeDefinitionResult, payload)
    return CommittedDefinition(_definition(name, result), dict(result.approvals))


def read_all_committed(payload: bytes) -> tuple[CommittedDefinition, ...]:
    """Result of ``QueryChaincodeDefinitions``."""
    result = parse(lifecycle_pb2.QueryChaincodeDefinitionsResult, payload)
    return tuple(CommittedDefinition(_definition(each.name, each)) for each in result.chaincode_definitions)


def read_approved(name: str, payload: bytes) -> ApprovedDefinition:
    """Result of ``QueryApprovedChaincodeDefinition``."""
    result = parse(lifecycle_pb2.QueryApprovedChaincodeDefinitionResult, payload)
    return ApprovedDefinition(_definition(name, result), result.source.local_package.package_id)


def read_installed(payload: bytes) -> tuple[InstalledChaincode, ...]:
    """Result of ``QueryInstalledChaincodes``."""
    result = parse(lifecycle_pb2.QueryInstalledChaincodesResult, payload)
    return tuple(
        InstalledChaincode(
            installed.package_id,
            installed.label,
            {
                channel: tuple((chaincode.name, chaincode.version) for chaincode in references.chaincodes)
                for channel, references in installed.references.items()
            },
        )
        for installed in result.installed_chaincodes
    )


def _definition_fields(definition: ChaincodeDefinition) -> dict[str, Any]:
    package = collection_pb2.CollectionConfigPackage(config=map(_collection, definition.collections))
    return {
        "name": definition.name,
        "version": definition.version,
        "sequence": definition.sequence,
        "endorsement_plugin": definition.endorsement_plugin,
        "validation_plugin": definition.validation_plugin,
        "validation_parameter": serialize(_application_policy(definition.endorsement_policy)),
        "collections": package,
        "init_required": definition.init_required,
    }


def _definition(name: str, result: Any) -> ChaincodeDefinition:
    try:
        return ChaincodeDefinition(
            name=name,
            version=result.version,
            sequence=result.sequence,
            endorsement_policy=_policy_text(
                policy_pb2.ApplicationPolicy.FromString(result.validation_parameter)
            ),
            collections=tuple(_read_collection(config) for config in result.collections.config),
            init_required=result.init_required,
            endorsement_plugin=result.endorsement_plugin,
            validation_plugin=result.validation_plugin,
        )
    except Exception as error:
        raise UnexpectedAnswerError(
            f"the definition of {name!r} cannot be read", answer=str(error)
        ) from error


def _one_spelling(policy: str) -> str:
    return policy if policy.startswith("/") else str(parse_signature_policy(policy))


def _application_policy(text: str) -> Any:
    if text.startswith("/"):
        return policy_pb2.ApplicationPolicy(channel_config_policy_reference=text)
    return policy_pb2.ApplicationPolicy(
        signature_policy=signature_policy_envelope(parse_signature_policy(text))
    )


def _policy_text(policy: Any) -> str:
    if policy.WhichOneof("Type") == "channel_config_policy_reference":
        return str(policy.channel_config_policy_reference)
    return _signature_text(policy.signature_policy)


def _signature_text(envelope: Any) -> str:
    policy: SignaturePolicy = read_signature_policy(envelope)
    return str(policy)


def _collection(config: CollectionConfig) -> Any:
    static = collection_pb2.StaticCollectionConfig(
        name=config.name,
        required_peer_count=config.required_peer_count,
        maximum_peer_count=config.maximum_peer_count,
        block_to_live=config.blocks_to_live,
        member_only_read=config.member_only_read,
        member_only_write=config.member_only_write,
    )
    member_policy = signature_policy_envelope(parse_signature_policy(config.member_policy))
    static.member_orgs_policy.signature_policy.CopyFrom(member_policy)
    if config.endorsement_policy:
        static.endorsement_policy.CopyFrom(_application_policy(config.endorsement_policy))
    return collection_pb2.CollectionConfig(static_collection_config=static)


def _read_collection(config: Any) -> CollectionConfig:
    static = config.static_collection_config
    return CollectionConfig(
        name=static.name,
        member_policy=_signature_text(static.member_orgs_policy.signature_policy),
        required_peer_count=static.required_peer_count,
        maximum_peer_count=static.maximum_peer_count,
        blocks_to_live=static.block_to_live,
        member_only_read=static.member_only_read,
        member_only_write=static.member_only_write,
        endorsement_policy=_policy_text(static.endorsement_policy)
        if static.HasField("endorsement_policy")
        else "",
    )
