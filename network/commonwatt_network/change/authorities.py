# SPDX-License-Identifier: Apache-2.0
"""An organisation's further authorities, and a renewed one: channels know them before a certificate is issued.

Members and operators of an authority count once each channel's configuration names it. Its Readers policy matches one
path of authorities by a hash, so the same update names the new path there too.
"""

from __future__ import annotations

from pathlib import Path

from commonwatt_client.admin import ChannelConfig
from cryptography import x509

from commonwatt_network.backends.registry import nodes_of
from commonwatt_network.change.configuration import change_configuration, known_to_peers
from commonwatt_network.change.revocation import channels_of, settled_network
from commonwatt_network.channels.readers import with_authorities
from commonwatt_network.errors import UsageError
from commonwatt_network.model.layout import Layout, write_atomically
from commonwatt_network.model.state import exclusive
from commonwatt_network.trust.further import (
    keep_further,
    merged,
    pem_of,
    read_further,
    refuse_below_issuing,
    refuse_later,
    roots_and_intermediates,
)
from commonwatt_network.trust.identity import ensure_organization

LONGEST_FILE = 1 << 20


async def trust_authorities(directory: Path, organization: str, content: bytes) -> tuple[str, ...]:
    """Let the authorities in `content` (PEM) issue for the organisation; the channels that know them now.

    One with the key of an authority that is known is that one renewed, and takes its place. The same call again
    finishes an interrupted one. Raises UsageError before anything is changed, NetworkError where the network does not
    answer.
    """
    given = _read(content)
    layout = Layout(directory)
    with exclusive(layout):
        state = settled_network(layout)
        nodes = nodes_of(layout, state)
        topology = state.topology
        known = {**topology.orderers.organizations, **topology.organizations}
        if organization not in known:
            raise UsageError(f"no organisation {organization}; there are: {', '.join(known)}")
        own = ensure_organization(layout, organization).enrolment.certificate
        before = [own, *read_further(layout, organization)]
        after = merged(before, given)
        refuse_below_issuing(before, after)
        refuse_later(before, after)
        roots, intermediates = roots_and_intermediates(after)
        mspid = topology.mspid(organization)

        def trusting(config: ChannelConfig) -> ChannelConfig:
            return with_authorities(config, mspid, roots, intermediates)

        channels = channels_of(nodes, organization)
        for channel in channels:
            await change_configuration(nodes, channel, trusting, [organization])
            await known_to_peers(nodes, channel, trusting, "trusted")
        keep_further(layout, organization, after[1:])
        write_atomically(layout.organization(organization) / "ca" / "ca.crt", pem_of(after[0]))
        return channels


def _read(content: bytes) -> list[x509.Certificate]:
    if len(content) > LONGEST_FILE:
        raise UsageError(f"{len(content)} bytes are no list of authorities: {LONGEST_FILE} at most")
    try:
        return x509.load_pem_x509_certificates(content)
    except ValueError as error:
        raise UsageError(f"this is no list of certificates in PEM: {error}") from error
