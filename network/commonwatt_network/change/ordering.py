# SPDX-License-Identifier: Apache-2.0
"""Orderers that come and go, one consenter at a time, and when they cut blocks."""

from __future__ import annotations

import asyncio

from commonwatt_client.admin import (
    ORDERER,
    AdminError,
    BatchSize,
    ChannelConfig,
    ChannelExistsError,
    ChannelNotFoundError,
    Consenter,
    add_consenter,
    add_organization,
    remove_consenter,
    set_batch,
    set_orderer_endpoints,
)

from commonwatt_network.change.configuration import change_configuration, fetch_config_block
from commonwatt_network.change.site import (
    Site,
    describe,
    issue_missing,
    start,
    withdraw,
)
from commonwatt_network.change.steps import AddOrderer, ChangeBatch, RemoveOrderer
from commonwatt_network.channels.deploy import orderer_admin
from commonwatt_network.channels.genesis import orderer_entry
from commonwatt_network.model.nodes import Nodes, Orderer
from commonwatt_network.model.topology_parts import Batch
from commonwatt_network.programs import readiness

PATIENCE_S = 30.0
POLL_S = 0.1


async def change_batch(site: Site, step: ChangeBatch) -> None:
    """One configuration update; every orderer cuts by it from the next block on."""
    await change_configuration(
        site.nodes, step.channel, lambda config: _with_batch(config, step.batch), orderer_signers(site.nodes)
    )


async def add_orderer(site: Site, step: AddOrderer) -> None:
    """The process first; then, channel by channel, its place among the consenters, and at once its joining."""
    [orderer] = [node for node in site.nodes.orderers if node not in site.before.orderers]
    await issue_missing(site)
    await start(site)
    consenter = consenter_of(site.named_as(orderer))
    mspid = site.nodes.topology.mspid(step.organization)
    for channel, settings in site.nodes.topology.channels.items():
        entry = orderer_entry(site.named, step.organization, settings.readers)
        group = entry.SerializeToString(deterministic=True)

        def with_orderer(config: ChannelConfig, group: bytes = group) -> ChannelConfig:
            if mspid not in config.orderer_organizations:
                config = add_organization(config, ORDERER, mspid, group)
            known = {each.address for each in config.consenters}
            return config if consenter.address in known else add_consenter(config, consenter)

        await change_configuration(site.before, channel, with_orderer, orderer_signers(site.before))
        await _join(site, orderer, channel)
        await _tell_endpoints(site, step.organization, channel)
    await site.backend.wait_leaders(site.nodes, site.nodes.topology.channels)
    await describe(site)


async def remove_orderer(site: Site, step: RemoveOrderer) -> None:
    """Peers and clients forget it, then the consenters, then it is stopped."""
    [orderer] = [node for node in site.before.orderers if node not in site.nodes.orderers]
    address = site.named_as(orderer).address
    for channel in site.nodes.topology.channels:
        await _tell_endpoints(site, step.organization, channel)

        def without(config: ChannelConfig) -> ChannelConfig:
            known = {each.address for each in config.consenters}
            return remove_consenter(config, address) if address in known else config

        await change_configuration(site.nodes, channel, without, orderer_signers(site.nodes))
        if await readiness.accepts(orderer):
            await _leave(site, orderer, channel)
    await withdraw(site, [orderer])
    await site.backend.wait_leaders(site.nodes, site.nodes.topology.channels)
    await describe(site)


def orderer_signers(nodes: Nodes) -> list[str]:
    """The organisations whose administrators sign what concerns the ordering."""
    return list(nodes.topology.orderers.organizations)


def consenter_of(orderer: Orderer, certificate: bytes | None = None) -> Consenter:
    """The orderer's entry among a channel's consenters; with the certificate it shows now, or another (PEM)."""
    certificate = certificate or (orderer.tls_directory / "server.crt").read_bytes()
    return Consenter(orderer.host, orderer.port, certificate, certificate)


async def _join(site: Site, orderer: Orderer, channel: str) -> None:
    async with orderer_admin(site.nodes, orderer) as admin:
        if channel in await admin.list_channels():
            return
        block = await fetch_config_block(site.before, channel, site.before.orderers)
        try:
            await admin.join_channel(block)
        except ChannelExistsError:
            return


async def _leave(site: Site, orderer: Orderer, channel: str) -> None:
    """Let the orderer forget the channel. One that has just started, or been told to, is asked again."""
    deadline = asyncio.get_running_loop().time() + PATIENCE_S
    while True:
        try:
            async with orderer_admin(site.before, orderer) as admin:
                await admin.remove_channel(channel)
            return
        except ChannelNotFoundError:
            return  # an interrupted removal had got this far
        except AdminError:
            if asyncio.get_running_loop().time() > deadline:
                raise
        await asyncio.sleep(POLL_S)


async def _tell_endpoints(site: Site, organization: str, channel: str) -> None:
    addresses = [node.address for node in site.named.orderers if node.organization == organization]
    mspid = site.nodes.topology.mspid(organization)
    await change_configuration(
        site.nodes,
        channel,
        lambda config: set_orderer_endpoints(config, mspid, addresses),
        orderer_signers(site.nodes),
    )


def _with_batch(config: ChannelConfig, batch: Batch) -> ChannelConfig:
    size = BatchSize(batch.max_messages, batch.absolute_bytes, batch.preferred_bytes)
    return set_batch(config, size=size, timeout_s=batch.timeout_ms / 1000)
