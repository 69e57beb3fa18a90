# SPDX-License-Identifier: Apache-2.0
"""From the topology that runs to the one that is wanted: steps in words, in the order in which they are done.

Everything that cannot be done to a running network is refused here, before anything is changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel

from commonwatt_network.change.refusals import NOBODY, Revoked, refuse_impossible, unexplained
from commonwatt_network.change.steps import (
    AddChaincode,
    AddChannel,
    AddMember,
    AddOrderer,
    AddOrganization,
    AddPeer,
    ChangeBatch,
    ChangeChaincodeImage,
    ChangeDefinition,
    ChangeImages,
    ChangeReaders,
    EnrolUsers,
    Record,
    RemoveOrderer,
    RemoveOrganization,
    RemovePeer,
    ReplaceServers,
    RestartServers,
    Step,
)
from commonwatt_network.model.topology import Topology
from commonwatt_network.model.topology_parts import (
    DEFAULT_CLOCK_ERROR_S,
    Batch,
    Chaincode,
    Channel,
    Organization,
)

M = TypeVar("M", bound=BaseModel)
Part = Callable[[Topology, Topology], Iterator[Step]]


def difference(running: Topology, wanted: Topology, revoked: Revoked = NOBODY) -> list[Step]:
    """The steps from one to the other; none when they are equal. `revoked`: organisation -> its revoked users.

    Raises RefusedChangeError with one line per reason.
    """
    refuse_impossible(running, wanted, revoked)
    at, steps = running, []
    for part in PARTS:
        for step in part(at, wanted):
            steps.append(step)
            at = step.after
    unexplained(at, wanted)
    return steps


def _settings(at: Topology, wanted: Topology) -> Iterator[Step]:
    """What counts only for what is made from now on."""
    changed = []
    after = at
    for name in RECORDED:
        if (old := getattr(at, name, None)) != (new := getattr(wanted, name, None)):
            after = _with(after, **{name: new})
            changed.append(f"{name}: {_brief(old)} becomes {_brief(new)}")
    if wanted.ports != after.ports:
        fixed = [name for name, ports in wanted.ports.nodes.items() if after.ports.nodes.get(name) != ports]
        after = _with(after, ports=wanted.ports)
        changed.append(f"fixed ports of {_list(fixed)}" if fixed else "fewer fixed ports")
    for section in ("organizations", "orderers"):
        old_group, new_group = _organizations(after, section), _organizations(wanted, section)
        for name in old_group:
            if name not in new_group:
                continue
            fields = [
                field
                for field in RECORDED_OF_ORGANIZATION
                if getattr(old_group[name], field, None) != getattr(new_group[name], field, None)
            ]
            for field in fields:
                old, new = getattr(old_group[name], field), getattr(new_group[name], field)
                changed.append(f"{name}: {field} {_brief(old)} becomes {_brief(new)}")
            if fields:
                updated = _with(old_group[name], **{f: getattr(new_group[name], f) for f in fields})
                after = _with_organization(after, section, name, updated)
    unused = {name: wanted.chaincodes[name] for name in wanted.chaincodes if name not in at.chaincodes}
    if unused:
        after = _with(after, chaincodes={**after.chaincodes, **unused})
        changed.append(f"the chaincode {', '.join(unused)} is known")
    if changed:
        yield Record(f"settings from now on: {'; '.join(changed)}", after)


def _fabric_images(at: Topology, wanted: Topology) -> Iterator[Step]:
    """Fabric's own; first, so that nodes that come find the others upgraded."""
    old, new = at.images, wanted.images
    changes = [
        f"{kind}s from {after}, until now {before}"
        for kind, before, after in (("orderer", old.orderer, new.orderer), ("peer", old.peer, new.peer))
        if after != before
    ]
    if changes:
        at = _with(at, images=_with(old, peer=new.peer, orderer=new.orderer))
        yield ChangeImages(f"change images: {', '.join(changes)}", at)


