# SPDX-License-Identifier: Apache-2.0
"""One organisation's steps on a channel: join, install, approve, commit. Each can be repeated."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from commonwatt_client import CommitError
from commonwatt_client.admin import (
    AdminError,
    AlreadyDoneError,
    ChaincodeDefinition,
    ChannelConfig,
    ChannelExistsError,
    CommitReadiness,
    CommittedDefinition,
    ConnectionFailedError,
    NotAgreedError,
    NotFoundError,
    NotReadyError,
    PeerAdmin,
    RefusedError,
    SequenceTakenError,
    TimedOutError,
)
from commonwatt_client.ledger.validation import ValidationCode

from commonwatt_network.channels.deploy import (
    approved_package,
    definition_of,
    forward_market,
    orderer_admin,
    peer_admin,
)
from commonwatt_network.channels.readers import readers_of
from commonwatt_network.consortium.bundle import own_bundle
from commonwatt_network.consortium.host import WAITS, OwnHost, require_running, start_host
from commonwatt_network.consortium.organization import IN_CONTAINERS
from commonwatt_network.consortium.review import (
    ReviewError,
    approvals_needed,
    find_differences,
    organization_of,
    review_block,
)
from commonwatt_network.errors import NetworkError, NotThereError, UsageError
from commonwatt_network.model.addresses import split_address
from commonwatt_network.model.forward_market import FORWARD
from commonwatt_network.model.layout import write_atomically
from commonwatt_network.model.nodes import Orderer
from commonwatt_network.model.topology_chaincode import Chaincode
from commonwatt_network.programs.readiness import connects

COMPOSE, KUBERNETES = IN_CONTAINERS
CONNECT_TIMEOUT_S = 2.0
SLICE_S = 2.0
LEVEL_S = 60.0
POLL_S = 0.1

Say = Callable[[str], None]
T = TypeVar("T")


class WaitingError(NetworkError):
    """Not everybody needed is there yet; the message says who. The same command again goes on."""


async def join(host: OwnHost, block: bytes, say: Say, newest: bytes | None = None) -> ChannelConfig:
    """Join the channel with the organisation's own orderers and peers.

    `newest`: the block that took the organisation in, where the channel's first one does not know it. Refused before
    anything changes when a block is mistaken, says something foreign of this organisation, or is another one than
    this host joined before. Raises ReviewError, UsageError.
    """
    review = first = review_block(block)
    if newest is not None:
        review = review_block(newest, first=False)
        if review.config.channel != first.config.channel:
            raise ReviewError(f"the blocks are of {first.config.channel} and of {review.config.channel}")
    config = review.config
    wrong = (*review.mistakes, *find_differences(config, own_bundle(host)))
    if wrong and host.waiting_orderers and newest is None:
        raise ReviewError(_waits(host))
    if wrong:
        raise ReviewError(f"the block of channel {config.channel} is not joined: {'; '.join(wrong)}")
    if host.waiting_orderers:  # the channel knows their new certificates: they are other voters now
        readmitted = host.waiting_orderers
        for orderer in readmitted:
            (orderer.directory / WAITS).unlink()
        if host.in_containers:
            raise WaitingError(_has_no_container(host, readmitted))
        await start_host(host)
    require_running(host)
    kept = host.layout.genesis_block(config.channel)
    if kept.exists() and kept.read_bytes() != block:
        raise ReviewError(f"this host is on another channel {config.channel}: the block in {kept} differs")
    write_atomically(kept, block)
    for orderer in host.orderers:
        if host.in_containers and not await connects(orderer.admin_address):
            raise NotThereError(_not_administered(host, orderer))
        async with orderer_admin(host, orderer) as ordering:
            joined = config.channel in await ordering.list_channels()
            if not joined:
                try:
                    await ordering.join_channel(newest or block)
                except ChannelExistsError:
                    joined = True  # the same command runs twice
            say(f"{orderer.name} {'was on' if joined else 'joined'} channel {config.channel}")
    for peer in host.peers:
        async with peer_admin(host, peer) as admin:
            joined = config.channel in await admin.list_channels()
            if not joined:
                try:
                    await admin.join_channel(block)
                except ChannelExistsError:
                    joined = True  # an earlier command was cut off while the peer went on joining
            if newest is not None:
                await _level(admin, config, review.number)
            say(f"{peer.name} {'was on' if joined else 'joined'} channel {config.channel}")
    return config


def _has_no_container(host: OwnHost, readmitted: Sequence[Orderer]) -> str:
    names = ", ".join(orderer.name for orderer in readmitted)
    return (
        f"the channels have readmitted {names}, and no container runs it yet: repeat `commonwatt org render`, start it "
        f"under {host.description.backend}, then repeat this command"
    )


def _not_administered(host: OwnHost, orderer: Orderer) -> str:
    silent = f"{orderer.name}'s administration does not answer at {orderer.admin_address}"
    if host.description.backend == COMPOSE:
        return f"{silent}; start its container, then repeat this command"
    return (
        f"{silent}; lead that port to its pod with `kubectl --namespace NAMESPACE port-forward "
        f"service/{orderer.name.partition('.')[0]} {orderer.admin_port}`, then repeat this command"
    )


def _waits(host: OwnHost) -> str:
    names = ", ".join(orderer.name for orderer in host.waiting_orderers)
    return (
        f"{names} waits to be readmitted, for its log is lost: export {host.name}'s bundle, let the other members do "
        f"`commonwatt consortium readmit {host.name}`, then join with --newest and the block that this writes"
    )


async def _level(admin: PeerAdmin, config: ChannelConfig, number: int) -> None:
    """Until the peer has the block that made its organisation a member: before, it refuses its own administrator."""
    last: AdminError | None = None
    try:
        async with asyncio.timeout(LEVEL_S):
            while True:
                try:
                    if (await admin.get_chain_info(config.channel)).height > number:
                        return
                except AdminError as error:
                    last = error
                await asyncio.sleep(POLL_S)
    except TimeoutError:
        silent = ", ".join(await silent_orderers(config)) or "none"
        raise WaitingError(
            f"the peer has not fetched the blocks up to {number} within {LEVEL_S:.0f} s; silent orderers: {silent}; "
            f"{last}. The same command again goes on from here"
        ) from last


async def install(host: OwnHost, say: Say) -> None:
    """Install the organisation's chaincode package on each of its peers."""
    require_running(host)
    for peer in host.peers:
        async with peer_admin(host, peer) as admin:
            present = {installed.package_id for installed in await admin.query_installed_chaincodes()}
            if host.package.package_id not in present:
                await admin.install_chaincode(host.package)
            say(
                f"{peer.name} {'had' if host.package.package_id in present else 'installed'} {host.package.label}"
            )


