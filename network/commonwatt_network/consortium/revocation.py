# SPDX-License-Identifier: Apache-2.0
"""A user of an organisation locked out for good: on every channel of the organisation, by its own signature alone."""

from __future__ import annotations

from commonwatt_client.admin import (
    APPLICATION,
    ORDERER,
    ChannelConfig,
    compute_update,
    revoke_certificates,
    sign_update,
)

from commonwatt_network.consortium.growth import administrator, bring_into_force, own_peer
from commonwatt_network.consortium.host import OwnHost
from commonwatt_network.consortium.membership import Say
from commonwatt_network.consortium.update import UpdateReview
from commonwatt_network.errors import UsageError
from commonwatt_network.model.roster import ADMIN
from commonwatt_network.model.state import exclusive
from commonwatt_network.trust.issued import note_revoked, read_record
from commonwatt_network.trust.revocations import add_to_list, serials_of


async def revoke(host: OwnHost, user: str, say: Say) -> None:
    """Put every certificate that the user ever had on the channels' revocation lists.

    The same call again finishes an interrupted one. Raises UsageError before anything is revoked, WaitingError while
    no orderer takes the update.
    """
    known = user in host.users() or user in read_record(host.layout, host.name).serials
    if not known:
        raise UsageError(f"{host.name} has no user {user}; there are: {', '.join(host.users())}")
    if user == ADMIN or user in (node.name for node in host.fabric_nodes):
        raise UsageError(f"{user} speaks for {host.name}: without it nothing could be signed or served")
    with exclusive(host.layout):
        note_revoked(host.layout, host.name, user)
        crl = add_to_list(host.layout, host.name, serials_of(host.layout, host.name, user))
    async with own_peer(host) as admin:
        for channel in sorted(await admin.list_channels()):
            config = await admin.fetch_config(channel)
            if not _listed(config, host.mspid, crl):
                desired = _with_list(config, host.mspid, crl)
                update = compute_update(config, desired)
                signature = await sign_update(update, *administrator(host))
                await bring_into_force(
                    host,
                    admin,
                    UpdateReview(config, desired, (), ()),
                    update,
                    [signature],
                    lambda found: _listed(found, host.mspid, crl),
                )
            say(f"channel {channel}: {user} of {host.mspid} is revoked")


def _with_list(config: ChannelConfig, mspid: str, crl: bytes) -> ChannelConfig:
    """An organisation that orders too has one MSP, in two places: Fabric wants them equal."""
    for section, organizations in (
        (APPLICATION, config.application_organizations),
        (ORDERER, config.orderer_organizations),
    ):
        if mspid in organizations:
            config = revoke_certificates(config, section, mspid, crl)
    return config


def _listed(config: ChannelConfig, mspid: str, crl: bytes) -> bool:
    both = (*config.application_organizations.values(), *config.orderer_organizations.values())
    return all(crl in each.revocation_lists for each in both if each.mspid == mspid)
