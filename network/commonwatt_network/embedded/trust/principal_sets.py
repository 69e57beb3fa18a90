# SPDX-License-Identifier: Apache-2.0
"""Which combinations of principals satisfy a policy: what discovery computes its layouts from.

A principal set is a combination, with repetitions, of which each principal must be met by a different identity.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, islice, product
from typing import Any, NamedTuple

from fabric_protos.common import policies_pb2
from fabric_protos.msp import identities_pb2, msp_principal_pb2
from google.protobuf.message import DecodeError

from commonwatt_network.embedded.trust.msp import MEMBER
from commonwatt_network.embedded.trust.policies import (
    ImplicitMetaPolicy,
    Policy,
    PolicyError,
    SignaturePolicy,
)

MAXIMUM_COMBINATIONS = 10_000
MOST_WORK = 10_000_000


class Principal(NamedTuple):
    """An MSPPrincipal that can be compared."""

    classification: int
    content: bytes

    def message(self) -> Any:
        return msp_principal_pb2.MSPPrincipal(
            principal_classification=self.classification, principal=self.content
        )


PrincipalSet = tuple[Principal, ...]


def signature_policy_of(policy: Policy) -> Any:
    """The `SignaturePolicyEnvelope` that a policy amounts to. Raises PolicyError."""
    if isinstance(policy, SignaturePolicy):
        return policy.envelope
    if not isinstance(policy, ImplicitMetaPolicy):
        raise PolicyError("policy is not convertible to SignaturePolicyEnvelope")
    converted = policies_pb2.SignaturePolicyEnvelope()
    converted.rule.n_out_of.n = policy.threshold
    for sub_policy in policy.sub_policies:
        envelope = signature_policy_of(sub_policy)
        base = len(converted.identities)
        converted.identities.extend(envelope.identities)
        converted.rule.n_out_of.rules.append(_shifted(envelope.rule, base))
    return converted


def _shifted(rule: Any, base: int) -> Any:
    if rule.WhichOneof("Type") == "signed_by":
        return policies_pb2.SignaturePolicy(signed_by=rule.signed_by + base)
    shifted = policies_pb2.SignaturePolicy()
    shifted.n_out_of.n = rule.n_out_of.n
    shifted.n_out_of.rules.extend(_shifted(inner, base) for inner in rule.n_out_of.rules)
    return shifted


def satisfying_sets(envelope: Any) -> list[PrincipalSet]:
    """Every minimal combination of principals for a SignaturePolicyEnvelope that compiles, at most 10,000."""
    principals = [
        Principal(principal.principal_classification, principal.principal)
        for principal in envelope.identities
    ]

    def combine(rule: Any) -> list[PrincipalSet]:
        if rule.WhichOneof("Type") == "signed_by":
            return [(principals[rule.signed_by],)]
        inner = [combine(child) for child in rule.n_out_of.rules]
        found = (
            tuple(principal for part in parts for principal in part)
            for chosen in combinations(inner, max(0, rule.n_out_of.n))
            for parts in product(*chosen)
        )
        return list(islice(found, MAXIMUM_COMBINATIONS))

    return combine(envelope.rule)


class _Work:
    """What one query may still cost: a unit is about a tenth of a microsecond."""

    def __init__(self) -> None:
        self._left = MOST_WORK

    def spend(self, units: int) -> None:
        """Raises PolicyError where nothing is left."""
        self._left -= units
        if self._left < 0:
            raise PolicyError("the policies have too many combinations of principals")


def merged_sets(alternatives: Sequence[Sequence[PrincipalSet]]) -> list[PrincipalSet]:
    """The combinations that satisfy all of several policies at once, without those that contain another.

    Raises PolicyError where that is too much work.
    """
    work = _Work()
    merged = list(alternatives[0])
    for others in alternatives[1:]:
        pairs = ((left, right) for left in merged for right in others)
        merged = list(islice((_union(left, right, work) for left, right in pairs), MAXIMUM_COMBINATIONS))
    return _reduced(merged, work)


def _union(left: PrincipalSet, right: PrincipalSet, work: _Work) -> PrincipalSet:
    work.spend(20 * len(left) * len(right))
    missing = _uncovered(left, right)
    other_way = _uncovered(right, left)
    return (*left, *other_way) if len(other_way) < len(missing) else (*right, *missing)


def _uncovered(wanted: PrincipalSet, available: PrincipalSet) -> PrincipalSet:
    remaining = list(available)
    missing = []
    for principal in wanted:
        cover = next((candidate for candidate in remaining if _is_a(candidate, principal)), None)
        if cover is None:
            missing.append(principal)
        else:
            remaining.remove(cover)
    return tuple(missing)


def _reduced(sets: list[PrincipalSet], work: _Work) -> list[PrincipalSet]:
    unique = list(dict.fromkeys(tuple(sorted(one)) for one in sets))
    mspids = {principal: _mspid(principal) for principal in {each for one in unique for each in one}}
    organizations = {one: frozenset(mspids[principal] for principal in one) for one in unique}
    shorter = {
        size: [other for other in unique if len(other) < size] for size in {len(one) for one in unique}
    }

    def contains_another(one: PrincipalSet) -> bool:
        own, others = organizations[one], shorter[len(one)]
        work.spend(len(others))
        for other in others:
            if organizations[other] <= own:
                work.spend(10 * len(other) * len(one))
                if not _uncovered(other, one):
                    return True
        return False

    return [one for one in unique if not contains_another(one)]


def _is_a(specific: Principal, general: Principal) -> bool:
    """Whether every identity that meets `specific` also meets `general`."""
    if specific == general:
        return True
    roles = msp_principal_pb2.MSPPrincipal.ROLE
    if general.classification != roles:
        return False
    try:
        role = msp_principal_pb2.MSPRole.FromString(general.content)
    except DecodeError:
        return False
    return bool(role.role == MEMBER and role.msp_identifier == _mspid(specific))


def _mspid(principal: Principal) -> str:
    """The organisation that a principal is of; none where it cannot be read."""
    kinds = msp_principal_pb2.MSPPrincipal
    try:
        if principal.classification == kinds.ROLE:
            return str(msp_principal_pb2.MSPRole.FromString(principal.content).msp_identifier)
        if principal.classification == kinds.ORGANIZATION_UNIT:
            return str(msp_principal_pb2.OrganizationUnit.FromString(principal.content).msp_identifier)
        if principal.classification == kinds.IDENTITY:
            return str(identities_pb2.SerializedIdentity.FromString(principal.content).mspid)
    except DecodeError:
        return ""
    return ""
