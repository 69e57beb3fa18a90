# SPDX-License-Identifier: Apache-2.0
"""Taking certificates out of force: their authority's revocation list, on every channel of its organisation."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from commonwatt_client.admin import (
    APPLICATION,
    ORDERER,
    ChannelConfig,
    revoke_certificates,
)

from commonwatt_network.backends.registry import backend_called, nodes_of
from commonwatt_network.change.configuration import change_configuration, known_to_peers
from commonwatt_network.channels.first_transaction import operator_of
from commonwatt_network.errors import NoNetworkError, NotThereError, UsageError
from commonwatt_network.model.layout import Layout
from commonwatt_network.model.nodes import Nodes
from commonwatt_network.model.roster import ADMIN, user_attributes
from commonwatt_network.model.state import State, exclusive, read_state, require_first_start
from commonwatt_network.programs import processes
from commonwatt_network.trust import fabric_authorities
from commonwatt_network.trust.issued import note_revoked
from commonwatt_network.trust.revocations import add_to_list, certificates_in, serials_of


async def revoke_user(directory: Path, organization: str, user: str) -> tuple[str, ...]:
    """Lock `user` out for good; the channels whose peers refuse every certificate that it ever had.

    The same call again finishes an interrupted one. Raises UsageError before anything is revoked, NetworkError when the
    network does not answer.
    """
    layout = Layout(directory)
    with exclusive(layout):
        nodes = nodes_of(layout, settled_network(layout))
        _require_revocable(nodes, organization, user)
        note_revoked(layout, organization, user)
        listed = b""
        if nodes.topology.ca == "fabric-ca":
            listed = await fabric_authorities.revoke(nodes, organization, user)
        return await _take_out_of_force(nodes, organization, serials_of(layout, organization, user), listed)


async def revoke_former(nodes: Nodes, organization: str, user: str) -> tuple[str, ...]:
    """Take every certificate of `user` but its present one out of force; the channels whose peers refuse them.

    Raises NetworkError when the network does not answer.
    """
    layout = nodes.layout
    present = certificates_in(layout.user(organization, user) / "certificate.pem")
    former = serials_of(layout, organization, user) - {certificate.serial_number for certificate in present}
    if nodes.topology.ca == "fabric-ca":
        await fabric_authorities.revoke_certificates(nodes, organization, former)
    return await _take_out_of_force(nodes, organization, former)


def settled_network(layout: Layout) -> State:
    """The network as it runs. Raises UsageError where there is none, none that runs, or one that is being changed."""
    state = read_state(layout)
    if state is None:
        raise NoNetworkError(layout.directory)
    require_first_start(layout)
    if state.change:
        raise UsageError(
            f"a change of the network was interrupted ({state.change.words}); finish it with `commonwatt apply` first"
        )
    if not backend_called(state.backend).in_containers and not processes.running(layout):
        raise NotThereError(
            f"the network in {layout.directory} does not run; start it with `make network-up`"
        )
    return state


def _require_revocable(nodes: Nodes, organization: str, user: str) -> None:
    organizations = nodes.topology.organizations
    if organization not in organizations:
        raise UsageError(f"no organisation {organization}; there are: {', '.join(organizations)}")
    if user not in user_attributes(nodes, organization):
        raise UsageError(f"{organization} has no user {user}; `commonwatt topology show` prints who there is")
    if user in (ADMIN, operator_of(nodes, organization)):
        raise UsageError(
            f"{user} speaks for {organization}: without it the network cannot be started or changed; "
            f"if its key is lost, give it a new one: `commonwatt network renew {organization} {user} --new-key`"
        )


async def _take_out_of_force(
    nodes: Nodes, organization: str, serials: Iterable[int], listed: bytes = b""
) -> tuple[str, ...]:
    """Put `serials`, and what the authority's own list (PEM) has, on every channel of the organisation."""
    crl = add_to_list(nodes.layout, organization, serials, listed)
    channels = channels_of(nodes, organization)
    for channel in channels:
        await _bring_into_force(nodes, channel, organization, crl)
    return channels


def channels_of(nodes: Nodes, organization: str) -> tuple[str, ...]:
    """The channels whose configuration names the organisation."""
    orders = organization in nodes.topology.orderers.organizations
    return tuple(
        name
        for name, settings in nodes.topology.channels.items()
        if orders or organization in settings.organizations
    )


async def _bring_into_force(nodes: Nodes, channel: str, organization: str, crl: bytes) -> None:
    """Signed by the organisation's administrator alone; comes back when each peer of the channel has it."""
    mspid = nodes.topology.mspid(organization)
    section = ORDERER if organization in nodes.topology.orderers.organizations else APPLICATION

    def revoked(config: ChannelConfig) -> ChannelConfig:
        return revoke_certificates(config, section, mspid, crl)

    await change_configuration(nodes, channel, revoked, [organization])
    await known_to_peers(nodes, channel, revoked, "revoked")
