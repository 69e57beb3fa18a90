"""Chaincode servers: another version beside the running one, and every channel moved over."""

from __future__ import annotations

from commonwatt_network.change.site import Site, restart, settle_in, stop_other_servers
from commonwatt_network.change.steps import ReplaceServers, RestartServers


async def replace_servers(site: Site, _: ReplaceServers) -> None:
    """New servers at new addresses; install, approve, commit; the old ones end when every member trades on the new.

    Both answer meanwhile: what was endorsed by the old version is committed or, having read the old definition,
    endorsed anew.
    """
    await settle_in(site)
    stop_other_servers(site)


async def restart_servers(site: Site, step: RestartServers) -> None:
    """One organisation's servers after the other's, at the same addresses."""
    names = [server.name for server in site.nodes.chaincode_servers if server.chaincode == step.chaincode]
    await restart(site, names)
    await settle_in(site)
