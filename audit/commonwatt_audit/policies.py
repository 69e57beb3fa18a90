# SPDX-License-Identifier: Apache-2.0
"""Fabric's policies over the members who signed: of the channel's configuration, of chaincodes, of single keys."""

from collections.abc import Sequence
from typing import Any

from commonwatt_client.ledger import ChannelConfig
from fabric_protos.common import policies_pb2
from fabric_protos.msp import msp_principal_pb2
from fabric_protos.peer import policy_pb2
from google.protobuf.message import DecodeError

from commonwatt_audit.members import MEMBER, Member, Members

LIFECYCLE_POLICY = "/Channel/Application/LifecycleEndorsement"


class Policies:
    """The policies in force under one configuration."""

    def __init__(self, config: ChannelConfig) -> None:
        self.members = Members(config)
        self._config = config
        self._verdicts: dict[tuple[bytes, tuple[bytes, ...]], bool] = {}

    def satisfied(self, application_policy: bytes, signers: tuple[bytes, ...]) -> bool:
        """Whether the serialized identities `signers`, whose signatures hold, satisfy an ``ApplicationPolicy``."""
        key = (application_policy, signers)
        if key not in self._verdicts:
            self._verdicts[key] = self._application(application_policy, self._distinct(signers))
        return self._verdicts[key]

    def satisfied_at(self, path: str, signers: tuple[bytes, ...]) -> bool:
        """The same for a policy of the configuration, such as ``/Channel/Orderer/BlockValidation``."""
        reference = policy_pb2.ApplicationPolicy(channel_config_policy_reference=path)
        return self.satisfied(reference.SerializeToString(), signers)

    def lifecycle(self) -> bytes:
        """The ``ApplicationPolicy`` for chaincode definitions; without one in the configuration, most organisations."""
        policy = policy_pb2.ApplicationPolicy(channel_config_policy_reference=LIFECYCLE_POLICY)
        if self._find(LIFECYCLE_POLICY) is None:
            mspids = sorted(one.mspid for one in self._config.application_organizations.values())
            policy = policy_pb2.ApplicationPolicy(signature_policy=_out_of(len(mspids) // 2 + 1, mspids))
        return bytes(policy.SerializeToString())

    def implicit_collection(self, mspid: str) -> bytes | None:
        """The ``ApplicationPolicy`` of an organisation's own collection; None if it is not of the channel."""
        for name, organization in self._config.application_organizations.items():
            if organization.mspid == mspid:
                path = f"/Channel/Application/{name}/Endorsement"
                policy = policy_pb2.ApplicationPolicy(channel_config_policy_reference=path)
                if self._find(path) is None:
                    policy = policy_pb2.ApplicationPolicy(signature_policy=_out_of(1, [mspid]))
                return bytes(policy.SerializeToString())
        return None

    def _distinct(self, signers: tuple[bytes, ...]) -> list[Member]:
        """Each identity counts once, however often and in whatever bytes it signed."""
        return list(
            {self.members.member(each).identifier: self.members.member(each) for each in signers}.values()
        )

    def _application(self, encoded: bytes, signers: Sequence[Member]) -> bool:
        try:
            policy = policy_pb2.ApplicationPolicy.FromString(encoded)
            if policy.WhichOneof("Type") == "signature_policy":
                return _signature(policy.signature_policy, signers)
            found = self._find(policy.channel_config_policy_reference)
            return found is not None and self._configured(*found, signers)
        except DecodeError:
            return False

    def _find(self, path: str) -> tuple[Any, Any] | None:
        """A policy of the configuration and the group that holds it."""
        parts = path.split("/")
        if parts[:2] != ["", "Channel"] or len(parts) < 3:
            return None
        group = self._config.root
        for name in parts[2:-1]:
            if name not in group.groups:
                return None
            group = group.groups[name]
        return (group.policies[parts[-1]].policy, group) if parts[-1] in group.policies else None

    def _configured(self, policy: Any, group: Any, signers: Sequence[Member]) -> bool:
        if policy.type == policies_pb2.Policy.SIGNATURE:
            return _signature(policies_pb2.SignaturePolicyEnvelope.FromString(policy.value), signers)
        if policy.type != policies_pb2.Policy.IMPLICIT_META:
            return False
        rule = policies_pb2.ImplicitMetaPolicy.FromString(policy.value)
        met = sum(
            self._configured(below.policies[rule.sub_policy].policy, below, signers)
            for below in group.groups.values()
            if rule.sub_policy in below.policies
        )
        every = len(group.groups)
        needed = {rule.ANY: min(1, every), rule.ALL: every, rule.MAJORITY: every // 2 + 1 if every else 0}
        return met >= needed.get(rule.rule, every + 1)


def _signature(envelope: Any, signers: Sequence[Member]) -> bool:
    return _met(envelope.rule, envelope.identities, signers, [False] * len(signers))


def _met(rule: Any, principals: Any, signers: Sequence[Member], used: list[bool]) -> bool:
    """Whether signers that are not `used` up meet a rule; each one that does is used up by it."""
    if rule.WhichOneof("Type") == "signed_by":
        if not 0 <= rule.signed_by < len(principals):
            return False
        for place, signer in enumerate(signers):
            if not used[place] and signer.is_principal(principals[rule.signed_by]):
                used[place] = True
                return True
        return False
    met = 0
    for inner in rule.n_out_of.rules:
        attempt = used.copy()
        if _met(inner, principals, signers, attempt):
            met += 1
            used[:] = attempt
    return bool(rule.WhichOneof("Type") and met >= rule.n_out_of.n)


def _out_of(required: int, mspids: Sequence[str]) -> Any:
    """Members of so many of the organisations."""
    rule = policies_pb2.SignaturePolicy
    roles = [msp_principal_pb2.MSPRole(msp_identifier=mspid, role=MEMBER) for mspid in mspids]
    return policies_pb2.SignaturePolicyEnvelope(
        identities=[
            msp_principal_pb2.MSPPrincipal(
                principal_classification=msp_principal_pb2.MSPPrincipal.ROLE,
                principal=role.SerializeToString(),
            )
            for role in roles
        ],
        rule=rule(
            n_out_of=rule.NOutOf(n=required, rules=[rule(signed_by=place) for place in range(len(mspids))])
        ),
    )
