# SPDX-License-Identifier: Apache-2.0
"""The functions of the `_lifecycle` system chaincode: install, approve, check, commit, query.

Rules, defaults and texts are Fabric's (`core/chaincode/lifecycle`). Approvals live in each organisation's implicit
collection, so others see only their hashes; a commit compares those hashes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from fabric_protos.peer import policy_pb2
from fabric_protos.peer.lifecycle import chaincode_definition_pb2, db_pb2
from fabric_protos.peer.lifecycle import lifecycle_pb2 as messages
from google.protobuf.message import DecodeError

from commonwatt_network.embedded.lifecycle.collections import (
    CollectionError,
    check_collections,
    implicit_collection_name,
)
from commonwatt_network.embedded.lifecycle.invocation import (
    DEFAULT_POLICY_REFERENCE,
    NAMESPACE,
    Invocation,
    LifecycleError,
)
from commonwatt_network.embedded.lifecycle.package_store import PackageError
from commonwatt_network.embedded.lifecycle.packages import (
    get_package,
    install,
    query_all_installed,
    query_installed,
)
from commonwatt_network.embedded.lifecycle.records import (
    NAMESPACES,
    SOURCES,
    Definition,
    Parameters,
    RecordError,
    mismatches,
    package_record,
    read_definition,
    read_metadata,
    read_package_id,
    read_parameters,
    read_sequence,
    write_record,
)
from commonwatt_network.embedded.simulation import SimulationError

CHAINCODE_NAME = re.compile(r"[a-zA-Z0-9]+([-_][a-zA-Z0-9]+)*")
CHAINCODE_VERSION = re.compile(r"[A-Za-z0-9_.+-]+")
SYSTEM_CHAINCODES = frozenset({"cscc", "escc", "lscc", "qscc", "vscc"})
RANGE_END = "\x7f"


def dispatch(invocation: Invocation, function: str, encoded: bytes) -> bytes:
    """The serialized result of a function. Raises LifecycleError."""
    found = FUNCTIONS.get(function)
    prefix = f"failed to invoke backing implementation of '{function}'"
    if found is None:
        raise LifecycleError(f"{prefix}: receiver has no method")
    kind, implementation = found
    try:
        arguments = kind.FromString(encoded)
    except DecodeError as error:
        raise LifecycleError(f"{prefix}: could not decode input arg for dispatcher: {error}") from error
    try:
        result: bytes = implementation(invocation, arguments).SerializeToString()
    except LifecycleError as error:
        if error.status != 500:
            raise
        raise LifecycleError(f"{prefix}: {error}") from error
    except (PackageError, CollectionError, RecordError, SimulationError) as error:
        raise LifecycleError(f"{prefix}: {error}") from error
    return result


def _definition(invocation: Invocation, arguments: Any) -> Definition:
    """What the arguments define, with the channel's defaults for what they leave out."""
    policy = arguments.validation_parameter
    if not policy:
        if DEFAULT_POLICY_REFERENCE not in invocation.channel.policies:
            raise LifecycleError(
                f"could not set defaults for chaincode definition in channel {invocation.channel_id}: policy "
                f"'{DEFAULT_POLICY_REFERENCE}' must be defined for channel '{invocation.channel_id}' before "
                "chaincode operations can be attempted"
            )
        policy = policy_pb2.ApplicationPolicy(
            channel_config_policy_reference=DEFAULT_POLICY_REFERENCE
        ).SerializeToString()
    endorsement = chaincode_definition_pb2.ChaincodeEndorsementInfo(
        version=arguments.version,
        init_required=arguments.init_required,
        endorsement_plugin=arguments.endorsement_plugin or "escc",
    )
    validation = chaincode_definition_pb2.ChaincodeValidationInfo(
        validation_plugin=arguments.validation_plugin or "vscc", validation_parameter=policy
    )
    parameters = Parameters(
        endorsement.SerializeToString(),
        validation.SerializeToString(),
        arguments.collections.SerializeToString(),
    )
    return Definition(arguments.sequence, parameters)


def _check_input(invocation: Invocation, arguments: Any) -> None:
    name, version = arguments.name, arguments.version
    prefix = "error validating chaincode definition"
    if not CHAINCODE_NAME.fullmatch(name):
        raise LifecycleError(
            f"{prefix}: invalid chaincode name '{name}'. Names can only consist of alphanumerics, '_', and '-' and "
            "can only begin with alphanumerics"
        )
    if name in SYSTEM_CHAINCODES:
        raise LifecycleError(f"{prefix}: chaincode name '{name}' is the name of a system chaincode")
    if not CHAINCODE_VERSION.fullmatch(version):
        raise LifecycleError(
            f"{prefix}: invalid chaincode version '{version}'. Versions can only consist of alphanumerics, '_', "
            "'-', '+', and '.'"
        )
    committed = read_definition(name, invocation.read)
    if committed is None:
        invocation.state.get_state("lscc", name)  # a real peer looks for a legacy definition here
    try:
        check_collections(arguments.collections, invocation.channel, committed)
    except CollectionError as error:
        raise LifecycleError(f"{prefix}: {error}") from error


