# SPDX-License-Identifier: Apache-2.0
"""Chaincode on a network that others made: an organisation installs and approves for itself, and the last one commits.

Every step may be repeated. Where the organisation cannot go on alone, the answer names those that have yet to approve.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence, Set
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from commonwatt_client import ClientError, ValidationCode
from commonwatt_client.admin import (
    AdminError,
    AlreadyDoneError,
    ChaincodeDefinition,
    ChaincodePackage,
    ChannelConfig,
    CommittedDefinition,
    NotAgreedError,
    PeerAdmin,
    SignaturesMissingError,
)
from fabric_protos.common import policies_pb2

from commonwatt_network.channels.deploy import approved_package, following, in_force
from commonwatt_network.connected.network import ConnectedNetwork, ConnectedNode
from commonwatt_network.errors import NetworkError, UsageError
from commonwatt_network.model.forward_market import MARKET, market_of
from commonwatt_network.model.layout import write_atomically

LEVEL_S = 60.0
POLL_S = 0.2
TRIES = 5
LIFECYCLE = "LifecycleEndorsement"


@dataclass(frozen=True)
class Deployment:
    """What was done. `waits_for`: MSP ids of those who have not approved; `needed` must have approved in all.

    Once the definition is in force, `waits_for` is empty.
    """

    definition: ChaincodeDefinition
    installed: tuple[str, ...]
    approved: bool
    committed: bool
    in_force: bool
    approvals: tuple[str, ...]
    waits_for: tuple[str, ...]
    needed: int


async def deploy(
    network: ConnectedNetwork,
    channel: str,
    wanted: ChaincodeDefinition,
    package: ChaincodePackage,
    *,
    user: str,
    peers: Sequence[ConnectedNode],
    kept: Set[str],
    market: str | None = None,
) -> Deployment:
    """Install on `peers`, approve for the organisation, and commit where enough organisations have approved.

    The sequence is found. `kept`: fields of the definition that stay as they are in force. `market`: which market is
    meant, where that was said. Raises NetworkError, ClientError; UsageError where another market is in force.
    """
    async with AsyncExitStack() as stack:
        admins = [await stack.enter_async_context(network.admin(peer, user)) for peer in peers]
        first = admins[0]
        committed = await in_force(first, channel, wanted.name)
        if market and committed is not None and (before := market_of(committed.definition)) != market:
            raise UsageError(f"channel {channel}: its market is {before} for good; nothing was changed")
        installed = await asyncio.gather(*(_install(admin, package) for admin in admins))
        definition = following(wanted, committed, kept)
        approved = await _approve(first, channel, definition, package.package_id)
        names = tuple(peer.name for peer, new in zip(peers, installed, strict=True) if new)
        if committed is not None and committed.definition.sequence == definition.sequence:
            now = await first.query_committed_chaincode_definition(channel, wanted.name)
            return Deployment(definition, names, approved, False, True, _yes(now), (), 0)
        readiness = await first.check_commit_readiness(channel, definition)
        agreed = tuple(sorted(mspid for mspid, yes in readiness.approvals.items() if yes))
        missing = tuple(sorted(readiness.missing))
        needed = approvals_needed(await first.fetch_config(channel))
        if missing and len(agreed) < needed:
            return Deployment(definition, names, approved, False, False, agreed, missing, needed)
        if not await _commit(first, channel, definition, agreed, missing):
            return Deployment(definition, names, approved, False, False, agreed, missing, len(agreed) + 1)
        await asyncio.gather(*(_has(admin, channel, definition) for admin in admins))
        return Deployment(definition, names, approved, True, True, agreed, (), 0)


async def channel_config(
    network: ConnectedNetwork, channel: str, user: str, peer: ConnectedNode
) -> ChannelConfig:
    """The channel's configuration, as the organisation's administrator reads it. Raises NetworkError, ClientError."""
    async with network.admin(peer, user) as admin:
        return await admin.fetch_config(channel)


def record(network: ConnectedNetwork, channel: str, definition: ChaincodeDefinition) -> None:
    """Write a chaincode that is in force into the network file, and with a market which one it is."""
    content = json.loads(network.file.read_bytes())
    described = content["channels"][channel]
    described["chaincodes"][definition.name] = {
        "version": definition.version,
        "sequence": definition.sequence,
    }
    if definition.name == MARKET:
        described["market"] = market_of(definition)
    write_atomically(network.file, json.dumps(content, indent=2) + "\n")


async def _install(admin: PeerAdmin, package: ChaincodePackage) -> bool:
    """Whether it was not there before."""
    present = {each.package_id for each in await admin.query_installed_chaincodes()}
    if package.package_id in present:
        return False
    await admin.install_chaincode(package)
    return True


async def _approve(admin: PeerAdmin, channel: str, definition: ChaincodeDefinition, package_id: str) -> bool:
    """Whether it was not approved before with this package."""
    for _ in range(TRIES):
        if await approved_package(admin, channel, definition) == package_id:
            return False
        try:
            await admin.approve_chaincode_definition(channel, definition, package_id)
        except AlreadyDoneError:
            return False
        except AdminError as error:
            if error.code is not ValidationCode.MVCC_READ_CONFLICT:
                raise
            crossed = error  # by the approval of a command that was killed, or that runs beside this one
        else:
            return True
    raise crossed


async def _commit(
    admin: PeerAdmin,
    channel: str,
    definition: ChaincodeDefinition,
    agreed: tuple[str, ...],
    missing: tuple[str, ...],
) -> bool:
    """Whether it came into force; not so where the channel's policy asks for more approvals than were counted."""
    try:
        await admin.commit_chaincode_definition(channel, definition, endorsers=agreed if missing else ())
    except AdminError as error:
        found = await in_force(admin, channel, definition.name)
        if found is not None and found.definition == definition:
            return True  # another organisation was faster
        if missing and isinstance(error, NotAgreedError | SignaturesMissingError):
            return False
        raise
    return True


