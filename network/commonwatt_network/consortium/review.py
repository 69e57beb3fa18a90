# SPDX-License-Identifier: Apache-2.0
"""A channel's block in words: who is in it, who orders, which policies decide; and what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from commonwatt_client.admin import (
    APPLICATION,
    AdminError,
    ChannelConfig,
    Organization,
    decode_block,
    find_mistakes,
    read_channel_config,
)
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from fabric_protos.common import policies_pb2

from commonwatt_network.channels import policies
from commonwatt_network.channels.readers import Readers, readers_mistakes, readers_of
from commonwatt_network.consortium.bundle import Bundle
from commonwatt_network.errors import UsageError
from commonwatt_network.trust.certificates import days_left

META = policies_pb2.ImplicitMetaPolicy
READING: Mapping[Readers | None, str] = {
    "operators": "operators, administrators and nodes read its blocks; homes do not",
    "members": "every member reads all its blocks, each home too",
    None: "its organisations do not agree on who reads its blocks",
}


class ReviewError(UsageError):
    """The block cannot be joined as it is; the message says why. Nothing was changed."""


@dataclass(frozen=True)
class Review:
    """What there is to decide on before joining. `fingerprint`: the block's hash, the same for everybody."""

    config: ChannelConfig
    number: int
    fingerprint: str
    members: tuple[str, ...]
    rules: tuple[str, ...]
    mistakes: tuple[str, ...]


def review_block(block: bytes, *, first: bool = True) -> Review:
    """Read a channel's first block, or any that holds a configuration. Raises ReviewError when it is none."""
    try:
        decoded = decode_block(block)
        config = read_channel_config(decoded)
        if first and decoded.number != 0:
            raise ReviewError(
                f"this is block {decoded.number} of {config.channel}; a consortium begins with block 0"
            )
        return Review(
            config,
            decoded.number,
            decoded.header_hash.hex(),
            tuple(f"{mspid}: {line}" for mspid, line in member_lines(config)),
            tuple(_rules(config)),
            mistakes_of(config),
        )
    except AdminError as error:
        raise ReviewError(
            f"this is no channel's {'first ' if first else 'configuration '}block: {error}"
        ) from error


def find_differences(config: ChannelConfig, own: Bundle) -> tuple[str, ...]:
    """Where the configuration does not say of an organisation what its own bundle says, one sentence each."""
    return tuple(_differences(config, own))


def organization_of(config: ChannelConfig, address: str) -> str:
    """The MSP id of the organisation whose orderer answers at `address`; the address itself when none does."""
    return next(
        (org.mspid for org in config.orderer_organizations.values() if address in org.orderer_endpoints),
        address,
    )


def approvals_needed(config: ChannelConfig) -> int:
    """How many organisations have to approve a chaincode's definition."""
    policy = config.root.groups["Application"].policies["LifecycleEndorsement"].policy
    return _needed(policy, len(config.application_organizations))


def member_lines(config: ChannelConfig) -> Iterator[tuple[str, str]]:
    """Every organisation's MSP id, and in words where its nodes are and which authority it has."""
    for name, organization in config.application_organizations.items():
        ordering = config.orderer_organizations.get(name)
        orderers = ", ".join(ordering.orderer_endpoints) if ordering else "none"
        anchors = ", ".join(organization.anchor_peers) or "none"
        line = f"orderers {orderers}; peers met first at {anchors}; {_authorities(organization)}"
        yield organization.mspid, line
    for name, organization in config.orderer_organizations.items():
        if name not in config.application_organizations:
            endpoints = ", ".join(organization.orderer_endpoints)
            yield organization.mspid, f"orders only, {endpoints}; {_authorities(organization)}"


def mistakes_of(config: ChannelConfig) -> tuple[str, ...]:
    """What is wrong with a configuration, one sentence each."""
    return (*find_mistakes(config), *_foreign(config), *readers_mistakes(config))


def signers_needed(config: ChannelConfig, section: str) -> tuple[set[str], int]:
    """Whose administrators may sign a change of a section's members, by MSP id, and how many have to."""
    organizations = (
        config.application_organizations if section == APPLICATION else config.orderer_organizations
    )
    policy = config.root.groups[section].policies["Admins"].policy
    return {each.mspid for each in organizations.values()}, _needed(policy, len(organizations))


def _authorities(organization: Organization) -> str:
    certificates = x509.load_pem_x509_certificates(b"\n".join(organization.root_certificates))
    return "; ".join(
        f"authority {certificate.fingerprint(hashes.SHA256()).hex()[:16]}, {days_left(certificate)} days left"
        for certificate in certificates
    )