def _approve(invocation: Invocation, arguments: Any) -> Any:
    _check_input(invocation, arguments)
    name, sequence = arguments.name, arguments.sequence
    package_id = arguments.source.local_package.package_id
    current = read_sequence(name, invocation.read)
    if current == sequence == 0:
        raise LifecycleError("requested sequence is 0, but first definable sequence number is 1")
    if sequence < current:
        raise LifecycleError(
            f"currently defined sequence {current} is larger than requested sequence {sequence}"
        )
    if sequence > current + 1:
        raise LifecycleError(
            f"requested sequence {sequence} is larger than the next available sequence number {current + 1}"
        )
    definition = _definition(invocation, arguments)
    private_name = f"{name}#{sequence}"
    if sequence == current:
        committed = read_definition(name, invocation.read)
        if committed is None:
            raise LifecycleError(f"missing metadata for currently committed sequence number ({current})")
        _demand_equal_parameters(name, committed, definition)
        if _repeats_approval(invocation, private_name, package_id, definition):
            raise LifecycleError(
                f"attempted to redefine the current committed sequence ({current}) for namespace {name}"
            )
    elif _repeats_approval(invocation, private_name, package_id, definition):
        raise LifecycleError(
            f"attempted to redefine uncommitted sequence ({sequence}) for namespace {name} with unchanged content"
        )
    record = definition.parameters.record()
    write_record(NAMESPACES, private_name, record, invocation.read_own, invocation.write_own)
    source = package_record(package_id)
    write_record(SOURCES, private_name, source, invocation.read_own, invocation.write_own)
    return messages.ApproveChaincodeDefinitionForMyOrgResult()


def _demand_equal_parameters(name: str, committed: Definition, proposed: Definition) -> None:
    ours, theirs = committed.parameters, proposed.parameters
    checks = (
        ("Version", ours.version, theirs.version),
        ("EndorsementPlugin", ours.endorsement.endorsement_plugin, theirs.endorsement.endorsement_plugin),
        ("InitRequired", ours.endorsement.init_required, theirs.endorsement.init_required),
        ("ValidationPlugin", ours.validation.validation_plugin, theirs.validation.validation_plugin),
    )
    problem = next(
        (
            f"expected {field} '{_go_text(expected)}' does not match passed {field} '{_go_text(passed)}'"
            for field, expected, passed in checks
            if expected != passed
        ),
        None,
    )
    if problem is None and ours.validation.validation_parameter != theirs.validation.validation_parameter:
        problem = (
            f"expected ValidationParameter '{ours.validation.validation_parameter.hex()}' does not match passed "
            f"ValidationParameter '{theirs.validation.validation_parameter.hex()}'"
        )
    if problem is None and ours.collection_package != theirs.collection_package:
        problem = "Collections do not match"
    if problem is not None:
        raise LifecycleError(
            f"attempted to redefine the current committed sequence ({committed.sequence}) for namespace {name} with "
            f"different parameters: {problem}"
        )


def _go_text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _repeats_approval(
    invocation: Invocation, private_name: str, package_id: str, definition: Definition
) -> bool:
    if read_metadata(NAMESPACES, private_name, invocation.read_own) is None:
        return False
    if read_parameters(private_name, invocation.read_own) != definition.parameters:
        return False
    return read_package_id(private_name, invocation.read_own) == package_id


def _query_approved(invocation: Invocation, arguments: Any) -> Any:
    name, sequence = arguments.name, arguments.sequence
    if sequence == 0:
        sequence = read_sequence(name, invocation.read)
        if read_metadata(NAMESPACES, f"{name}#{sequence + 1}", invocation.read_own) is not None:
            sequence += 1
    private_name = f"{name}#{sequence}"
    if read_metadata(NAMESPACES, private_name, invocation.read_own) is None:
        raise LifecycleError(
            f"could not fetch approved chaincode definition (name: '{name}', sequence: '{sequence}') on channel "
            f"'{invocation.channel_id}'"
        )
    result = messages.QueryApprovedChaincodeDefinitionResult()
    _describe_approval(invocation, private_name, sequence, result)
    return result


def _describe_approval(invocation: Invocation, private_name: str, sequence: int, result: Any) -> None:
    package_id = read_package_id(private_name, invocation.read_own)
    if package_id is None:
        raise LifecycleError(f"could not fetch chaincode-source metadata for {private_name}")
    _describe(Definition(sequence, read_parameters(private_name, invocation.read_own)), result)
    if package_id:
        result.source.local_package.package_id = package_id
    else:
        result.source.unavailable.SetInParent()


def _query_all_approved(invocation: Invocation, _: Any) -> Any:
    prefix = f"{NAMESPACES}/metadata/"
    collection = implicit_collection_name(invocation.mspid)
    entries = invocation.state.private_range(NAMESPACE, collection, prefix, prefix + RANGE_END)
    result = messages.QueryApprovedChaincodeDefinitionsResult()
    for key, _ in entries:
        private_name = key.removeprefix(prefix)
        name, _, sequence = private_name.partition("#")
        approved = result.approved_chaincode_definitions.add(name=name)
        _describe_approval(invocation, private_name, int(sequence), approved)
    return result


