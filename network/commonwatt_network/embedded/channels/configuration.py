# SPDX-License-Identifier: Apache-2.0
"""A channel's configuration, read from a configuration block: organisations, policies, batching, ACLs."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from fabric_protos.common import common_pb2, configuration_pb2
from fabric_protos.msp import msp_config_pb2
from fabric_protos.orderer import configuration_pb2 as orderer_configuration_pb2
from fabric_protos.peer import configuration_pb2 as peer_configuration_pb2
from google.protobuf.message import DecodeError

from commonwatt_network.embedded.channels.blocks import WIRE_ERROR, BlockError, config_envelope_of, headers_of
from commonwatt_network.embedded.trust.msp import MSP, IdentityError, IdentityRegistry
from commonwatt_network.embedded.trust.policies import PolicyError, PolicyManager
from commonwatt_network.embedded.trust.signing import SignatureChecks

# The resources that Fabric guards by policy unless the channel's ACLs say otherwise.
READERS, WRITERS = "/Channel/Application/Readers", "/Channel/Application/Writers"
DEFAULT_ACLS: Mapping[str, str] = {
    "_lifecycle/CheckCommitReadiness": WRITERS,
    "_lifecycle/CommitChaincodeDefinition": WRITERS,
    "_lifecycle/QueryChaincodeDefinition": WRITERS,
    "_lifecycle/QueryChaincodeDefinitions": WRITERS,
    "lscc/ChaincodeExists": READERS,
    "lscc/GetDeploymentSpec": READERS,
    "lscc/GetChaincodeData": READERS,
    "lscc/GetInstantiatedChaincodes": READERS,
    "qscc/GetChainInfo": READERS,
    "qscc/GetBlockByNumber": READERS,
    "qscc/GetBlockByHash": READERS,
    "qscc/GetTransactionByID": READERS,
    "qscc/GetBlockByTxID": READERS,
    "cscc/GetConfigBlock": READERS,
    "cscc/GetChannelConfig": READERS,
    "peer/Propose": WRITERS,
    "peer/ChaincodeToChaincode": WRITERS,
    "event/Block": READERS,
    "event/FilteredBlock": READERS,
    "gateway/CommitStatus": READERS,
    "gateway/ChaincodeEvents": READERS,
}

# Channel capabilities under which orderer organisations may hold the endpoints.
ORGANIZATION_ENDPOINT_CAPABILITIES = frozenset({"V1_4_2", "V1_4_3", "V2_0", "V3_0"})
# The channel capability from which members may have Ed25519 keys.
ED25519_CAPABILITY = "V3_0"
SUPPORTED_CHANNEL_CAPABILITIES = frozenset({"V1_1", "V1_3", "V1_4_2", "V1_4_3", "V2_0", "V3_0"})
SUPPORTED_ORDERER_CAPABILITIES = frozenset({"V1_1", "V1_4_2", "V2_0"})

DURATION_UNITS_S = {
    "ns": 1e-9,
    "us": 1e-6,
    "µs": 1e-6,
    "μs": 1e-6,
    "ms": 1e-3,
    "s": 1.0,
    "m": 60.0,
    "h": 3600.0,
}
LONGEST_DURATION = 200  # characters
DURATION_PART = re.compile(r"(\d++(?:\.\d*+)?|\.\d++)(ns|us|µs|μs|ms|s|m|h)")


class ChannelConfigError(Exception):
    """A channel configuration cannot be used; the message is Fabric's."""


def parse_duration_s(text: str) -> float:
    """Seconds of a Go duration such as `200ms` or `1m30s`. Raises ChannelConfigError."""
    if len(text) > LONGEST_DURATION:
        raise ChannelConfigError(f'time: invalid duration "{text[:LONGEST_DURATION]}..."')
    sign = -1.0 if text.startswith("-") else 1.0
    body = text.removeprefix("-").removeprefix("+")
    parts = DURATION_PART.findall(body)
    if not parts or "".join(number + unit for number, unit in parts) != body:
        if body == "0":
            return 0.0
        raise ChannelConfigError(f'time: invalid duration "{text}"')
    return sign * round(sum(float(number) * DURATION_UNITS_S[unit] for number, unit in parts), 9)


@dataclass(frozen=True, slots=True)
class BatchSize:
    """When a block is cut: messages at most, bytes at most, and bytes preferred."""

    max_message_count: int
    absolute_max_bytes: int
    preferred_max_bytes: int


@dataclass(frozen=True, slots=True)
class Organization:
    """An organisation of the orderer or application group. `name` is its group's name, usually the MSP id."""

    name: str
    mspid: str
    anchor_peers: tuple[tuple[str, int], ...] = ()
    endpoints: tuple[str, ...] = ()