def approvals_needed(config: ChannelConfig) -> int:
    """How many organisations' approvals a commit takes at least; all, where the policy is none that counts."""
    members = len(config.application_organizations)
    policies = config.root.groups["Application"].policies
    if LIFECYCLE not in policies or policies[LIFECYCLE].policy.type != policies_pb2.Policy.IMPLICIT_META:
        return members
    rule = policies_pb2.ImplicitMetaPolicy.FromString(policies[LIFECYCLE].policy.value).rule
    return {
        policies_pb2.ImplicitMetaPolicy.ANY: 1,
        policies_pb2.ImplicitMetaPolicy.MAJORITY: members // 2 + 1,
    }.get(rule, members)


async def _has(admin: PeerAdmin, channel: str, definition: ChaincodeDefinition) -> None:
    """Until the peer has the definition."""
    deadline = asyncio.get_running_loop().time() + LEVEL_S
    while True:
        try:
            found = await in_force(admin, channel, definition.name)
        except ClientError:
            found = None
        if found is not None and found.definition.sequence >= definition.sequence:
            return
        if asyncio.get_running_loop().time() > deadline:
            raise NetworkError(
                f"{definition.name} is in force, but {admin.address} does not have the block after {LEVEL_S:.0f} s; "
                "see that it reaches an orderer"
            )
        await asyncio.sleep(POLL_S)


def _yes(committed: CommittedDefinition) -> tuple[str, ...]:
    return tuple(sorted(mspid for mspid, yes in committed.approvals.items() if yes))


def package_of(file: Path) -> ChaincodePackage:
    """A package that another tool made. Raises NetworkError, InvalidInputError."""
    from commonwatt_client.admin import read_package

    largest = 100 << 20
    try:
        if file.stat().st_size > largest:
            raise UsageError(f"{file} is larger than {largest >> 20} MiB, which no peer takes")
        return read_package(file.read_bytes())[0]
    except OSError as error:
        raise UsageError(f"{file}: {error.strerror}") from error
