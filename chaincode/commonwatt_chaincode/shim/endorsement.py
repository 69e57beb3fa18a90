# SPDX-License-Identifier: Apache-2.0
"""State-based endorsement: a policy of its own for one key, "all of these organisations".

The same policies as Fabric's ``statebased`` package builds, so chaincodes in other languages read them.
"""

from collections.abc import Iterable, Iterator
from typing import Any, Literal

from fabric_protos.common import policies_pb2
from fabric_protos.msp import msp_principal_pb2

VALIDATION_PARAMETER = "VALIDATION_PARAMETER"
"""The metadata key under which peers keep a key's endorsement policy."""

Role = Literal["MEMBER", "PEER"]


class KeyEndorsementPolicy:
    """Organisations that must all endorse a change of a key, with the role of the endorser in each."""

    def __init__(self, policy: bytes | None = None) -> None:
        """Start with none, or with those of a stored ``policy``; ValueError if it is of another kind."""
        self._roles: dict[str, Role] = dict(_organizations(policy)) if policy else {}

    def add_organizations(self, mspids: Iterable[str], role: Role = "MEMBER") -> None:
        """Demand these organisations too. PEER asks for an endorsement by a peer, the usual choice."""
        self._roles.update(dict.fromkeys(mspids, role))

    def delete_organizations(self, mspids: Iterable[str]) -> None:
        """No longer demand these organisations."""
        for mspid in mspids:
            self._roles.pop(mspid, None)

    def organizations(self) -> list[str]:
        """The MSP ids demanded, sorted."""
        return sorted(self._roles)

    def policy(self) -> bytes:
        """The policy for set_state_validation_parameter (a serialized common.SignaturePolicyEnvelope)."""
        if not self._roles:
            raise ValueError("a key endorsement policy needs at least one organisation")
        roles = sorted(self._roles.items())
        rules = [policies_pb2.SignaturePolicy(signed_by=index) for index in range(len(roles))]
        every = policies_pb2.SignaturePolicy.NOutOf(n=len(roles), rules=rules)
        envelope = policies_pb2.SignaturePolicyEnvelope(
            version=0,
            rule=policies_pb2.SignaturePolicy(n_out_of=every),
            identities=[_principal(mspid, role) for mspid, role in roles],
        )
        return bytes(envelope.SerializeToString(deterministic=True))


def _principal(mspid: str, role: Role) -> Any:
    kind = msp_principal_pb2.MSPRole(
        msp_identifier=mspid, role=msp_principal_pb2.MSPRole.MSPRoleType.Value(role)
    )
    return msp_principal_pb2.MSPPrincipal(
        principal_classification=msp_principal_pb2.MSPPrincipal.ROLE, principal=kind.SerializeToString()
    )


def _organizations(policy: bytes) -> Iterator[tuple[str, Role]]:
    envelope = policies_pb2.SignaturePolicyEnvelope.FromString(policy)
    for principal in envelope.identities:
        if principal.principal_classification != msp_principal_pb2.MSPPrincipal.ROLE:
            raise ValueError("the key's policy names identities or units, not roles of organisations")
        named = msp_principal_pb2.MSPRole.FromString(principal.principal)
        role = msp_principal_pb2.MSPRole.MSPRoleType.Name(named.role)
        if role not in ("MEMBER", "PEER"):
            raise ValueError(f"the key's policy asks for the role {role} of {named.msp_identifier}")
        yield named.msp_identifier, role
