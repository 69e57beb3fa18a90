# SPDX-License-Identifier: Apache-2.0
"""Chaincode servers: another version, or other settings, beside the running ones, and every channel moved over."""

from __future__ import annotations

from commonwatt_network.change.site import Site, settle_in, stop_other_servers
from commonwatt_network.change.steps import ChangeChaincodeImage, ReplaceServers, RestartServers


async def replace_servers(site: Site, _: ReplaceServers | RestartServers | ChangeChaincodeImage) -> None:
    """New servers at new addresses; install, approve, commit; the old ones end when every member trades on the new.

    Both answer meanwhile. A transaction that the old version endorsed is committed; one that had read the old
    definition is endorsed anew.
    """
    await settle_in(site)
    stop_other_servers(site)