def _rules(config: ChannelConfig) -> Iterator[str]:
    root = config.root
    application, ordering = root.groups["Application"], root.groups["Orderer"]
    members, orderers = len(application.groups), len(ordering.groups)
    consenters = len(config.consenters)
    lost = (consenters - 1) // (3 if config.consensus_type == "BFT" else 2)
    yield f"a transaction counts when {_who(application, 'Endorsement', members)} endorsed it with a peer"
    yield f"a chaincode is put into force when {_who(application, 'LifecycleEndorsement', members)} approved it"
    yield f"members change when administrators of {_who(application, 'Admins', members)} sign"
    yield f"ordering changes when administrators of {_who(ordering, 'Admins', orderers)} sign"
    yield READING[readers_of(config)]
    yield (
        f"{config.consensus_type} orders with {consenters} orderers and goes on with {lost} of them lost; "
        f"a block is cut after {config.batch_timeout_s * 1000:g} ms or {config.batch_size.max_message_count} messages"
    )


def _who(group: Any, name: str, members: int) -> str:
    if name not in group.policies:
        return f"nobody (there is no policy {name})"
    policy = group.policies[name].policy
    if policy.type != policies_pb2.Policy.IMPLICIT_META:
        return f"the signatures that its own {name} policy lists"
    needed = _needed(policy, members)
    return f"all {members} organisations" if needed == members else f"{needed} of {members} organisations"


def _needed(policy: Any, members: int) -> int:
    if policy.type != policies_pb2.Policy.IMPLICIT_META:
        return members
    rule = META.FromString(policy.value).rule
    counts: Mapping[int, int] = {META.ANY: 1, META.ALL: members, META.MAJORITY: members // 2 + 1}
    return counts[rule]


def _foreign(config: ChannelConfig) -> Iterator[str]:
    """Certificates and policies of one organisation that another one holds."""
    for section in ("Application", "Orderer"):
        for name, group in config.root.groups[section].groups.items():
            organizations = {**config.application_organizations, **config.orderer_organizations}
            mspid = organizations[name].mspid
            for policy, expected in policies.organization(mspid).items():
                present = group.policies[policy].policy if policy in group.policies else None
                if policy != "Readers" and present != expected.policy:
                    yield f"{mspid}'s {policy} policy in {section} is not decided by {mspid} alone"
    for consenter in config.consenters:
        mspid = organization_of(config, consenter.address)
        owner = next((org for org in config.orderer_organizations.values() if org.mspid == mspid), None)
        if owner is None:
            yield f"consenter {consenter.address} belongs to no organisation: none lists it among its endpoints"
        elif not _issued(consenter.server_tls_certificate, owner):
            yield f"the TLS certificate of consenter {consenter.address} is foreign: {mspid} did not issue it"


def _issued(pem: bytes, organization: Organization) -> bool:
    pems = (*organization.tls_root_certificates, *organization.tls_intermediate_certificates)
    for authority in x509.load_pem_x509_certificates(b"\n".join(pems)):
        try:
            x509.load_pem_x509_certificate(pem).verify_directly_issued_by(authority)
            return True
        except Exception:  # noqa: S112  unreadable, or each kind of key in its own way: not issued by this one
            continue
    return False


def _differences(config: ChannelConfig, own: Bundle) -> Iterator[str]:
    member = next((org for org in config.application_organizations.values() if org.mspid == own.mspid), None)
    if member is None:
        yield f"{own.mspid} is not a member of channel {config.channel}"
        return
    foreign = [
        what
        for what, known, here in (
            ("authority", member.root_certificates, own.enrolment_authority),
            ("TLS authority", member.tls_root_certificates, own.tls_authority),
        )
        if here.encode() not in known
    ]
    for what in foreign:
        yield f"{own.mspid}'s {what} in it is foreign: it is not the one on this host"
    if not foreign and not own.is_of(member):
        yield f"{own.mspid}'s other authorities in it are foreign: they are not those on this host"
    consenters = {consenter.address: consenter for consenter in config.consenters}
    for orderer in own.orderers:
        consenter = consenters.get(orderer.address)
        if consenter is None:
            yield f"the orderer {orderer.address} of this host is not among the consenters"
        elif orderer.tls_certificate.encode() != consenter.server_tls_certificate:
            yield f"the certificate of the orderer {orderer.address} in it is foreign: it is not the one on this host"
    ordering = next((org for org in config.orderer_organizations.values() if org.mspid == own.mspid), None)
    listed = set(ordering.orderer_endpoints) if ordering else set()
    for address in sorted(listed - set(own.addresses)):
        yield f"it lists {address} as {own.mspid}'s orderer, which is none of this host"
