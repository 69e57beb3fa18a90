# SPDX-License-Identifier: Apache-2.0
"""Who may use which of a peer's functions: the channel's ACLs, and the local MSP's roles for peer-wide ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from commonwatt_network.embedded.trust.msp import (
    ADMIN,
    MEMBER,
    IdentityError,
    IdentityRegistry,
    role_principal,
)
from commonwatt_network.embedded.trust.policies import PolicyError, PolicyManager, SignedData

ADMINS, MEMBERS = ("Admins", ADMIN), ("Members", MEMBER)
PEER_WIDE: Mapping[str, tuple[str, int]] = {
    "_lifecycle/InstallChaincode": ADMINS,
    "_lifecycle/QueryInstalledChaincode": ADMINS,
    "_lifecycle/GetInstalledChaincodePackage": ADMINS,
    "_lifecycle/QueryInstalledChaincodes": ADMINS,
    "_lifecycle/ApproveChaincodeDefinitionForMyOrg": ADMINS,
    "_lifecycle/QueryApprovedChaincodeDefinition": ADMINS,
    "_lifecycle/QueryApprovedChaincodeDefinitions": ADMINS,
    "snapshot/submitrequest": ADMINS,
    "snapshot/cancelrequest": ADMINS,
    "snapshot/listpending": ADMINS,
    "cscc/JoinChain": ADMINS,
    "cscc/JoinChainBySnapshot": ADMINS,
    "cscc/JoinBySnapshotStatus": ADMINS,
    "cscc/GetChannels": MEMBERS,
}


class AccessDenied(Exception):
    """The caller may not use this function; the message is Fabric's."""


class Guarded(Protocol):
    """A channel's configuration: its policies, and which of them guards which function."""

    @property
    def channel_id(self) -> str: ...

    @property
    def acls(self) -> Mapping[str, str]: ...

    @property
    def policies(self) -> PolicyManager: ...

    def acl_policy(self, resource: str) -> str:
        """The path of the policy that guards a function; empty where there is none."""


def check_channel_access(resource: str, config: Guarded, signed: SignedData) -> None:
    """Raises AccessDenied unless `signed` satisfies the policy that guards `resource` on the channel."""
    reference = config.acl_policy(resource)
    if not reference:
        raise AccessDenied(f"No policy mapped for resource {resource}")
    try:
        config.policies.get(reference).evaluate([signed])
    except PolicyError as error:
        if config.acls.get(resource):
            raise AccessDenied(
                f"failed evaluating policy on signed data during check policy [{reference}]: [{error}]"
            ) from error
        raise AccessDenied(
            f"Failed evaluating policy on signed data during check policy on channel [{config.channel_id}] with "
            f"policy [{reference}]: [{error}]"
        ) from error


def check_peer_access(resource: str, local: IdentityRegistry, mspid: str, signed: SignedData) -> None:
    """Raises AccessDenied unless `signed` is by a member of the peer's own MSP in the role `resource` demands."""
    policy, role = PEER_WIDE[resource]
    prefix = "Failed {} during channelless check policy with policy [" + policy + "]: [{}]"
    try:
        identity = local.deserialize(signed.identity)
    except IdentityError as error:
        raise AccessDenied(prefix.format("deserializing proposal creator", error)) from error
    try:
        identity.satisfies(role_principal(mspid, role))
    except IdentityError as error:
        doing = "verifying that proposal's creator satisfies local MSP principal"
        raise AccessDenied(prefix.format(doing, error)) from error
    try:
        identity.verify(signed.data, signed.signature)
    except IdentityError as error:
        raise AccessDenied(str(error)) from error
