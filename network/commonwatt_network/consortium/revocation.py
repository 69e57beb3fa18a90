# SPDX-License-Identifier: Apache-2.0
"""A user of an organisation locked out for good: on every channel of the organisation, by its own signature alone."""

from __future__ import annotations

from commonwatt_client.admin import (
    APPLICATION,
    ORDERER,
    ChannelConfig,
    revoke_certificates,
)

from commonwatt_network.consortium.host import OwnHost
from commonwatt_network.consortium.membership import Say
from commonwatt_network.consortium.own_update import update_alone
from commonwatt_network.errors import UsageError
from commonwatt_network.model.roster import ADMIN
from commonwatt_network.model.state import exclusive
from commonwatt_network.trust.further import read_further
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
    former = read_further(host.layout, host.name)
    if former:
        raise UsageError(
            f"{former[0].subject.rfc4514_string()} issued certificates that count still, and its revocation list is "
            "its own signature. Renew everything with `commonwatt org renew --before-days 365`, or `org request` and "
            "`org certify`. Then drop the former authorities: `commonwatt org authorities --drop-former`"
        )
    with exclusive(host.layout):
        note_revoked(host.layout, host.name, user)
        crl = add_to_list(host.layout, host.name, serials_of(host.layout, host.name, user))
    await update_alone(
        host,
        lambda config: _with_list(config, host.mspid, crl),
        lambda config: say(f"channel {config.channel}: {user} of {host.mspid} is revoked"),
    )


def _with_list(config: ChannelConfig, mspid: str, crl: bytes) -> ChannelConfig:
    """An organisation that orders too has one MSP, in two places: Fabric wants them equal."""
    for section, organizations in (
        (APPLICATION, config.application_organizations),
        (ORDERER, config.orderer_organizations),
    ):
        if mspid in organizations:
            config = revoke_certificates(config, section, mspid, crl)
    return config
