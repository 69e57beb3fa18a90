"""Taking a user's certificates out of force: its authority's revocation list, on every channel of its organisation."""

from __future__ import annotations

import asyncio
from pathlib import Path

from commonwatt_client.admin import (
    APPLICATION,
    AdminError,
    ChannelConfig,
    compute_update,
    revoke_certificates,
)
from commonwatt_client.admin import AlreadyDoneError as AlreadyInForceError
from cryptography import x509

from commonwatt_network import fabric_authorities
from commonwatt_network.certificates import issue_revocations
from commonwatt_network.change.configuration import change_configuration
from commonwatt_network.deploy import peer_admin
from commonwatt_network.errors import NetworkError, UsageError
from commonwatt_network.first_transaction import operator_of
from commonwatt_network.identity import ADMIN, ensure_organization, user_attributes
from commonwatt_network.layout import Layout, write_atomically
from commonwatt_network.nodes import Nodes, Peer
from commonwatt_network.state import exclusive, read_state

PATIENCE_S = 30.0
POLL_S = 0.05


async def revoke_user(directory: Path, organization: str, user: str) -> tuple[str, ...]:
    """Lock `user` out; the channels whose peers refuse it from now on. The same call again finishes an interrupted one.

    Raises UsageError before anything is revoked, NetworkError when the network does not answer.
    """
    layout = Layout(directory)
    with exclusive(layout):
        nodes = _network(layout)
        _require_revocable(nodes, organization, user)
        if nodes.topology.ca == "fabric-ca":
            crl = await fabric_authorities.revoke(nodes, organization, user)
        else:
            crl = _revoke(layout, organization, user)
        write_atomically(_list_file(layout, organization), crl)
        members = {
            name: settings
            for name, settings in nodes.topology.channels.items()
            if organization in settings.organizations
        }
        for channel in members:
            await _bring_into_force(nodes, channel, organization, crl)
        return tuple(members)


def _network(layout: Layout) -> Nodes:
    state = read_state(layout)
    if state is None:
        raise UsageError(f"there is no network in {layout.directory}; start one with `make network-up`")
    if state.change:
        raise UsageError(
            f"a change of the network was interrupted ({state.change.words}); finish it with `commonwatt apply` first"
        )
    return state.nodes(layout)


def _require_revocable(nodes: Nodes, organization: str, user: str) -> None:
    organizations = nodes.topology.organizations
    if organization not in organizations:
        raise UsageError(f"no organisation {organization}; there are: {', '.join(organizations)}")
    if user not in user_attributes(nodes, organization):
        raise UsageError(f"{organization} has no user {user}; `commonwatt topology show` prints who there is")
    if user in (ADMIN, operator_of(nodes, organization)):
        raise UsageError(
            f"{user} speaks for {organization}: without it the network cannot be started or changed; "
            "if its key is lost, renew it (`commonwatt apply` with `certificates: {new_keys: true}`)"
        )


def _revoke(layout: Layout, organization: str, user: str) -> bytes:
    """The built-in authority's list with `user`'s certificate added to it (PEM)."""
    authority = ensure_organization(layout, organization).enrolment
    path = _list_file(layout, organization)
    former = x509.load_pem_x509_crl(path.read_bytes()) if path.exists() else None
    certificate = layout.user(organization, user) / "certificate.pem"
    revoked = x509.load_pem_x509_certificate(certificate.read_bytes())
    return issue_revocations(authority, former, revoked.serial_number)


def _list_file(layout: Layout, organization: str) -> Path:
    return layout.organization(organization) / "ca" / "crl.pem"


async def _bring_into_force(nodes: Nodes, channel: str, organization: str, crl: bytes) -> None:
    """Signed by the organisation's administrator alone; comes back when each peer of the channel has it."""
    mspid = nodes.topology.mspid(organization)

    def revoked(config: ChannelConfig) -> ChannelConfig:
        return revoke_certificates(config, APPLICATION, mspid, crl)

    async def known_to(peer: Peer) -> None:
        async with peer_admin(nodes, peer) as admin:
            while True:
                current = await admin.fetch_config(channel)
                try:
                    compute_update(current, revoked(current))
                except AlreadyInForceError:
                    return
                await asyncio.sleep(POLL_S)

    await change_configuration(nodes, channel, revoked, [organization])
    try:
        async with asyncio.timeout(PATIENCE_S):
            await asyncio.gather(*(known_to(peer) for peer in nodes.peers_of(channel)))
    except (TimeoutError, AdminError) as error:
        raise NetworkError(
            f"revoked, but not every peer of channel {channel} has taken it in ({error or 'no answer in time'}); "
            "start what does not run with `make network-up`: it will"
        ) from error