def _new_organizations(at: Topology, wanted: Topology) -> Iterator[Step]:
    for name, settings in wanted.organizations.items():
        if name not in at.organizations:
            at = _with(at, organizations={**at.organizations, name: settings})
            yield AddOrganization(
                f"add organisation {name} ({wanted.mspid(name)}): {_count(settings.peers, 'peer')}, "
                f"{_count(settings.homes, 'home')}, {_count(len(settings.users), 'user')}",
                at,
                name,
            )


def _users(at: Topology, wanted: Topology) -> Iterator[Step]:
    for name, old, new in _kept(at, wanted):
        words = []
        if new.homes > old.homes:
            words.append(f"homes home{old.homes + 1:03d} to home{new.homes:03d}")
        words += [f"user {user}" for user in new.users if user not in old.users]
        changed = [user for user in new.users if user in old.users and new.users[user] != old.users[user]]
        words += [
            f"user {user} anew, with other attributes (its former certificate is revoked)" for user in changed
        ]
        gone = [user for user in old.users if user not in new.users]
        doings = [f"issue certificates of {name}: {', '.join(words)}"] if words else []
        doings += [f"forget {', '.join(gone)} of {name}, who {_are(gone)} revoked"] if gone else []
        if doings:
            updated = _with(old, homes=new.homes, users=new.users)
            at = _with_organization(at, "organizations", name, updated)
            yield EnrolUsers("; ".join(doings), at, name, tuple(changed))


def _batches(at: Topology, wanted: Topology) -> Iterator[Step]:
    for name, channel in wanted.channels.items():
        if name in at.channels and at.channels[name].batch != channel.batch:
            old = at.channels[name].batch
            at = _with_channel(at, name, _with(at.channels[name], batch=channel.batch))
            yield ChangeBatch(
                f"channel {name}: blocks are cut after {_cut(channel.batch)}; until now after {_cut(old)}",
                at,
                name,
                channel.batch,
            )


def _readers(at: Topology, wanted: Topology) -> Iterator[Step]:
    for name, channel in wanted.channels.items():
        if name in at.channels and at.channels[name].readers != channel.readers:
            at = _with_channel(at, name, _with(at.channels[name], readers=channel.readers))
            words = {
                "operators": "operators, administrators and nodes alone read its blocks from now on; old blocks stay "
                "readable in copies that any member may have made: begin a new channel where that matters",
                "members": "every member, each home too, reads all its blocks from now on, the old ones too",
            }
            yield ChangeReaders(f"channel {name}: {words[channel.readers]}", at, name)


def _peers(at: Topology, wanted: Topology) -> Iterator[Step]:
    for name, old, new in _kept(at, wanted):
        for number in range(old.peers, new.peers):
            peer = f"peer{number}.{name}"
            at = _with_organization(
                at, "organizations", name, _with(at.organizations[name], peers=number + 1)
            )
            channels = [channel for channel, entry in at.channels.items() if name in entry.organizations]
            by_snapshot = new.new_peers == "snapshot" and bool(channels)
            how = f", from a snapshot of peer0.{name}" if by_snapshot else ""
            yield AddPeer(f"add {peer}, on {_channels(channels)}{how}", at, name, peer, by_snapshot)
        for number in range(old.peers - 1, new.peers - 1, -1):
            at = _with_organization(at, "organizations", name, _with(at.organizations[name], peers=number))
            yield RemovePeer(
                f"stop peer{number}.{name}; its ledger stays on disk", at, f"peer{number}.{name}"
            )


def _orderers(at: Topology, wanted: Topology) -> Iterator[Step]:
    """All that come, then all that go; at any moment one consenter."""
    for growing in (True, False):
        for name, new in wanted.orderers.organizations.items():
            known = at.orderers.organizations.get(name)
            nodes = known.nodes if known else 0
            numbers = range(nodes, new.nodes) if growing else range(nodes, new.nodes, -1)
            for number in numbers:
                count = number + 1 if growing else number - 1
                at = _with_organization(at, "orderers", name, _with(known or new, nodes=count))
                total = sum(entry.nodes for entry in at.orderers.organizations.values())
                where = f"{_channels(list(at.channels))}: {_count(total, 'consenter')} then"
                if growing:
                    which = "the first orderer" if not number else "an orderer"
                    yield AddOrderer(f"add {which} of {name} to {where}", at, name)
                else:
                    yield RemoveOrderer(f"take the last orderer of {name} off {where}", at, name)


