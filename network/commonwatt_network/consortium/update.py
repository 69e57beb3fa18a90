# SPDX-License-Identifier: Apache-2.0
"""A running channel takes in one more organisation: an update of its configuration that its members review and sign.

Update and signatures pass between hosts as files of Fabric's own messages (common.ConfigUpdate and
common.ConfigSignature); a signature lies beside its update as UPDATE.MSPID.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from commonwatt_client.admin import (
    APPLICATION,
    ORDERER,
    AdminError,
    ChannelConfig,
    Consenter,
    add_consenter,
    add_organization,
    assemble_update,
    compute_update,
    signed_by,
)
from commonwatt_client.identity import Identity
from commonwatt_client.signers import Signer
from fabric_protos.common import common_pb2, configtx_pb2
from google.protobuf.message import DecodeError

from commonwatt_network.channels import groups as building
from commonwatt_network.channels.readers import readers_of
from commonwatt_network.consortium.bundle import Bundle, BundleError
from commonwatt_network.consortium.review import member_lines, mistakes_of, signers_needed
from commonwatt_network.embedded.channels.configuration import ChannelConfig as CheckedConfig
from commonwatt_network.embedded.channels.configuration import ChannelConfigError
from commonwatt_network.embedded.channels.updates import ConfigUpdateError, propose_config_update
from commonwatt_network.embedded.trust.policies import SignedData
from commonwatt_network.errors import UsageError
from commonwatt_network.model.topology import valid_channel_name


class UpdateError(UsageError):
    """The update is not made, signed or submitted; the message says why. Nothing was changed."""


class TooFewSignaturesError(UpdateError):
    """Not enough members have signed yet."""


@dataclass(frozen=True)
class UpdateReview:
    """What an update makes of the configuration in force, `current`, in words; `mistakes` is why not to sign it."""

    current: ChannelConfig
    desired: ChannelConfig
    words: tuple[str, ...]
    mistakes: tuple[str, ...]


def taking_in(config: ChannelConfig, bundle: Bundle) -> bytes:
    """The update that makes the bundle's organisation a member, and its orderer the next consenter.

    Raises UpdateError when it claims what a member has, BundleError for more orderers than one at a time.
    """
    _refuse_overlap(config, bundle)
    if len(bundle.orderers) > 1:
        raise BundleError(
            f"{bundle.name} has {len(bundle.orderers)} orderers; Raft takes in one at a time: begin with one"
        )
    anchors = [(peer.host, peer.port) for peer in bundle.peers[:1]]
    readers = readers_of(config) or "operators"
    member = building.member_group(bundle.mspid, bundle.msp, anchors, readers).SerializeToString(
        deterministic=True
    )
    try:
        desired = add_organization(config, APPLICATION, bundle.mspid, member)
        for orderer in bundle.orderers:
            ordering = building.orderer_organization_group(
                bundle.mspid, bundle.msp, [orderer.address], readers
            )
            group = ordering.SerializeToString(deterministic=True)
            desired = add_organization(desired, ORDERER, bundle.mspid, group)
            certificate = orderer.tls_certificate.encode()
            consenter = Consenter(orderer.host, orderer.port, certificate, certificate)
            desired = add_consenter(desired, consenter)
        return compute_update(config, desired)
    except AdminError as error:
        raise UpdateError(f"channel {config.channel} does not take in {bundle.name}: {error}") from error


def review_update(config: ChannelConfig, update: bytes) -> UpdateReview:
    """What the update would change. Raises UpdateError for junk, and for one made for another configuration."""
    if channel_of(update) != config.channel:
        raise UpdateError(f"this is no update of channel {config.channel}")
    desired = applied(config, update)
    return UpdateReview(config, desired, tuple(_words(config, desired)), tuple(_mistakes(config, desired)))


def in_force(config: ChannelConfig, update: bytes) -> bool:
    """Whether the organisations that the update takes in are members."""
    try:
        message = configtx_pb2.ConfigUpdate.FromString(update)
    except DecodeError:
        return False
    known = message.read_set.groups[APPLICATION].groups
    new = {name for name in message.write_set.groups[APPLICATION].groups if name not in known}
    return bool(new) and new <= config.application_organizations.keys()


def channel_of(content: bytes) -> str | None:
    """The channel that an update is for; None when the bytes are no update."""
    try:
        channel = str(configtx_pb2.ConfigUpdate.FromString(content).channel_id)
    except DecodeError:
        return None
    return channel if valid_channel_name(channel) else None


def read_signatures(path: Path) -> dict[str, bytes]:
    """The signatures that lie beside an update, by MSP id. Raises UpdateError for what is none."""
    found = {}
    for file in sorted(path.parent.glob(f"{path.name}.*")):
        try:
            content = file.read_bytes()
            found[signed_by(content).mspid] = content
        except (AdminError, OSError) as error:
            raise UpdateError(f"{file} is no signature of an update: {error}") from error
    return found


def refuse_too_few(
    review: UpdateReview,
    update: bytes,
    signatures: Sequence[bytes],
    command: str = "commonwatt consortium sign",
) -> None:
    """Raise UpdateError naming who is missing, and whose signature does not count, before an orderer is asked.

    `command` is what those who are missing have to do.
    """
    checked = _checked(review.current)
    counted = {signed_by(each).mspid for each in signatures if _counts(checked, update, each)}
    void = {signed_by(each).mspid for each in signatures} - counted
    if void:
        raise UpdateError(
            f"the signature of {', '.join(sorted(void))} does not count: it is over another update, or not by an "
            "administrator of a member"
        )
    for section in _sections(review):
        mspids, needed = signers_needed(review.current, section)
        missing = sorted(mspids - counted)
        if len(mspids & counted) < needed:
            signed = ", ".join(sorted(mspids & counted)) or "nobody"
            raise TooFewSignaturesError(
                f"too few signatures: signed by {signed}; {needed} of {len(mspids)} organisations are needed; waiting "
                f"for {' or '.join(missing)} to do `{command}`"
            )


async def signed_envelope(
    review: UpdateReview, update: bytes, signatures: Sequence[bytes], identity: Identity, signer: Signer
) -> bytes:
    """What to submit, refused here in Fabric's own words if orderers would. Raises UpdateError."""
    envelope = await assemble_update(update, signatures, identity, signer)
    checked = _checked(review.current)
    try:
        propose_config_update(
            checked.channel_id, checked.config, checked.policies, common_pb2.Envelope.FromString(envelope)
        )
    except ConfigUpdateError as error:
        raise UpdateError(f"the update would be refused: {error}") from error
    return envelope