@dataclass(frozen=True)
class ChannelConfig:
    """One version of a channel's configuration, with the identities and policies it defines."""

    channel_id: str
    config: Any
    registry: IdentityRegistry
    policies: PolicyManager
    application_organizations: Mapping[str, Organization] = field(default_factory=dict)
    orderer_organizations: Mapping[str, Organization] = field(default_factory=dict)
    orderer_addresses: tuple[str, ...] = ()
    batch_size: BatchSize = BatchSize(500, 10 << 20, 2 << 20)
    batch_timeout_s: float = 2.0
    consensus_type: str = ""
    consensus_state_normal: bool = True
    channel_capabilities: frozenset[str] = frozenset()
    orderer_capabilities: frozenset[str] = frozenset()
    application_capabilities: frozenset[str] = frozenset()
    acls: Mapping[str, str] = field(default_factory=dict)

    @property
    def sequence(self) -> int:
        return int(self.config.sequence)

    @property
    def orderer_endpoints(self) -> tuple[str, ...]:
        """Addresses of the ordering service: the organisations' own, else the channel's."""
        own = tuple(address for org in self.orderer_organizations.values() for address in org.endpoints)
        return own or self.orderer_addresses

    def acl_policy(self, resource: str) -> str:
        """The reference of the policy that guards `resource` (as `qscc/GetChainInfo`); empty if none does."""
        reference = self.acls.get(resource) or DEFAULT_ACLS.get(resource, "")
        return (
            reference if reference.startswith("/") or not reference else f"/Channel/Application/{reference}"
        )

    def successor(self, config: Any) -> ChannelConfig:
        """The next configuration, checked for what may not change. Raises ChannelConfigError.

        Signature checks that were remembered remain so; identities are looked at anew.
        """
        new = ChannelConfig.from_config(self.channel_id, config, self.registry.checks)
        for section, name in (("Orderer", "orderer"), ("Application", "application")):
            if section in self.config.channel_group.groups and section not in config.channel_group.groups:
                raise ChannelConfigError(f"current config has {name} section, but new config does not")
        for kind, old_organizations, new_organizations in (
            ("orderer", self.orderer_organizations, new.orderer_organizations),
            ("application", self.application_organizations, new.application_organizations),
        ):
            for name, organization in old_organizations.items():
                mspid = new_organizations[name].mspid if name in new_organizations else organization.mspid
                if mspid != organization.mspid:
                    raise ChannelConfigError(
                        f"{kind} org {name} attempted to change MSP ID from {organization.mspid} to {mspid}"
                    )
        for kind, wanted, supported in (
            ("orderer", new.orderer_capabilities, SUPPORTED_ORDERER_CAPABILITIES),
            ("channel", new.channel_capabilities, SUPPORTED_CHANNEL_CAPABILITIES),
        ):
            for name in sorted(wanted - supported):
                reason = f"{kind.title()} capability {name} is required but not supported"
                raise ChannelConfigError(
                    "config update is not compatible: "
                    f"config requires unsupported {kind} capabilities: {reason}: {reason}"
                )
        if "V3_0" in new.channel_capabilities and "V3_0" not in self.channel_capabilities:
            for name, organization in new.orderer_organizations.items():
                if not organization.endpoints:
                    raise ChannelConfigError(
                        f"illegal orderer config update detected: endpoints of org {name} are missing"
                    )
        return new

    @classmethod
    def from_block(cls, block: Any, checks: SignatureChecks | None = None) -> ChannelConfig:
        """From a configuration block. Raises ChannelConfigError."""
        envelope = config_envelope_of(block)
        if envelope is None:
            raise ChannelConfigError("block is not a config block")
        try:
            _, header, _ = headers_of(common_pb2.Envelope.FromString(block.data.data[0]))
        except BlockError as error:
            raise ChannelConfigError(str(error)) from error
        return cls.from_config(header.channel_id, envelope.config, checks)

    @classmethod
    def from_config(
        cls, channel_id: str, config: Any, checks: SignatureChecks | None = None
    ) -> ChannelConfig:
        """From a `common.Config`; `checks` may be shared with others. Raises ChannelConfigError."""
        root = config.channel_group
        try:
            settings = _root_settings(root)
            for section, read in (("Orderer", _orderer_settings), ("Application", _application_settings)):
                settings |= _within(section, read, root)
            registry = IdentityRegistry(settings.pop("msps"), checks)
        except ChannelConfigError as error:
            raise ChannelConfigError(f"initializing channelconfig failed: {error}") from error
        try:
            policies = PolicyManager(root, registry)
        except PolicyError as error:
            raise ChannelConfigError(f"initializing policymanager failed: {error}") from error
        return cls(channel_id=channel_id, config=config, registry=registry, policies=policies, **settings)


def _within(section: str, read: Callable[[Any], dict[str, Any]], root: Any) -> dict[str, Any]:
    try:
        return read(root)
    except DecodeError as error:
        reason = f"failed to deserialize values: {WIRE_ERROR}"
        raise ChannelConfigError(f"could not create channel {section} sub-group config: {reason}") from error
    except (IdentityError, ChannelConfigError) as error:
        raise ChannelConfigError(f"could not create channel {section} sub-group config: {error}") from error


