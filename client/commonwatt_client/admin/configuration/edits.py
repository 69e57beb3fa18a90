# SPDX-License-Identifier: Apache-2.0
"""Changes to a running channel, one function each: from the configuration in force to the one wanted.

Each returns a new `ChannelConfig`; `compute_update` of the two is what organisations sign. Edits compose. One that
would lock everybody out, or that nodes accept and then fail over, raises InvalidInputError.
"""

import re
from collections.abc import Iterable
from typing import Any

from fabric_protos.common import configtx_pb2, configuration_pb2
from fabric_protos.orderer import configuration_pb2 as orderer_configuration_pb2
from fabric_protos.peer import configuration_pb2 as peer_configuration_pb2

from commonwatt_client.admin.configuration.groups import (
    APPLICATION,
    CHANNEL,
    ORDERER,
    edited,
    organization_of,
    section_of,
    set_value,
)
from commonwatt_client.errors import InvalidInputError, NotFoundError
from commonwatt_client.ledger.configuration import BatchSize, ChannelConfig, msp_of
from commonwatt_client.ledger.wire import parse


def add_organization(config: ChannelConfig, section: str, name: str, group: bytes) -> ChannelConfig:
    """Add an organisation to the `APPLICATION` or `ORDERER` section.

    group: its serialized ``common.ConfigGroup`` (MSP and policies), which its own administrator makes.

    ::

        group = Path("harbour.group").read_bytes()
        desired = add_organization(await peer.fetch_config("newtown"), APPLICATION, "HarbourMSP", group)
    """

    def edit(root: Any) -> None:
        organizations = section_of(root, section).groups
        if name in organizations:
            raise InvalidInputError(f"{name} is in {section} already")
        added = parse(configtx_pb2.ConfigGroup, group)
        mspid = msp_of(added).name
        if not mspid or not added.policies:
            raise InvalidInputError(f"the group of {name} lacks an MSP or policies")
        taken = [other for other, present in organizations.items() if msp_of(present).name == mspid]
        if taken:
            raise InvalidInputError(f"MSP id {mspid} of {name} is that of {taken[0]}")
        organizations[name].CopyFrom(added)

    return edited(config, edit)


def remove_organization(config: ChannelConfig, section: str, name: str) -> ChannelConfig:
    """Remove an organisation. Its consenters have to go first; the last organisation of a section stays.

    ::

        desired = remove_organization(await peer.fetch_config("newtown"), APPLICATION, "GridMSP")
    """

    def edit(root: Any) -> None:
        organizations = section_of(root, section).groups
        if name not in organizations:
            raise NotFoundError(f"{name} is not in {section} of {config.channel!r}")
        if len(organizations) == 1:
            raise InvalidInputError(
                f"{name} is the last organisation of {section}: nobody could sign any more"
            )
        if section == ORDERER:
            mspid = msp_of(organizations[name]).name
            endpoints = set(config.orderer_organizations[name].orderer_endpoints)
            left = [c.address for c in config.consenters if c.mspid == mspid or c.address in endpoints]
            if left:
                raise InvalidInputError(
                    f"{name} still runs consenters: {', '.join(left)}",
                    advice="remove them first, one at a time",
                )
        del organizations[name]

    return edited(config, edit)


def set_anchor_peers(config: ChannelConfig, organization: str, addresses: Iterable[str]) -> ChannelConfig:
    """Name an organisation's anchor peers, as ``host:port``; none removes them all.

    ::

        desired = set_anchor_peers(await peer.fetch_config("newtown"), "NewtownMSP", ["peer.example:7051"])
    """
    anchors = [
        peer_configuration_pb2.AnchorPeer(host=host, port=port) for host, port in map(_host_port, addresses)
    ]
    message = peer_configuration_pb2.AnchorPeers(anchor_peers=anchors) if anchors else None
    return edited(
        config,
        lambda root: set_value(organization_of(root, APPLICATION, organization), "AnchorPeers", message),
    )


def set_orderer_endpoints(
    config: ChannelConfig, organization: str, addresses: Iterable[str]
) -> ChannelConfig:
    """Set the addresses, ``host:port``, at which an organisation's orderers serve clients and peers.

    ::

        desired = set_orderer_endpoints(await peer.fetch_config("newtown"), "OrdererMSP", ["orderer.example:7050"])
    """
    listed = list(addresses)
    for address in listed:
        _host_port(address)
    if not listed:
        raise InvalidInputError(f"{organization} needs at least one orderer endpoint")
    message = configuration_pb2.OrdererAddresses(addresses=listed)
    return edited(
        config, lambda root: set_value(organization_of(root, ORDERER, organization), "Endpoints", message)
    )


def set_batch(
    config: ChannelConfig, *, size: BatchSize | None = None, timeout_s: float | None = None
) -> ChannelConfig:
    """Change when blocks are cut: by size, and after a wait in seconds (to the millisecond).

    ::

        desired = set_batch(await peer.fetch_config("newtown"), timeout_s=0.3)
    """

    def edit(root: Any) -> None:
        group = section_of(root, ORDERER)
        if size is not None:
            if not (
                0 < size.max_message_count < 2**32
                and 0 < size.preferred_max_bytes <= size.absolute_max_bytes < 2**32
            ):
                raise InvalidInputError(f"{size}: counts and bytes are above 0, preferred at most absolute")
            message = orderer_configuration_pb2.BatchSize(
                max_message_count=size.max_message_count,
                absolute_max_bytes=size.absolute_max_bytes,
                preferred_max_bytes=size.preferred_max_bytes,
            )
            set_value(group, "BatchSize", message)
        if timeout_s is not None:
            if not 0.001 <= timeout_s < 1e9:
                raise InvalidInputError(
                    f"a batch timeout of {timeout_s} s is less than a millisecond, or absurd"
                )
            timeout = orderer_configuration_pb2.BatchTimeout(timeout=f"{round(timeout_s * 1000)}ms")
            set_value(group, "BatchTimeout", timeout)

    return edited(config, edit)


def set_capability(config: ChannelConfig, section: str, name: str) -> ChannelConfig:
    """Require a capability level, such as ``V3_0``, of all nodes: in `CHANNEL`, `ORDERER` or `APPLICATION`.

    Nodes of a Fabric version that does not know it stop at this block: upgrade every one of them first.

    ::

        desired = set_capability(await peer.fetch_config("newtown"), CHANNEL, "V3_0")
    """
    if not re.fullmatch(r"V[0-9]+_[0-9]+(_[0-9]+)?", name):
        raise InvalidInputError(f"{name!r} is not a capability such as V2_5")
    message = configuration_pb2.Capabilities()
    message.capabilities[name].SetInParent()
    return edited(
        config,
        lambda root: set_value(
            root if section == CHANNEL else section_of(root, section), "Capabilities", message
        ),
    )


def _host_port(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise InvalidInputError(f"{address!r} is not host:port")
    return host, int(port)
