# SPDX-License-Identifier: Apache-2.0
"""Fabric's policies: who must have signed for something to hold.

A policy is evaluated over a set of signed data. Signatures that don't hold and identities that are unknown
are left out, and an identity counts once. Within a signature policy each identity is used up by the first
principal it satisfies: `AND('A.member','A.member')` needs two different members of A.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from fabric_protos.common import policies_pb2
from fabric_protos.peer import policy_pb2
from google.protobuf.message import DecodeError

from commonwatt_network.embedded.trust.msp import Identity, IdentityError, IdentityRegistry


class PolicyError(Exception):
    """A policy doesn't compile or isn't satisfied; the message is Fabric's."""


class SignedData(NamedTuple):
    """`signature` over `data` by the serialized identity `identity`."""

    data: bytes
    identity: bytes
    signature: bytes


class Policy(Protocol):
    def evaluate(self, signed: Sequence[SignedData]) -> None:
        """Raises PolicyError unless the signatures satisfy the policy."""

    def evaluate_identities(self, identities: Sequence[Identity]) -> None:
        """As evaluate, for identities whose signatures were checked before."""


def valid_identities(signed: Iterable[SignedData], registry: IdentityRegistry) -> list[Identity]:
    """The different identities among `signed` whose signatures hold, in order."""
    seen: set[tuple[str, bytes]] = set()
    identities = []
    for entry in signed:
        try:
            identity = registry.deserialize(entry.identity)
            key = (identity.mspid, identity.fingerprint)
            if key in seen:
                continue
            identity.verify(entry.data, entry.signature)
        except IdentityError:
            continue
        seen.add(key)
        identities.append(identity)
    return identities


Gate = Callable[[Sequence[Identity], list[bool]], bool]


@dataclass(frozen=True)
class SignaturePolicy:
    """A compiled `SignaturePolicyEnvelope`, kept as `envelope`."""

    envelope: Any
    registry: IdentityRegistry
    gate: Gate

    def evaluate(self, signed: Sequence[SignedData]) -> None:
        self.evaluate_identities(valid_identities(signed, self.registry))

    def evaluate_identities(self, identities: Sequence[Identity]) -> None:
        if not self.gate(identities, [False] * len(identities)):
            raise PolicyError("signature set did not satisfy policy")


@dataclass(frozen=True)
class ImplicitMetaPolicy:
    """Satisfied when `threshold` of the sub-groups' policies named `sub_policy_name` are."""

    sub_policies: tuple[Policy, ...]
    threshold: int
    sub_policy_name: str

    def evaluate(self, signed: Sequence[SignedData]) -> None:
        self._count(lambda policy: policy.evaluate(signed))

    def evaluate_identities(self, identities: Sequence[Identity]) -> None:
        self._count(lambda policy: policy.evaluate_identities(identities))

    def _count(self, check: Callable[[Policy], None]) -> None:
        satisfied = 0
        for policy in self.sub_policies:
            if satisfied == self.threshold:
                return
            try:
                check(policy)
            except PolicyError:
                continue
            satisfied += 1
        if satisfied != self.threshold:
            raise PolicyError(
                f"implicit policy evaluation failed - {satisfied} sub-policies were satisfied, but this "
                f"policy requires {self.threshold} of the '{self.sub_policy_name}' sub-policies "
                "to be satisfied"
            )


@dataclass(frozen=True)
class RejectPolicy:
    """Stands for a policy that isn't there."""

    name: str

    def evaluate(self, signed: Sequence[SignedData]) -> None:
        raise PolicyError(f"no such policy: '{self.name}'")

    def evaluate_identities(self, identities: Sequence[Identity]) -> None:
        raise PolicyError(f"no such policy: '{self.name}'")


def compile_signature_policy(envelope: Any, registry: IdentityRegistry) -> SignaturePolicy:
    """From a `SignaturePolicyEnvelope`. Raises PolicyError."""
    if envelope.version != 0:
        raise PolicyError(
            f"This evaluator only understands messages of version 0, but version was {envelope.version}"
        )
    return SignaturePolicy(envelope, registry, _compile(envelope.rule, envelope.identities))


def _compile(rule: Any, principals: Sequence[Any]) -> Gate:
    kind = rule.WhichOneof("Type")
    if kind == "signed_by":
        index = rule.signed_by
        if not 0 <= index < len(principals):
            raise PolicyError(
                f"identity index out of range, requested {index}, but identities length is {len(principals)}"
            )
        return _signed_by(principals[index])
    if kind == "n_out_of":
        gates = tuple(_compile(inner, principals) for inner in rule.n_out_of.rules)
        return _n_out_of(rule.n_out_of.n, gates)
    raise PolicyError("Unknown type: <nil>:<nil>")


def _signed_by(principal: Any) -> Gate:
    def gate(identities: Sequence[Identity], used: list[bool]) -> bool:
        for index, identity in enumerate(identities):
            if used[index]:
                continue
            try:
                identity.satisfies(principal)
            except IdentityError:
                continue
            used[index] = True
            return True
        return False

    return gate