def _root_settings(root: Any) -> dict[str, Any]:
    try:
        addresses = tuple(_value(root, "OrdererAddresses", configuration_pb2.OrdererAddresses).addresses)
        capabilities = _capabilities(root)
    except DecodeError as error:
        raise ChannelConfigError(f"failed to deserialize values: {WIRE_ERROR}") from error
    if not addresses and not capabilities & ORGANIZATION_ENDPOINT_CAPABILITIES:
        raise ChannelConfigError("Must set some OrdererAddresses")
    try:
        ed25519 = ED25519_CAPABILITY in capabilities
        msps = [msp for name in ("Orderer", "Application") for msp in _msps_of(root.groups, name, ed25519)]
    except DecodeError as error:
        raise ChannelConfigError(
            "could not create channel Application sub-group config: "
            f"failed to deserialize values: {WIRE_ERROR}"
        ) from error
    except IdentityError as error:
        raise ChannelConfigError(f"setting up the MSP manager failed: {error}") from error
    return {"orderer_addresses": addresses, "channel_capabilities": capabilities, "msps": msps}


def _value(group: Any, name: str, kind: Any) -> Any:
    return kind.FromString(group.values[name].value) if name in group.values else kind()


def _capabilities(group: Any) -> frozenset[str]:
    return frozenset(_value(group, "Capabilities", configuration_pb2.Capabilities).capabilities)


def _msps_of(groups: Any, name: str, ed25519: bool) -> list[MSP]:
    if name not in groups:
        return []
    return [
        MSP.from_config_value(_value(organization, "MSP", msp_config_pb2.MSPConfig), ed25519=ed25519)
        for _, organization in sorted(groups[name].groups.items())
    ]


def _mspid(organization: Any) -> str:
    value = _value(organization, "MSP", msp_config_pb2.MSPConfig)
    return str(msp_config_pb2.FabricMSPConfig.FromString(value.config).name)


def _orderer_settings(root: Any) -> dict[str, Any]:
    if "Orderer" not in root.groups:
        return {}
    group = root.groups["Orderer"]
    batch = _value(group, "BatchSize", orderer_configuration_pb2.BatchSize)
    consensus = _value(group, "ConsensusType", orderer_configuration_pb2.ConsensusType)
    timeout = _value(group, "BatchTimeout", orderer_configuration_pb2.BatchTimeout).timeout
    try:
        batch_timeout_s = parse_duration_s(timeout)
    except ChannelConfigError as error:
        raise ChannelConfigError(f"Attempted to set the batch timeout to a invalid value: {error}") from error
    for setting, what in (
        (batch.max_message_count, "max message count"),
        (batch.absolute_max_bytes, "absolute max bytes"),
        (batch.preferred_max_bytes, "preferred max bytes"),
    ):
        if setting == 0:
            raise ChannelConfigError(f"Attempted to set the batch size {what} to an invalid value: 0")
    if batch.preferred_max_bytes > batch.absolute_max_bytes:
        raise ChannelConfigError(
            f"Attempted to set the batch size preferred max bytes ({batch.preferred_max_bytes}) greater than "
            f"the absolute max bytes ({batch.absolute_max_bytes})."
        )
    bft = "V3_0" in _capabilities(root)
    missing = [_mspid(org) for _, org in sorted(group.groups.items()) if "Endpoints" not in org.values]
    if bft and missing:
        raise ChannelConfigError(f"some orderer organizations endpoints are empty: [{' '.join(missing)}]")
    if batch_timeout_s <= 0:
        raise ChannelConfigError(f"Attempted to set the batch timeout to a non-positive value: {timeout}")
    organizations = {
        name: Organization(
            name,
            _mspid(org),
            endpoints=tuple(_value(org, "Endpoints", configuration_pb2.OrdererAddresses).addresses),
        )
        for name, org in sorted(group.groups.items())
    }
    return {
        "batch_size": BatchSize(batch.max_message_count, batch.absolute_max_bytes, batch.preferred_max_bytes),
        "batch_timeout_s": batch_timeout_s,
        "consensus_type": consensus.type,
        "consensus_state_normal": consensus.state == orderer_configuration_pb2.ConsensusType.STATE_NORMAL,
        "orderer_capabilities": _capabilities(group),
        "orderer_organizations": organizations,
    }


def _application_settings(root: Any) -> dict[str, Any]:
    if "Application" not in root.groups:
        return {}
    group = root.groups["Application"]
    organizations = {}
    for name, organization in sorted(group.groups.items()):
        anchors = _value(organization, "AnchorPeers", peer_configuration_pb2.AnchorPeers).anchor_peers
        organizations[name] = Organization(
            name, _mspid(organization), anchor_peers=tuple((peer.host, peer.port) for peer in anchors)
        )
    acls = _value(group, "ACLs", peer_configuration_pb2.ACLs).acls
    return {
        "application_capabilities": _capabilities(group),
        "application_organizations": organizations,
        "acls": {resource: acl.policy_ref for resource, acl in acls.items()},
    }