def _describe(definition: Definition, result: Any) -> None:
    """Fill the fields that every result about a definition shares."""
    endorsement, validation = definition.parameters.endorsement, definition.parameters.validation
    result.sequence = definition.sequence
    result.version = endorsement.version
    result.endorsement_plugin = endorsement.endorsement_plugin
    result.init_required = endorsement.init_required
    result.validation_plugin = validation.validation_plugin
    result.validation_parameter = validation.validation_parameter
    result.collections.CopyFrom(definition.parameters.collection_package)


def _approvals(
    invocation: Invocation, name: str, definition: Definition
) -> tuple[dict[str, bool], dict[str, list[str]]]:
    """Which organisations have approved exactly this definition, and where the others' approvals differ."""
    approvals, differing = {}, {}
    for organization in invocation.channel.application_organizations.values():
        fields = mismatches(
            NAMESPACES,
            f"{name}#{definition.sequence}",
            definition.parameters.record(),
            invocation.read_hash(organization.mspid),
        )
        approvals[organization.mspid] = not fields
        if fields:
            differing[organization.mspid] = fields
    return approvals, differing


def _readiness(
    invocation: Invocation, arguments: Any
) -> tuple[Definition, dict[str, bool], dict[str, list[str]]]:
    expected = read_sequence(arguments.name, invocation.read) + 1
    if arguments.sequence != expected:
        raise LifecycleError(
            f"requested sequence is {arguments.sequence}, but new definition must be sequence {expected}"
        )
    definition = _definition(invocation, arguments)
    return (definition, *_approvals(invocation, arguments.name, definition))


def _check_commit_readiness(invocation: Invocation, arguments: Any) -> Any:
    _, approvals, differing = _readiness(invocation, arguments)
    result = messages.CheckCommitReadinessResult(approvals=approvals)
    for mspid, fields in differing.items():
        result.mismatches[mspid].items.extend(fields)
    return result


def _commit(invocation: Invocation, arguments: Any) -> Any:
    _check_input(invocation, arguments)
    organizations = invocation.channel.application_organizations.values()
    if invocation.mspid not in {organization.mspid for organization in organizations}:
        raise LifecycleError(
            "impossibly, this peer's org is processing requests for a channel it is not a member of"
        )
    definition, approvals, _ = _readiness(invocation, arguments)
    write_record(NAMESPACES, arguments.name, definition.record(), invocation.read, invocation.write)
    if not approvals[invocation.mspid]:
        raise LifecycleError(f"chaincode definition not agreed to by this org ({invocation.mspid})")
    return messages.CommitChaincodeDefinitionResult()


def _query_definition(invocation: Invocation, arguments: Any) -> Any:
    definition = read_definition(arguments.name, invocation.read)
    if definition is None:
        raise LifecycleError(f"namespace {arguments.name} is not defined", status=404)
    approvals, _ = _approvals(invocation, arguments.name, definition)
    result = messages.QueryChaincodeDefinitionResult(approvals=approvals)
    _describe(definition, result)
    return result


def _query_definitions(invocation: Invocation, _: Any) -> Any:
    prefix = f"{NAMESPACES}/metadata/"
    result = messages.QueryChaincodeDefinitionsResult()
    for key, encoded in list(invocation.state.range(NAMESPACE, prefix, prefix + RANGE_END)):
        if db_pb2.StateMetadata.FromString(encoded).datatype == "ChaincodeDefinition":
            name = key.removeprefix(prefix)
            definition = read_definition(name, invocation.read)
            if definition is not None:
                _describe(definition, result.chaincode_definitions.add(name=name))
    return result


FUNCTIONS: Mapping[str, tuple[Any, Callable[[Invocation, Any], Any]]] = {
    "InstallChaincode": (messages.InstallChaincodeArgs, install),
    "QueryInstalledChaincode": (messages.QueryInstalledChaincodeArgs, query_installed),
    "QueryInstalledChaincodes": (messages.QueryInstalledChaincodesArgs, query_all_installed),
    "GetInstalledChaincodePackage": (messages.GetInstalledChaincodePackageArgs, get_package),
    "ApproveChaincodeDefinitionForMyOrg": (messages.ApproveChaincodeDefinitionForMyOrgArgs, _approve),
    "QueryApprovedChaincodeDefinition": (messages.QueryApprovedChaincodeDefinitionArgs, _query_approved),
    "QueryApprovedChaincodeDefinitions": (
        messages.QueryApprovedChaincodeDefinitionsArgs,
        _query_all_approved,
    ),
    "CheckCommitReadiness": (messages.CheckCommitReadinessArgs, _check_commit_readiness),
    "CommitChaincodeDefinition": (messages.CommitChaincodeDefinitionArgs, _commit),
    "QueryChaincodeDefinition": (messages.QueryChaincodeDefinitionArgs, _query_definition),
    "QueryChaincodeDefinitions": (messages.QueryChaincodeDefinitionsArgs, _query_definitions),
}