def _n_out_of(threshold: int, gates: tuple[Gate, ...]) -> Gate:
    def gate(identities: Sequence[Identity], used: list[bool]) -> bool:
        satisfied = 0
        for inner in gates:
            attempt = used.copy()
            if inner(identities, attempt):
                satisfied += 1
                used[:] = attempt
        return satisfied >= threshold

    return gate


class PolicyManager:
    """The policies of one configuration group and of its sub-groups; the root's path is `Channel`."""

    def __init__(self, group: Any, registry: IdentityRegistry, path: str = "Channel") -> None:
        """Raises PolicyError if a policy doesn't compile."""
        self.path = path
        self.managers = {
            name: PolicyManager(sub_group, registry, f"{path}/{name}")
            for name, sub_group in sorted(group.groups.items())
        }
        self.policies: dict[str, Policy] = {}
        for name, config_policy in group.policies.items():
            if not config_policy.HasField("policy"):
                raise PolicyError(f"policy {name} at path {path} was nil")
            self.policies[name] = self._compile(name, config_policy.policy, registry)
        for group_name, manager in self.managers.items():
            for name, policy in manager.policies.items():
                self.policies[f"{group_name}/{name}"] = policy

    def _compile(self, name: str, policy: Any, registry: IdentityRegistry) -> Policy:
        try:
            if policy.type == policies_pb2.Policy.IMPLICIT_META:
                definition = policies_pb2.ImplicitMetaPolicy.FromString(policy.value)
                return _implicit_meta(definition, self.managers)
            if policy.type == policies_pb2.Policy.SIGNATURE:
                envelope = policies_pb2.SignaturePolicyEnvelope.FromString(policy.value)
                return compile_signature_policy(envelope, registry)
        except (DecodeError, PolicyError) as error:
            reason = str(error)
            if isinstance(error, DecodeError):
                message = (
                    "ImplicitMetaPolicy"
                    if policy.type == policies_pb2.Policy.IMPLICIT_META
                    else "SignaturePolicy"
                )
                reason = f"Error unmarshalling to {message}: proto: cannot parse invalid wire-format data"
            kind = "implicit policy" if policy.type == policies_pb2.Policy.IMPLICIT_META else "policy"
            raise PolicyError(f"{kind} {name} at path {self.path} did not compile: {reason}") from error
        raise PolicyError(f"policy {name} at path {self.path} has unknown policy type: {policy.type}")

    def __contains__(self, reference: str) -> bool:
        return not isinstance(self.get(reference), RejectPolicy)

    def get(self, reference: str) -> Policy:
        """The policy at an absolute (`/Channel/Application/Writers`) or relative path; else one that rejects."""
        relative = reference
        if reference.startswith("/"):
            prefix = f"/{self.path}/"
            if not reference.startswith(prefix):
                return RejectPolicy(reference)
            relative = reference[len(prefix) :]
        return self.policies.get(relative) or RejectPolicy(relative)

    def manager(self, path: Sequence[str]) -> PolicyManager | None:
        if not path:
            return self
        below = self.managers.get(path[0])
        return below.manager(path[1:]) if below else None


def _implicit_meta(definition: Any, managers: Mapping[str, PolicyManager]) -> ImplicitMetaPolicy:
    sub_policies = tuple(manager.get(definition.sub_policy) for manager in managers.values())
    rules = policies_pb2.ImplicitMetaPolicy
    threshold = {
        rules.ANY: 1,
        rules.ALL: len(sub_policies),
        rules.MAJORITY: len(sub_policies) // 2 + 1,
    }.get(definition.rule, 0)
    return ImplicitMetaPolicy(sub_policies, threshold if sub_policies else 0, definition.sub_policy)


def compile_application_policy(encoded: bytes, registry: IdentityRegistry, policies: PolicyManager) -> Policy:
    """The policy of a serialized `ApplicationPolicy` (chaincode or collection). Raises PolicyError.

    A channel configuration reference is resolved now: compile again after a configuration update.
    """
    try:
        policy = policy_pb2.ApplicationPolicy.FromString(encoded)
    except DecodeError as error:
        raise PolicyError(f"failed to unmarshal ApplicationPolicy bytes: {error}") from error
    kind = policy.WhichOneof("Type")
    if kind == "signature_policy":
        try:
            return compile_signature_policy(policy.signature_policy, registry)
        except PolicyError as error:
            raise PolicyError(f"could not create evaluator for signature policy: {error}") from error
    if kind == "channel_config_policy_reference":
        reference = policy.channel_config_policy_reference
        if reference not in policies:
            raise PolicyError(
                "could not create evaluator for channel reference policy: "
                f"failed to retrieve policy for reference {reference}"
            )
        return policies.get(reference)
    raise PolicyError("unsupported policy type <nil>")
