# SPDX-License-Identifier: Apache-2.0
"""Who reads a channel's blocks: every member, or operators, administrators and nodes alone.

A home's transactions, and what they say of its use, stand in blocks. With `operators`, each organisation's Readers
policy names its administrators, peers, orderers and the organisational unit `operator`. By default the Gateway asks
Readers for commits and events too: two ACLs let every member still hear of these. A principal for an organisational
unit matches the certificates of one authority's path to its root alone, so there is one for each.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal

from commonwatt_client.admin import ChannelConfig, NotFoundError, openings
from commonwatt_client.ledger.configuration import msp_of
from commonwatt_client.ledger.readers import READER_UNIT
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from fabric_protos.msp import msp_config_pb2
from fabric_protos.peer import configuration_pb2 as peer_pb2

from commonwatt_network.channels import policies
from commonwatt_network.embedded.trust.authorities import Authorities
from commonwatt_network.embedded.trust.certificates import CertificateError, chain_identifier
from commonwatt_network.errors import UsageError

Readers = Literal["operators", "members"]
WRITERS = "/Channel/Application/Writers"
ACLS: Mapping[str, str] = MappingProxyType(
    {"gateway/CommitStatus": WRITERS, "gateway/ChaincodeEvents": WRITERS}
)
SECTIONS = ("Orderer", "Application")


class ReadersError(UsageError):
    """An organisation's authorities do not say whom its Readers policy has to name."""


class OpenChannelError(UsageError):
    """A live market would tell every member of the channel what each home uses; nothing was deployed."""


def readers_policy(msp: Any, readers: Readers) -> Any:
    """An organisation's Readers policy (ConfigPolicy), from the ConfigValue of its MSP. Raises ReadersError."""
    config = msp_config_pb2.FabricMSPConfig.FromString(msp_config_pb2.MSPConfig.FromString(msp.value).config)
    return _policy_of(config, readers)


def with_readers(config: ChannelConfig, readers: Readers) -> ChannelConfig:
    """The configuration with the Readers policies and ACLs of `readers`; the same one where it has them already.

    Each organisation's administrator signs for its own policy, most members' for the ACLs. Raises ReadersError.
    """
    root = config.edited_group()
    for section in SECTIONS:
        for group in root.groups[section].groups.values():
            _set_policy(group, _policy_of(msp_of(group), readers))
    application = root.groups["Application"]
    acls = peer_pb2.ACLs()
    if "ACLs" in application.values:
        acls.ParseFromString(application.values["ACLs"].value)
    before = acls.SerializeToString(deterministic=True)
    for resource, reference in ACLS.items():
        if readers == "operators":
            acls.acls[resource].policy_ref = reference
        elif resource in acls.acls and acls.acls[resource].policy_ref == reference:
            del acls.acls[resource]
    if not acls.acls:
        if "ACLs" in application.values:
            del application.values["ACLs"]
    elif before != acls.SerializeToString(deterministic=True):
        application.values["ACLs"].CopyFrom(policies.value(acls))
    return ChannelConfig(config.channel, config.sequence, root.SerializeToString(deterministic=True))


def acls_value() -> Any:
    """The ACLs of a channel that operators read (ConfigValue)."""
    acls = peer_pb2.ACLs()
    for resource, reference in ACLS.items():
        acls.acls[resource].policy_ref = reference
    return policies.value(acls)


def readers_of(config: ChannelConfig) -> Readers | None:
    """Who reads the channel, as far as every organisation says the same; None where they do not."""
    if not openings(config):
        return "operators"
    groups = (group for section in SECTIONS for group in config.root.groups[section].groups.values())
    plain = all(
        group.policies["Readers"].policy == _policy_of(msp_of(group), "members").policy for group in groups
    )
    return "members" if plain else None


def readers_mistakes(config: ChannelConfig) -> Iterator[str]:
    """Why not to join a channel, or sign its update: organisations that let others read, or their operators not.

    A channel of which every organisation lets every member read has none: `readers_of` says so. Raises ReadersError.
    """
    kind = readers_of(config)
    if kind is None:
        yield from map(str, openings(config))
    if kind != "operators":
        return
    for section in SECTIONS:
        for group in config.root.groups[section].groups.values():
            msp = msp_of(group)
            if group.policies["Readers"].policy != _policy_of(msp, "operators").policy:
                yield (
                    f"{msp.name}'s Readers policy in {section} names others than its administrators, nodes and the "
                    "operators of each of its authorities"
                )
    application = config.root.groups["Application"]
    acls = peer_pb2.ACLs.FromString(application.values["ACLs"].value if "ACLs" in application.values else b"")
    for resource, reference in ACLS.items():
        if acls.acls[resource].policy_ref != reference:
            yield f"the ACL of {resource} is not {reference}: homes would not hear of their own transactions"