def _refuse_overlap(config: ChannelConfig, bundle: Bundle) -> None:
    if bundle.mspid in _mspids(config):
        raise UpdateError(f"{bundle.mspid} is on channel {config.channel} already")
    for organization in (
        *config.application_organizations.values(),
        *config.orderer_organizations.values(),
    ):
        name = organization.mspid
        taken = {*organization.orderer_endpoints, *organization.anchor_peers}
        both = sorted(taken & set(bundle.addresses))
        if both:
            raise UpdateError(f"{name} and {bundle.name} both claim the address {both[0]}")
        authorities = {
            *organization.root_certificates,
            *organization.intermediate_certificates,
            *organization.tls_root_certificates,
            *organization.tls_intermediate_certificates,
        }
        if authorities & {pem.encode() for pem in bundle.authorities}:
            raise UpdateError(f"{name} and {bundle.name} both claim an authority")


class _Consent:
    """Stands for the policies of a configuration when nobody has signed yet: everything may be changed."""

    def manager(self, _: Sequence[str]) -> _Consent:
        return self

    def __contains__(self, _: str) -> bool:
        return True

    def get(self, _: str) -> _Consent:
        return self

    def evaluate(self, _: Sequence[SignedData]) -> None:
        """Nothing is refused."""


def applied(config: ChannelConfig, update: bytes) -> ChannelConfig:
    """The configuration as the update leaves it. Raises UpdateError for one made for another configuration."""
    payload = common_pb2.Payload(
        header=common_pb2.Header(
            channel_header=common_pb2.ChannelHeader(
                type=common_pb2.CONFIG_UPDATE, channel_id=config.channel
            ).SerializeToString()
        ),
        data=configtx_pb2.ConfigUpdateEnvelope(config_update=update).SerializeToString(),
    )
    envelope = common_pb2.Envelope(payload=payload.SerializeToString())
    everybody: Any = _Consent()
    try:
        proposed = propose_config_update(config.channel, _config(config), everybody, envelope)
    except ConfigUpdateError as error:
        raise UpdateError(
            f"the update was made for another configuration of channel {config.channel} than the one in force: "
            f"{error}; propose it anew"
        ) from error
    group = proposed.config.channel_group.SerializeToString(deterministic=True)
    return ChannelConfig(config.channel, config.sequence + 1, group)


