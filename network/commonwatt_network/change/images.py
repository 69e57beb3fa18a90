# SPDX-License-Identifier: Apache-2.0
"""Other container images under a running network: Fabric's next patch, a contract built anew."""

from __future__ import annotations

from commonwatt_network.change.membership import nothing
from commonwatt_network.change.servers import replace_servers
from commonwatt_network.change.site import Site, describe, restart
from commonwatt_network.change.steps import ChangeChaincodeImage, ChangeImages
from commonwatt_network.change.witness import trading
from commonwatt_network.model.nodes import Nodes
from commonwatt_network.programs.readiness import find_leader


async def change_images(site: Site, step: ChangeImages) -> None:
    """Orderers, then peers, each once trade goes on after the one before; elsewhere the images count for rendering."""
    if not site.backend.in_containers:
        await nothing(site, step)
        return
    old, new = site.before.topology.images, site.nodes.topology.images
    orderers = await _leaders_last(site.before) if old.orderer != new.orderer else []
    peers = [node.name for node in site.nodes.peers if old.peer != new.peer]
    async with trading(site.before) as back:
        await back()
        for name in (*orderers, *peers):
            await restart(site, [name])
            await back()
    await describe(site)


async def _leaders_last(nodes: Nodes) -> list[str]:
    """The orderers, those last that lead a channel now: so each channel elects another leader once, not three times."""
    leaders = {await find_leader(nodes, channel) for channel in nodes.topology.channels}
    return sorted((orderer.name for orderer in nodes.orderers), key=leaders.__contains__)


async def change_chaincode_image(site: Site, step: ChangeChaincodeImage) -> None:
    """New servers beside the old ones, as for another version."""
    await (replace_servers(site, step) if site.backend.in_containers else nothing(site, step))