def _new_channels(at: Topology, wanted: Topology) -> Iterator[Step]:
    for name, channel in wanted.channels.items():
        if name not in at.channels:
            at = _with(at, channels={**at.channels, name: channel})
            chaincodes = [f"{entry} {at.chaincodes[entry].version}" for entry in channel.chaincodes]
            yield AddChannel(
                f"add channel {name} of {_list(channel.organizations)}"
                + (f" with chaincode {_list(chaincodes)}" if chaincodes else ""),
                at,
                name,
            )


def _members(at: Topology, wanted: Topology) -> Iterator[Step]:
    for name, channel in wanted.channels.items():
        for organization in channel.organizations:
            if organization not in at.channels[name].organizations:
                members = [*at.channels[name].organizations, organization]
                at = _with_channel(at, name, _with(at.channels[name], organizations=members))
                yield AddMember(f"{organization} joins channel {name}", at, name, organization)


def _chaincodes(at: Topology, wanted: Topology) -> Iterator[Step]:
    for name, channel in wanted.channels.items():
        for chaincode in channel.chaincodes:
            if chaincode not in at.channels[name].chaincodes:
                listed = [*at.channels[name].chaincodes, chaincode]
                at = _with_channel(at, name, _with(at.channels[name], chaincodes=listed))
                version = at.chaincodes[chaincode].version
                words = f"deploy chaincode {chaincode} {version} on channel {name}"
                yield AddChaincode(words, at, name, chaincode)


def _clock_errors(at: Topology, wanted: Topology) -> Iterator[Step]:
    for name, channel in wanted.channels.items():
        old, new = at.channels[name].clock_error_s, channel.clock_error_s
        if old == new:
            continue
        at = _with_channel(at, name, _with(at.channels[name], clock_error_s=new))
        words = (
            f"channel {name}: proposals may be dated {new or DEFAULT_CLOCK_ERROR_S} s off the servers' clocks"
        )
        if not channel.chaincodes:
            yield Record(words, at)
        for chaincode in channel.chaincodes:
            yield RestartServers(f"{words}; restart the servers of chaincode {chaincode}", at, chaincode)


def _servers(at: Topology, wanted: Topology) -> Iterator[Step]:
    for name, new in wanted.chaincodes.items():
        old = at.chaincodes[name]
        if old == new:
            continue
        at = _with(at, chaincodes={**at.chaincodes, name: new})
        channels = [channel for channel, entry in at.channels.items() if name in entry.chaincodes]
        definition = _definition_changes(old, new)
        image = ""
        if new.version != old.version and at.images != wanted.images:  # the new code is in the new image
            at = _with(at, images=wanted.images)
            image = f", from image {wanted.images.chaincode}"
        also = f"; {'; '.join(definition)}" if definition else ""
        served = _server_changes(old, new)
        if new.version != old.version:
            words = (
                f"upgrade chaincode {name} from {old.version} to {new.version} on {_channels(channels)}"
                f"{image}{also}"
            )
            yield ReplaceServers(words, at, name)
        elif served:
            how = "restart the servers" if not new.runs_elsewhere else "go over to the servers elsewhere"
            yield RestartServers(f"{how} of chaincode {name}: {'; '.join(served)}{also}", at, name)
        elif definition:
            words = (
                f"change the definition of chaincode {name} on {_channels(channels)}: {'; '.join(definition)}"
            )
            yield ChangeDefinition(words, at, name)
        else:
            yield Record(f"settings from now on: chaincode {name} as it is described", at)


def _chaincode_image(at: Topology, wanted: Topology) -> Iterator[Step]:
    """The image that no upgrade of a chaincode has brought along."""
    old, new = at.images.chaincode, wanted.images.chaincode
    if old != new:
        words = f"change images: chaincode servers from {new}, until now {old}"
        yield ChangeChaincodeImage(words, _with(at, images=wanted.images))


