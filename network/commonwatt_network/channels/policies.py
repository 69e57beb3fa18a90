# SPDX-License-Identifier: Apache-2.0
"""Pieces of a channel's configuration: policies, values and groups, each changeable by the administrators above it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from fabric_protos.common import configtx_pb2, policies_pb2
from fabric_protos.msp import msp_principal_pb2

ADMINS = "Admins"


def implicit(rule: str, sub_policy: str) -> Any:
    """ANY, ALL or MAJORITY of the groups below satisfy their own `sub_policy` (ConfigPolicy)."""
    meta = policies_pb2.ImplicitMetaPolicy(
        sub_policy=sub_policy, rule=policies_pb2.ImplicitMetaPolicy.Rule.Value(rule)
    )
    return _policy(policies_pb2.Policy.IMPLICIT_META, meta)


def signed_by(count: int, principals: Sequence[Any]) -> Any:
    """Signatures of `count` of the principals (ConfigPolicy)."""
    rules = [policies_pb2.SignaturePolicy(signed_by=index) for index in range(len(principals))]
    envelope = policies_pb2.SignaturePolicyEnvelope(
        version=0,
        rule=policies_pb2.SignaturePolicy(n_out_of=policies_pb2.SignaturePolicy.NOutOf(n=count, rules=rules)),
        identities=principals,
    )
    return _policy(policies_pb2.Policy.SIGNATURE, envelope)


def signed_by_role(mspid: str, role: str) -> Any:
    """One signature of the organisation's MEMBER, ADMIN, PEER, ORDERER or CLIENT (ConfigPolicy)."""
    return signed_by(1, [role_principal(mspid, role)])


def role_principal(mspid: str, role: str) -> Any:
    """Who is MEMBER, ADMIN, PEER, ORDERER or CLIENT of an organisation (MSPPrincipal)."""
    wanted = msp_principal_pb2.MSPRole(
        msp_identifier=mspid, role=msp_principal_pb2.MSPRole.MSPRoleType.Value(role)
    )
    return msp_principal_pb2.MSPPrincipal(
        principal_classification=msp_principal_pb2.MSPPrincipal.ROLE, principal=wanted.SerializeToString()
    )


def unit_principal(mspid: str, unit: str, path: bytes) -> Any:
    """Who is of an organisational unit, certified along the path of authorities of this identifier (MSPPrincipal)."""
    wanted = msp_principal_pb2.OrganizationUnit(
        msp_identifier=mspid, organizational_unit_identifier=unit, certifiers_identifier=path
    )
    return msp_principal_pb2.MSPPrincipal(
        principal_classification=msp_principal_pb2.MSPPrincipal.ORGANIZATION_UNIT,
        principal=wanted.SerializeToString(),
    )


def organization(mspid: str, readers: Any = None) -> dict[str, Any]:
    """Any member writes, and reads where `readers` names nobody else; an administrator changes the entry."""
    return {
        "Readers": readers or signed_by_role(mspid, "MEMBER"),
        "Writers": signed_by_role(mspid, "MEMBER"),
        ADMINS: signed_by_role(mspid, "ADMIN"),
    }


def value(message: Any) -> Any:
    """A ConfigValue holding `message`."""
    return configtx_pb2.ConfigValue(value=message.SerializeToString(), mod_policy=ADMINS)


def group(
    policies: Mapping[str, Any], values: Mapping[str, Any], groups: Mapping[str, Any] | None = None
) -> Any:
    """A ConfigGroup."""
    result = configtx_pb2.ConfigGroup(mod_policy=ADMINS)
    for name, policy in policies.items():
        result.policies[name].CopyFrom(policy)
    for name, entry in values.items():
        result.values[name].CopyFrom(entry)
    for name, member in (groups or {}).items():
        result.groups[name].CopyFrom(member)
    return result


def _policy(kind: int, message: Any) -> Any:
    return configtx_pb2.ConfigPolicy(
        mod_policy=ADMINS, policy=policies_pb2.Policy(type=kind, value=message.SerializeToString())
    )


META: Mapping[str, Any] = MappingProxyType(
    {
        "Readers": implicit("ANY", "Readers"),
        "Writers": implicit("ANY", "Writers"),
        ADMINS: implicit("MAJORITY", ADMINS),
    }
)