def open_channel_warning(
    config: ChannelConfig, clock: str, market: str = "ex_post", *, allowed: bool = False
) -> str:
    """What to say before a market is deployed on a channel of others'; empty where operators alone read it.

    Raises OpenChannelError for a live or a forward market on a channel that others read too, unless that is
    `allowed`. Everybody who reads blocks gets the private data that its organisation holds with them.
    """
    found = openings(config)
    if not found:
        return ""
    warning = (
        f"every member of channel {config.channel} reads everything on it, each home its neighbours' use and bills: "
        f"{found[0]}{f' (and {len(found) - 1} more)' if len(found) > 1 else ''}"
    )
    kind = "forward" if market == "forward" else clock
    if kind in ("live", "forward") and not allowed:
        raise OpenChannelError(
            f"{warning}; deploy a {kind} market on a channel that operators read, or say --open-channel"
        )
    return warning


def with_authorities(
    config: ChannelConfig, name: str, roots: Sequence[bytes], intermediates: Sequence[bytes] = ()
) -> ChannelConfig:
    """The configuration in which an organisation's enrolment authorities (PEM) are these, signed by its administrator.

    Where its Readers policy names operators, the same update names those of every authority that may issue: before
    the first certificate is issued. Raises NotFoundError, ReadersError.
    """
    root = config.edited_group()
    if not any(name in root.groups[section].groups for section in SECTIONS):
        raise NotFoundError(f"{name} is not on channel {config.channel!r}")
    open_policies = {opening.path for opening in openings(config)}
    for section in SECTIONS:
        if name not in root.groups[section].groups:
            continue
        group = root.groups[section].groups[name]
        msp = msp_of(group)
        msp.root_certs[:] = roots
        msp.intermediate_certs[:] = intermediates
        units, issuing = msp.fabric_node_ous, issuing_authorities(msp)
        for unit in (
            units.client_ou_identifier,
            units.peer_ou_identifier,
            units.admin_ou_identifier,
            units.orderer_ou_identifier,
        ):
            if unit.certificate:  # a role with a certificate is that of one path alone
                unit.certificate = _pem(issuing[0]) if len(issuing) == 1 else b""
        _set_msp(group, msp)
        if f"/Channel/{section}/{name}/Readers" not in open_policies:
            _set_policy(group, _policy_of(msp, "operators"))
    return ChannelConfig(config.channel, config.sequence, root.SerializeToString(deterministic=True))


def with_tls_authorities(
    config: ChannelConfig, name: str, roots: Sequence[bytes], intermediates: Sequence[bytes]
) -> ChannelConfig:
    """The configuration in which an organisation's authorities for TLS (PEM) are these, signed by its administrator."""
    root = config.edited_group()
    for section in SECTIONS:
        if name in root.groups[section].groups:
            group = root.groups[section].groups[name]
            msp = msp_of(group)
            msp.tls_root_certs[:] = roots
            msp.tls_intermediate_certs[:] = intermediates
            _set_msp(group, msp)
    return ChannelConfig(config.channel, config.sequence, root.SerializeToString(deterministic=True))


def issuing_authorities(msp: Any) -> list[x509.Certificate]:
    """The authorities of a FabricMSPConfig that issue to members: those that no other one is below. ReadersError."""
    authorities = _authorities(msp)
    return [
        each for each in (*authorities.roots, *authorities.intermediates) if each not in authorities.inner
    ]


def _policy_of(msp: Any, readers: Readers) -> Any:
    if readers == "members":
        return policies.signed_by_role(msp.name, "MEMBER")
    authorities = _authorities(msp)
    units = [
        policies.unit_principal(msp.name, READER_UNIT, chain_identifier(authorities.chain(issuer)))
        for issuer in issuing_authorities(msp)
    ]
    roles = [policies.role_principal(msp.name, role) for role in ("ADMIN", "PEER", "ORDERER")]
    return policies.signed_by(1, [*roles, *units])


def _authorities(msp: Any) -> Authorities:
    try:
        return Authorities(msp)
    except CertificateError as error:
        raise ReadersError(f"{msp.name}: {error}; nothing was changed") from error


def _set_msp(group: Any, msp: Any) -> None:
    group.values["MSP"].value = msp_config_pb2.MSPConfig(
        type=0, config=msp.SerializeToString(deterministic=True)
    ).SerializeToString(deterministic=True)


def _set_policy(group: Any, wanted: Any) -> None:
    if group.policies["Readers"].policy != wanted.policy:
        group.policies["Readers"].policy.CopyFrom(wanted.policy)
    group.policies["Readers"].mod_policy = group.policies["Readers"].mod_policy or policies.ADMINS


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.PEM)
