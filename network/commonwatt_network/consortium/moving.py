# SPDX-License-Identifier: Apache-2.0
"""An organisation's nodes that come, go or move: on its own host first, then on its channels.

It tells the channels itself where its orderers are, and which peer others meet first: its own administrator signs for
these alone. The members agree to its orderers as such (`agreement`).
"""

from __future__ import annotations

import shutil
from pathlib import Path

from commonwatt_client.admin import ChannelConfig, set_anchor_peers, set_orderer_endpoints

from commonwatt_network.channels.genesis import hosts_of
from commonwatt_network.consortium.agreement import issued_to
from commonwatt_network.consortium.bundle import own_bundle
from commonwatt_network.consortium.host import (
    OwnHost,
    as_before,
    init_host,
    keep_description,
    open_host,
    refuse_another,
    settle_host,
)
from commonwatt_network.consortium.membership import Say
from commonwatt_network.consortium.organization import OrganizationDescription
from commonwatt_network.consortium.own_update import update_alone
from commonwatt_network.consortium.renewal import restart
from commonwatt_network.errors import UsageError
from commonwatt_network.model.nodes import HOST, Orderer, Peer
from commonwatt_network.model.state import exclusive
from commonwatt_network.programs import processes
from commonwatt_network.trust.certificates import issue_tls, read_key_pair
from commonwatt_network.trust.identity import Authorities, ensure_organization
from commonwatt_network.trust.pairs import tls_pair, write_pair


async def change_host(description: OrganizationDescription, directory: Path, say: Say) -> OwnHost:
    """Let the organisation have the nodes of `description`: keys for those that come, certificates for new addresses.

    A node that moves is started again, if it ran. Those that come wait for `start_host`, those that go for `announce`.
    Raises UsageError for another organisation's description.
    """
    before = open_host(directory)
    refuse_another(before.description, description, before.layout)
    description = as_before(description, before.description)
    host = settle_host(description, directory)
    kept = {node.name: node for node in before.fabric_nodes}
    running = processes.running(before.layout)
    former = sorted(running.keys() & {node.name for node in host.fabric_nodes} - kept.keys())
    if former:
        raise UsageError(
            f"{former[0]} still runs, from before it went; end it with `commonwatt org announce`"
        )
    moved = []
    with exclusive(host.layout):
        authorities = ensure_organization(host.layout, host.name)
        for node in host.fabric_nodes:
            if node.name not in kept:
                _forget_former(node)
                say(f"{node.name} comes, at {node.address}")
            elif node != kept[node.name]:
                say(f"{node.name} moves from {kept[node.name].address} to {node.address}")
                _name_host(node, authorities, description.days_valid)
                moved.append(node.name)
        for name in kept.keys() - {node.name for node in host.fabric_nodes}:
            say(f"{name} goes; `commonwatt org announce` ends it once the members have agreed")
        keep_description(host)
    host = init_host(description, directory)
    if not host.in_containers:
        await restart(host, moved)
    return host


async def announce(host: OwnHost, say: Say) -> None:
    """Tell every channel where this organisation's nodes are, and end the nodes that it has no longer.

    An orderer's address stays on a channel as long as the members have not agreed to another. Raises WaitingError
    while no orderer takes the update; the same call again goes on.
    """
    leaving = False

    def done(config: ChannelConfig) -> None:
        nonlocal leaving
        say(f"channel {config.channel} knows where {host.name}'s nodes are")
        for address in _former_consenters(config, host):
            leaving = True
            say(
                f"channel {config.channel}: {address} orders until the members do `commonwatt consortium agree "
                f"{host.name}`"
            )

    await update_alone(host, lambda config: with_addresses(config, host), done)
    ended = [] if leaving else _end_former(host)
    if ended:
        say(f"ended {', '.join(ended)}")


def with_addresses(config: ChannelConfig, host: OwnHost) -> ChannelConfig:
    """The configuration with the addresses of the organisation's nodes as its host has them now."""
    anchors = [host.peers[0].address]
    member = config.application_organizations.get(host.mspid)
    if member is not None and list(member.anchor_peers) != anchors:
        config = set_anchor_peers(config, host.mspid, anchors)
    ordering = config.orderer_organizations.get(host.mspid)
    endpoints = [*(orderer.address for orderer in host.orderers), *_former_consenters(config, host)]
    if ordering is not None and endpoints and set(ordering.orderer_endpoints) != {*endpoints}:
        config = set_orderer_endpoints(config, host.mspid, endpoints)
    return config


def _former_consenters(config: ChannelConfig, host: OwnHost) -> list[str]:
    """Where orderers of this organisation are on the channel, and no longer on its host."""
    bundle = own_bundle(host)
    own = {orderer.address for orderer in host.orderers}
    return [each.address for each in config.consenters if each.address not in own and issued_to(bundle, each)]


def _end_former(host: OwnHost) -> list[str]:
    own = {node.name for node in (*host.fabric_nodes, *host.chaincode_servers)}
    former = {name: group for name, group in processes.running(host.layout).items() if name not in own}
    processes.stop(process for group in former.values() for process in group)
    return sorted(former)


def _forget_former(node: Orderer | Peer) -> None:
    """An orderer of that name that was here before and went is not this one: it gets keys and a log of its own."""
    if isinstance(node, Orderer):
        shutil.rmtree(node.directory, ignore_errors=True)
        shutil.rmtree(node.ledger, ignore_errors=True)


def _name_host(node: Orderer | Peer, authorities: Authorities, days: int) -> None:
    """The node's TLS certificate for the key that it has, with the address at which it is dialled now."""
    pair = tls_pair(node.tls_directory)
    present = read_key_pair(pair.certificate, pair.key)
    if node.host in hosts_of(present.certificate):
        return
    hosts = dict.fromkeys((node.name, "localhost", HOST, node.host))
    made = issue_tls(authorities.tls, node.name, hosts, days, present.key)
    write_pair(pair, made.chain_pem, made.key_pem)
