# SPDX-License-Identifier: Apache-2.0
"""Collection configurations: what may be defined, and each organisation's implicit collection."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from fabric_protos.common import policies_pb2
from fabric_protos.msp import msp_principal_pb2
from fabric_protos.peer import collection_pb2, policy_pb2
from google.protobuf.message import DecodeError

from commonwatt_network.embedded.channels.configuration import ChannelConfig
from commonwatt_network.embedded.lifecycle.records import Definition
from commonwatt_network.embedded.trust.msp import MEMBER, IdentityError, role_principal
from commonwatt_network.embedded.trust.policies import PolicyError, compile_signature_policy

IMPLICIT_PREFIX = "_implicit_org_"
COLLECTION_NAME = re.compile(r"[A-Za-z0-9-][A-Za-z0-9_-]*")


class CollectionError(Exception):
    """A collection configuration is refused; the message is Fabric's."""


def implicit_collection_name(mspid: str) -> str:
    return IMPLICIT_PREFIX + mspid


def implicit_collection_mspid(name: str) -> str | None:
    """The organisation of an implicit collection; None for any other."""
    return name.removeprefix(IMPLICIT_PREFIX) if name.startswith(IMPLICIT_PREFIX) else None


def _any_member_of(mspid: str) -> Any:
    policy = policies_pb2.SignaturePolicyEnvelope(version=0, identities=[role_principal(mspid, MEMBER)])
    policy.rule.n_out_of.n = 1
    policy.rule.n_out_of.rules.add(signed_by=0)
    return policy


def implicit_collection(mspid: str) -> Any:
    """The StaticCollectionConfig of an organisation's implicit collection."""
    config = collection_pb2.StaticCollectionConfig(name=implicit_collection_name(mspid))
    config.member_orgs_policy.signature_policy.CopyFrom(_any_member_of(mspid))
    return config


def implicit_endorsement_policy(mspid: str, config: ChannelConfig) -> bytes:
    """The serialized ApplicationPolicy for writes to an implicit collection. Raises CollectionError."""
    for name, organization in config.application_organizations.items():
        if organization.mspid == mspid:
            reference = f"/Channel/Application/{name}/Endorsement"
            if reference in config.policies:
                policy = policy_pb2.ApplicationPolicy(channel_config_policy_reference=reference)
            else:
                policy = policy_pb2.ApplicationPolicy(signature_policy=_any_member_of(mspid))
            encoded: bytes = policy.SerializeToString()
            return encoded
    raise CollectionError(f"no org found in channel with MSPID '{mspid}'")


def members_of(collection: Any, config: ChannelConfig) -> Any:
    """The compiled member policy of a StaticCollectionConfig: who is meant to hold its data."""
    return compile_signature_policy(collection.member_orgs_policy.signature_policy, config.registry)


def check_collections(package: Any, config: ChannelConfig, committed: Definition | None) -> None:
    """Raises CollectionError for a CollectionConfigPackage that Fabric would refuse at approval or commit."""
    collections = []
    for entry in package.config:
        if entry.WhichOneof("payload") != "static_collection_config":
            raise CollectionError("collection config contains unexpected payload type: <nil>")
        collections.append(entry.static_collection_config)
    seen: set[str] = set()
    for collection in collections:
        _check_collection(collection, seen, config)
        seen.add(collection.name)
    if committed is not None:
        _check_against_committed(collections, committed)


def _check_collection(collection: Any, seen: set[str], config: ChannelConfig) -> None:
    name, most, least = collection.name, collection.maximum_peer_count, collection.required_peer_count
    if not COLLECTION_NAME.fullmatch(name):
        raise CollectionError(
            f"invalid collection name '{name}'. Names can only consist of alphanumerics, '_', and '-' and cannot "
            "begin with '_'"
        )
    if name in seen:
        raise CollectionError(f"collection-name: {name} -- found duplicate in collection configuration")
    if most < least:
        raise CollectionError(
            f"collection-name: {name} -- maximum peer count ({most}) cannot be less than the required peer "
            f"count ({least})"
        )
    if least < 0:
        raise CollectionError(
            f"collection-name: {name} -- requiredPeerCount ({least}) cannot be less than zero"
        )
    if not collection.HasField("member_orgs_policy"):
        raise CollectionError(f"collection member policy is not set for collection '{name}'")
    if not collection.member_orgs_policy.HasField("signature_policy"):
        raise CollectionError(f"collection member org policy is empty for collection '{name}'")
    policy = collection.member_orgs_policy.signature_policy
    try:
        compile_signature_policy(policy, config.registry)
    except PolicyError as error:
        raise CollectionError(f"invalid member org policy for collection '{name}': {error}") from error
    _check_or_concatenation(name, policy.rule)
    for principal in policy.identities:
        _check_principal(name, principal, config)


def _check_or_concatenation(name: str, rule: Any) -> None:
    if rule.WhichOneof("Type") != "n_out_of":
        return
    if rule.n_out_of.n != 1:
        raise CollectionError(
            f"collection-name: {name} -- error in member org policy: signature policy is not an OR concatenation, "
            f"NOutOf {rule.n_out_of.n}"
        )
    for inner in rule.n_out_of.rules:
        _check_or_concatenation(name, inner)


def _check_principal(name: str, principal: Any, config: ChannelConfig) -> None:
    kinds = msp_principal_pb2.MSPPrincipal
    kind = principal.principal_classification
    try:
        if kind == kinds.ROLE:
            mspid = msp_principal_pb2.MSPRole.FromString(principal.principal).msp_identifier
        elif kind == kinds.ORGANIZATION_UNIT:
            mspid = msp_principal_pb2.OrganizationUnit.FromString(principal.principal).msp_identifier
        elif kind == kinds.IDENTITY:
            config.registry.deserialize(principal.principal)
            return
        else:
            raise CollectionError(f"collection-name: {name} -- principal type {kind} is not supported")
    except DecodeError as error:
        raise CollectionError(
            f"collection-name: {name} -- cannot unmarshal identity bytes: {error}"
        ) from error
    except IdentityError:
        raise CollectionError(
            f"collection-name: {name} -- contains an identity that is not part of the channel"
        ) from None
    if mspid not in config.registry.msps:
        raise CollectionError(
            f"collection-name: {name} -- collection member '{mspid}' is not part of the channel"
        )


def _check_against_committed(proposed: Sequence[Any], committed: Definition) -> None:
    existing = [entry.static_collection_config for entry in committed.parameters.collection_package.config]
    if not existing:
        return
    if not proposed:
        raise CollectionError(
            "the proposed collection config does not contain previously defined collections"
        )
    by_name = {collection.name: collection for collection in proposed}
    for collection in existing:
        if collection.name not in by_name:
            raise CollectionError(
                f"existing collection [{collection.name}] missing in the proposed collection configuration"
            )
        if by_name[collection.name].block_to_live != collection.block_to_live:
            raise CollectionError(
                f"the BlockToLive in an existing collection [{collection.name}] modified. Existing value "
                f"[{collection.block_to_live}]"
            )