def _config(config: ChannelConfig) -> Any:
    return configtx_pb2.Config(sequence=config.sequence, channel_group=config.root)


def _checked(config: ChannelConfig) -> CheckedConfig:
    try:
        return CheckedConfig.from_config(config.channel, _config(config))
    except ChannelConfigError as error:
        raise UpdateError(f"the configuration of channel {config.channel} cannot be read: {error}") from error


def _counts(checked: CheckedConfig, update: bytes, signature: bytes) -> bool:
    """Whether it is a valid signature over the update, by an administrator of its own organisation."""
    message = configtx_pb2.ConfigSignature.FromString(signature)
    creator = common_pb2.SignatureHeader.FromString(message.signature_header).creator
    signed = SignedData(message.signature_header + update, creator, message.signature)
    mspid = signed_by(signature).mspid
    return any(
        _satisfied(manager.managers[mspid].get("Admins"), signed)
        for manager in checked.policies.managers.values()
        if mspid in manager.managers
    )


def _satisfied(policy: Any, signed: SignedData) -> bool:
    try:
        policy.evaluate([signed])
    except Exception:  # whatever is wrong with a signature of somebody else's: it does not count
        return False
    return True


def _sections(review: UpdateReview) -> list[str]:
    """Where something changes."""
    before, after = review.current.root.groups, review.desired.root.groups
    return [section for section in (APPLICATION, ORDERER) if before[section] != after[section]]


def _words(config: ChannelConfig, desired: ChannelConfig) -> Iterator[str]:
    lines = dict(member_lines(desired))
    for mspid in sorted(_mspids(desired) - _mspids(config)):
        yield f"takes in {mspid}: {lines[mspid]}"
    before = {each.address for each in config.consenters}
    for each in desired.consenters:
        if each.address not in before:
            yield f"takes in the orderer {each.address}, of {len(desired.consenters)} then"
    for section in (APPLICATION, ORDERER):
        mspids, needed = signers_needed(config, section)
        if config.root.groups[section] != desired.root.groups[section]:
            what = "members" if section == APPLICATION else "organisations that order"
            yield f"{needed} of {len(mspids)} {what} have to sign: {', '.join(sorted(mspids))}"


def _mistakes(config: ChannelConfig, desired: ChannelConfig) -> Iterator[str]:
    """Why no member should sign: whatever is not an organisation or an orderer that comes."""
    yield from mistakes_of(desired)
    gone = _mspids(config) - _mspids(desired)
    if gone:
        yield f"channel {config.channel} would be orphaned by {', '.join(sorted(gone))}"
    came = {each.address: each for each in desired.consenters}
    for each in config.consenters:
        if each.address not in came:
            yield f"the orderer {each.address} would go"
        elif each != came[each.address]:
            yield f"the orderer {each.address} would have another certificate"
    if not gone:
        where = _first_difference("", _without_additions(config, config), _without_additions(config, desired))
        if where:
            yield f"{where} would be another than now"


def _without_additions(config: ChannelConfig, desired: ChannelConfig) -> dict[str, Any]:
    """`desired` without the organisations and consenters that `config` has not, as JSON; versions don't count."""
    group: dict[str, Any] = desired.to_dict()["channel_group"]
    for section in (APPLICATION, ORDERER):
        known = config.root.groups[section].groups
        organizations = group["groups"][section]["groups"]
        group["groups"][section]["groups"] = {name: organizations[name] for name in known}
    consensus = group["groups"][ORDERER]["values"]["ConsensusType"]["value"]
    del consensus["metadata"]["consenters"]  # these are compared one by one
    return group


def _first_difference(path: str, a: Any, b: Any) -> str | None:
    if isinstance(a, dict) and isinstance(b, dict):
        names = sorted((a.keys() | b.keys()) - {"version"})
        inner = (_first_difference(f"{path}/{name}", a.get(name), b.get(name)) for name in names)
        return next((found for found in inner if found), None)
    return None if a == b else path


def _mspids(config: ChannelConfig) -> set[str]:
    both = (*config.application_organizations.values(), *config.orderer_organizations.values())
    return {each.mspid for each in both}