async def approve(host: OwnHost, channel: str, wait_s: float, say: Say) -> None:
    """Approve the organisation's chaincode on the channel, and commit it once enough organisations have approved.

    `wait_s`: how long to wait for others (an ordering service that has a quorum, peers that endorse the commit).
    Raises WaitingError naming who is missing.
    """
    require_running(host)
    own_config(host, channel)
    async with peer_admin(host, host.peers[0]) as admin:
        if channel not in await admin.list_channels():
            raise UsageError(
                f"{host.peers[0].name} is not on channel {channel}; join it with `commonwatt org join`"
            )
        config = await admin.fetch_config(channel)
        installed = {entry.package_id for entry in await admin.query_installed_chaincodes()}
        if host.package.package_id not in installed:
            raise UsageError(f"{host.package.label} is not installed; do that with `commonwatt org install`")
        wanted = await next_definition(host, admin, channel)
        label = f"{wanted.name} {wanted.version} (sequence {wanted.sequence})"
        if await approved_package(admin, channel, wanted) == host.package.package_id:
            say(f"{host.mspid} had approved {label}")
        else:
            await _patiently(lambda: _approve_once(admin, channel, wanted, host), config, wait_s, say)
            say(f"{host.mspid} approved {label}")
        if await committed_definition(admin, channel, wanted.name) == wanted:
            say(f"{label} is in force on channel {channel}")
            return
        try:
            readiness = await admin.check_commit_readiness(channel, wanted)
        except RefusedError:
            # Another organisation completed the approvals at this moment: there is nothing more to be ready for.
            if await committed_definition(admin, channel, wanted.name) != wanted:
                raise
            say(f"{label} is in force on channel {channel}")
            return
        needed = approvals_needed(config)
        if sum(readiness.approvals.values()) < needed:
            say(f"{_standing(readiness)}; {needed} approvals are needed")
            return
        await _patiently(lambda: _commit_once(admin, channel, wanted), config, wait_s, say)
        say(f"{_standing(readiness)}; {label} is in force on channel {channel}")


async def next_definition(host: OwnHost, admin: PeerAdmin, channel: str) -> ChaincodeDefinition:
    """The definition this organisation wants: that in force, when it has this version, or the one to follow it.

    The policy and the collections in force stay: an organisation's file says nothing of them, except which market it
    wants at first. Raises UsageError for a forward market on a channel that cannot have one.
    """
    settings = host.description.chaincode
    committed = await committed_definition(admin, channel, settings.name)
    if committed is None and settings.market == FORWARD:
        config = await admin.fetch_config(channel)
        if readers_of(config) != "operators":
            raise UsageError(
                f"channel {channel} is read by members: each home would read the messages of all others, which its "
                "organisation holds; a forward market is for a channel made with `--readers operators`"
            )
        wanted = Chaincode(version=settings.version, **forward_market(config))
        return definition_of(settings.name, wanted)[0]
    if committed is None:
        return ChaincodeDefinition(settings.name, settings.version)
    return committed if committed.version == settings.version else committed.next(version=settings.version)