def _server_changes(old: Chaincode, new: Chaincode) -> list[str]:
    """What becomes of a chaincode's servers under the same version, in words; values of variables stay unsaid."""
    words = []
    if new.workers != old.workers:
        words.append(f"{_count(new.workers, 'worker')} each")
    if (new.module, new.command) != (old.module, old.command) and not new.runs_elsewhere:
        words.append(f"they run {' '.join(new.command) if new.command else f'python -m {new.module}'}")
    if (new.address, new.addresses) != (old.address, old.addresses) and new.runs_elsewhere:
        words.append(
            new.address or ", ".join(f"{place} of {name}" for name, place in (new.addresses or {}).items())
        )
    if new.environment != old.environment:
        names = [
            name
            for name in {**old.environment, **new.environment}
            if old.environment.get(name) != new.environment.get(name)
        ]
        words.append(f"with another {_list(names)} in their environment")
    if new.folder != old.folder:
        words.append(f"in {new.folder or 'a folder of their own'}")
    if new.tls_authority != old.tls_authority and new.tls_authority:
        words.append(f"whose authority is {new.tls_authority}")
    if new.client_authentication != old.client_authentication:
        words.append(f"peers show {'their' if new.client_authentication else 'no'} certificate")
    return words


def _definition_changes(old: Chaincode, new: Chaincode) -> list[str]:
    """What becomes of a chaincode's definition, in words; what is left out of the topology stays as it is."""
    words = []
    if new.endorsement_policy not in (None, old.endorsement_policy):
        words.append(f"endorsement policy {new.endorsement_policy}")
    before = {entry.name: entry for entry in old.collections or ()}
    for entry in new.collections or ():
        if entry.name not in before:
            words.append(f"collection {entry.name} comes")
        elif entry != before[entry.name]:
            words.append(f"collection {entry.name} changes")
    if new.init_required not in (None, old.init_required):
        words.append(f"Init is {'' if new.init_required else 'not '}required")
    return words


def _removed_organizations(at: Topology, wanted: Topology) -> Iterator[Step]:
    for name in list(at.organizations):
        if name not in wanted.organizations:
            at = _with(at, organizations={k: v for k, v in at.organizations.items() if k != name})
            words = f"stop the peers of {name}, which is on no channel; its keys and ledgers stay on disk"
            yield RemoveOrganization(words, at, name)


PARTS: tuple[Part, ...] = (
    _settings,
    _fabric_images,
    _new_organizations,
    _users,
    _batches,
    _readers,
    _peers,
    _orderers,
    _new_channels,
    _members,
    _chaincodes,
    _clock_errors,
    _servers,
    _chaincode_image,
    _removed_organizations,
)
RECORDED = ("certificates",)
RECORDED_OF_ORGANIZATION = ("days_valid", "new_peers")


def _kept(at: Topology, wanted: Topology) -> Iterator[tuple[str, Organization, Organization]]:
    for name, new in wanted.organizations.items():
        yield name, at.organizations[name], new


def _with(model: M, **changes: Any) -> M:
    return model.model_copy(update=changes)


def _with_channel(topology: Topology, name: str, channel: Channel) -> Topology:
    return _with(topology, channels={**topology.channels, name: channel})


def _organizations(topology: Topology, section: str) -> Mapping[str, Any]:
    return topology.organizations if section == "organizations" else topology.orderers.organizations


def _with_organization(topology: Topology, section: str, name: str, entry: object) -> Topology:
    changed = {**_organizations(topology, section), name: entry}
    if section == "organizations":
        return _with(topology, organizations=changed)
    return _with(topology, orderers=_with(topology.orderers, organizations=changed))


def _cut(batch: Batch) -> str:
    size = f"{batch.preferred_bytes} bytes (at most {batch.absolute_bytes})"
    return f"{batch.timeout_ms} ms, {batch.max_messages} messages or {size}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")


def _are(names: list[str]) -> str:
    return "is" if len(names) == 1 else "are"


def _channels(names: list[str]) -> str:
    return f"channel{'' if len(names) == 1 else 's'} {_list(names)}" if names else "no channel yet"


def _list(names: list[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _brief(value: object) -> str:
    if isinstance(value, BaseModel):
        return ", ".join(f"{key} {entry}" for key, entry in value.model_dump(mode="json").items())
    return "none" if value is None else str(value)
