# SPDX-License-Identifier: Apache-2.0
"""A new version of the contract, by consent: each organisation installs and approves it, and turns to it in force."""

from __future__ import annotations

import asyncio

from commonwatt_network.channels.deploy import peer_admin
from commonwatt_network.consortium.host import OwnHost
from commonwatt_network.consortium.membership import Say, approve, committed_definition, install
from commonwatt_network.consortium.renewal import restart
from commonwatt_network.errors import UsageError
from commonwatt_network.programs import processes

POLL_S = 0.5
CHAINCODE_ID = "CHAINCODE_ID"


async def upgrade(host: OwnHost, wait_s: float, say: Say) -> bool:
    """Approve the version of this organisation's description on all its channels; whether it is in force.

    On this host its programs serve it then; containers are for their engine to start again.

    `wait_s`: how long to wait for the others' approvals. Until it is in force the former version serves. The same call
    again goes on.
    """
    channels = [path.stem for path in sorted(host.layout.blocks.glob("*.block"))]
    if not channels:
        raise UsageError(f"{host.name} is on no channel; join one with `commonwatt org join BLOCK`")
    await install(host, say)
    for channel in channels:
        await approve(host, channel, wait_s, say)
    version = host.description.chaincode.version
    waiting = await _wait_in_force(host, channels, version, wait_s)
    if waiting:
        say(
            f"channel {', '.join(waiting)}: {version} is not in force yet; the former version serves. The same command "
            "again goes on, once the others have approved"
        )
        return False
    if host.in_containers:
        say(in_force_for_containers(host))
        return True
    stale = _stale_servers(host)
    await restart(host, stale)
    say(f"chaincode {version} serves" if stale else f"chaincode {version} served already")
    return True


def in_force_for_containers(host: OwnHost) -> str:
    """What to do once the version is in force: this command does not start containers."""
    chaincode = host.description.chaincode
    return (
        f"{chaincode.name} {chaincode.version} is in force, and the container of the former version still runs: repeat "
        f"`commonwatt org render`, and start it again under {host.description.backend}"
    )


async def _wait_in_force(host: OwnHost, channels: list[str], version: str, wait_s: float) -> list[str]:
    """The channels on which the version is not in force after `wait_s`."""
    deadline = asyncio.get_running_loop().time() + wait_s
    name = host.description.chaincode.name
    while True:
        waiting = []
        async with peer_admin(host, host.peers[0]) as admin:
            for channel in channels:
                definition = await committed_definition(admin, channel, name)
                if definition is None or definition.version != version:
                    waiting.append(channel)
        if not waiting or asyncio.get_running_loop().time() > deadline:
            return waiting
        await asyncio.sleep(POLL_S)


def _stale_servers(host: OwnHost) -> list[str]:
    """The chaincode servers that run for another package than the organisation's peers ask for now."""
    alive = processes.running(host.layout)
    wanted = host.package.package_id
    return [
        server.name
        for server in host.chaincode_servers
        if server.name in alive and alive[server.name][0].environ().get(CHAINCODE_ID) != wanted
    ]
