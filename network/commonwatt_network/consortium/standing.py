# SPDX-License-Identifier: Apache-2.0
"""How an organisation stands on its channels: what runs, how far its peers are, and who is waited for."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

from commonwatt_client import ClientError
from commonwatt_client.admin import ChannelConfig
from commonwatt_client.admin.configuration.checks import bft_quorum

from commonwatt_network.channels.deploy import peer_admin
from commonwatt_network.channels.readers import readers_mistakes
from commonwatt_network.consortium.host import OwnHost
from commonwatt_network.consortium.membership import (
    committed_definition,
    next_definition,
    own_config,
    silent_orderers,
)
from commonwatt_network.errors import UsageError
from commonwatt_network.programs import processes
from commonwatt_network.programs.readiness import connects

QUERY_TIMEOUT_S = 5.0


async def host_standing(host: OwnHost) -> dict[str, Any]:
    """As a JSON object: `processes` (name -> running, suspended, stopped or waiting), `ended` and `channels`.

    Of nodes in containers, `processes` says running or silent, as they answer where the others dial them or not.

    A waiting orderer has lost its log and does not run before it is readmitted. `ended`: of processes that don't run
    while others do, and have run, name -> `log` (file) and `last_words`.

    Per channel:

    - `heights`: peer -> blocks, null where it does not answer
    - `silent_orderers`
    - `no_quorum`: "1 of 3 orderers" when too few answer to order anything, else null
    - `wide_readers`: who lets others read than operators, in words, where not every organisation does
    - `committed`: the chaincode's version, null before it is in force
    - `waiting_for`: MSP ids that have yet to approve the version that this host runs
    - `not_possible`: why the channel cannot have the market that this host is for, else null
    """
    alive = processes.running(host.layout)
    nodes = [node.name for node in (*host.fabric_nodes, *host.chaincode_servers)]
    states = {name: processes.state_of(alive.get(name, ())) for name in nodes}
    if host.in_containers:
        answers = await asyncio.gather(*(connects(node.address) for node in host.fabric_nodes))
        states = {
            node.name: "running" if answer else "silent"
            for node, answer in zip(host.fabric_nodes, answers, strict=True)
        }
    states |= {orderer.name: "waiting" for orderer in host.waiting_orderers}
    ended = [name for name, state in states.items() if state == "stopped" and alive]
    blocks = sorted(host.layout.blocks.glob("*.block"))
    configs = [own_config(host, path.stem) for path in blocks]
    channels = await asyncio.gather(*(_channel(host, config) for config in configs))
    return {
        "organization": host.name,
        "mspid": host.mspid,
        "processes": states,
        "ended": {
            name: {"log": str(log), "last_words": processes.last_words(host.layout, name)}
            for name in ended
            if (log := processes.log_file(host.layout, name)).exists()
        },
        "channels": {config.channel: channel for config, channel in zip(configs, channels, strict=True)},
    }


async def _channel(host: OwnHost, config: ChannelConfig) -> dict[str, Any]:
    channel = config.channel
    heights: dict[str, int | None] = {}
    committed: str | None = None
    wide: tuple[str, ...] = ()
    missing: list[str] = []
    not_possible: str | None = None
    for peer in host.peers:
        heights[peer.name] = None
        try:
            async with asyncio.timeout(QUERY_TIMEOUT_S), peer_admin(host, peer) as admin:
                heights[peer.name] = (await admin.get_chain_info(channel)).height
                config = await admin.fetch_config(channel)  # orderers may have come since the first block
                wide = tuple(readers_mistakes(config))
                definition = await committed_definition(admin, channel, host.description.chaincode.name)
                committed = definition.version if definition else None
                try:
                    wanted = await next_definition(host, admin, channel)
                except UsageError as error:
                    not_possible = str(error)
                    continue
                if definition == wanted:
                    found = await admin.query_committed_chaincode_definition(channel, wanted.name)
                    missing = sorted(mspid for mspid, approved in found.approvals.items() if not approved)
                else:
                    missing = list((await admin.check_commit_readiness(channel, wanted)).missing)
        except (ClientError, TimeoutError):
            continue
    silent = await silent_orderers(config)
    total = len(config.consenters)
    answering = total - len(silent)
    needed = bft_quorum(total) if config.consensus_type == "BFT" else total // 2 + 1
    return {
        "heights": heights,
        "silent_orderers": list(silent),
        "no_quorum": f"{answering} of {total} orderers" if answering < needed else None,
        "wide_readers": list(wide),
        "committed": committed,
        "waiting_for": missing,
        "not_possible": not_possible,
    }


def describe_standing(standing: dict[str, Any]) -> Iterator[str]:
    """The same in words, one line each."""
    running = ", ".join(f"{name} {state}" for name, state in standing["processes"].items())
    yield f"{standing['organization']} ({standing['mspid']}): {running}"
    for name, entry in standing["ended"].items():
        yield f"{name} has ended; its log is {entry['log']}, its last words: {entry['last_words'] or 'none'}"
    for name, state in standing["processes"].items():
        if state == "waiting":
            yield (
                f"{name} waits to be readmitted, for its log is lost: the other members do "
                f"`commonwatt consortium readmit {standing['organization']}`, then join with --newest"
            )
    for channel, entry in standing["channels"].items():
        heights = ", ".join(
            f"{peer} {'does not answer' if height is None else f'{height} blocks'}"
            for peer, height in entry["heights"].items()
        )
        yield f"channel {channel}: {heights}"
        if entry["no_quorum"]:
            yield f"channel {channel}: no quorum: {entry['no_quorum']} answer; nothing is ordered until more do"
        for orderer in entry["silent_orderers"]:
            yield f"channel {channel}: waiting for the orderer of {orderer}"
        for words in entry["wide_readers"]:
            yield f"channel {channel}: {words}"
        if entry["not_possible"]:
            yield entry["not_possible"]
        if entry["committed"]:
            yield f"channel {channel}: chaincode {entry['committed']} is in force"
        if entry["waiting_for"]:
            yield f"channel {channel}: waiting for the approval of {', '.join(entry['waiting_for'])}"