async def committed_definition(admin: PeerAdmin, channel: str, name: str) -> ChaincodeDefinition | None:
    """The definition in force, None when there is none."""
    try:
        found: CommittedDefinition = await admin.query_committed_chaincode_definition(channel, name)
    except NotFoundError:
        return None
    return found.definition


def own_config(host: OwnHost, channel: str) -> ChannelConfig:
    """The configuration this host joined the channel with. Raises UsageError when it did not."""
    path = host.layout.genesis_block(channel)
    if not path.exists():
        raise UsageError(
            f"{host.name} has not joined channel {channel}; do that with `commonwatt org join BLOCK`"
        )
    return review_block(path.read_bytes()).config


async def silent_orderers(config: ChannelConfig) -> tuple[str, ...]:
    """The channel's orderers that don't answer from here now, as `MSPID (host:port)`."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = (
        False,
        ssl.CERT_NONE,
    )  # does it answer at all? Nothing is told it
    context.set_alpn_protocols(["h2"])

    async def answers(address: str) -> bool:
        name, port = split_address(address)
        try:
            # To the end of the handshake: the kernel accepts connections for a process that stands still.
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                _, writer = await asyncio.open_connection(name, port, ssl=context)
        except ssl.SSLError:
            return True
        except (OSError, TimeoutError):
            return False
        writer.transport.abort()
        return True

    addresses = [consenter.address for consenter in config.consenters]
    answered = await asyncio.gather(*map(answers, addresses))
    return tuple(
        f"{organization_of(config, address)} ({address})"
        for address, good in zip(addresses, answered, strict=True)
        if not good
    )


async def _approve_once(admin: PeerAdmin, channel: str, wanted: ChaincodeDefinition, host: OwnHost) -> None:
    while True:
        try:
            await admin.approve_chaincode_definition(
                channel, wanted, host.package.package_id, patience_s=SLICE_S
            )
            return
        except AlreadyDoneError:
            return  # an earlier command was cut off before it heard so
        except RefusedError as error:
            # Another organisation put the definition into force at this moment: approve it as it is now.
            if not _clashed(error):
                raise


async def _commit_once(admin: PeerAdmin, channel: str, wanted: ChaincodeDefinition) -> None:
    """Raises NotReadyError when another organisation's peer had yet to see what this one's has, or the reverse."""
    while True:
        try:
            await admin.commit_chaincode_definition(channel, wanted, patience_s=SLICE_S)
            return
        except AdminError as error:
            # Another organisation may have committed it at the same time, or have approved it meanwhile.
            committed = await committed_definition(admin, channel, wanted.name)
            if committed == wanted:
                return
            if is_overtaken(error, committed, wanted):
                raise NotReadyError(f"peers are not level: {error}", party=error.party) from error
            if not _clashed(error):
                raise


def _clashed(error: AdminError) -> bool:
    """Whether another transaction changed at the same time what this one read."""
    cause = error.__cause__
    return isinstance(cause, CommitError) and cause.code is ValidationCode.MVCC_READ_CONFLICT


def is_overtaken(
    error: AdminError, committed: ChaincodeDefinition | None, wanted: ChaincodeDefinition
) -> bool:
    """Whether a commit was refused because peers were a block apart, `committed` being in force at the own peer.

    It knows of enough approvals; a peer that does not know of its own organisation's yet says that it has not agreed.
    And a peer that is ahead says which sequence must follow the one that another organisation has just committed.
    """
    behind = committed is None or committed.sequence < wanted.sequence
    return behind and isinstance(error, NotAgreedError | SequenceTakenError)


async def _patiently(action: Callable[[], Awaitable[T]], config: ChannelConfig, wait_s: float, say: Say) -> T:
    """Do `action` again and again while the network is not ready, saying each time it changes who is missing."""
    deadline = asyncio.get_running_loop().time() + wait_s
    said = ""
    while True:
        try:
            return await action()
        except (NotReadyError, TimedOutError, ConnectionFailedError) as error:
            silent = await silent_orderers(config)
            waiting = (
                f"waiting for orderers of {', '.join(silent)}"
                if silent
                else f"waiting for the other organisations' nodes to meet on channel {config.channel}"
            )
            if asyncio.get_running_loop().time() > deadline:
                raise WaitingError(
                    f"{waiting}; after {wait_s:.0f} s: {error}. The same command again goes on from here"
                ) from error
            if waiting != said:
                say(waiting)
                said = waiting
            await asyncio.sleep(POLL_S)


def _standing(readiness: CommitReadiness) -> str:
    approved = ", ".join(sorted(mspid for mspid, yes in readiness.approvals.items() if yes)) or "nobody"
    waiting = f"; waiting for {', '.join(readiness.missing)}" if readiness.missing else ""
    return f"approved by {approved}{waiting}"
