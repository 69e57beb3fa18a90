# SPDX-License-Identifier: Apache-2.0
"""What cannot be done to a running network, said before anything is changed."""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection, Iterator, Mapping
from types import MappingProxyType

from commonwatt_client.yaml_models import Location

from commonwatt_network.errors import UsageError
from commonwatt_network.model.node_names import ports_of_nodes
from commonwatt_network.model.topology import Topology
from commonwatt_network.model.topology_parts import Chaincode, OrdererOrganization, Organization

Revoked = Mapping[str, Collection[str]]
NOBODY: Revoked = {}


class RefusedChangeError(UsageError):
    """The running network cannot become what is wanted; one line per reason, and nothing was changed.

    places: those of the reasons for which one line of the topology is to blame, each with that line's location.
    """

    def __init__(self, message: str, places: Mapping[str, Location] = MappingProxyType({})) -> None:
        super().__init__(message)
        self.places = places


def refuse_impossible(running: Topology, wanted: Topology, revoked: Revoked = NOBODY) -> None:
    """Raise RefusedChangeError naming everything that is wrong with the change. `revoked`: see `difference`."""
    markets = dict(_markets(running, wanted))
    reasons = [
        *markets,
        *_identity(running, wanted),
        *_channels(running, wanted),
        *_organizations(running, wanted),
        *_hosts(running, wanted),
        *_users(running, wanted, revoked),
        *_orderers(running, wanted),
        *_chaincodes(running, wanted),
    ]
    if reasons:
        words = "nothing was changed:\n" + "\n".join(f"  {reason}" for reason in reasons)
        raise RefusedChangeError(words, markets)


def unexplained(reached: Topology, wanted: Topology) -> None:
    """Refuse what no step brought about. Raises RefusedChangeError."""
    where = _first_difference("", reached.model_dump(mode="json"), wanted.model_dump(mode="json"))
    if where:
        raise RefusedChangeError(f"nothing was changed: {where} cannot be changed on a running network")


def version_key(version: str) -> tuple[tuple[int, int, str], ...]:
    """Orders versions as people do: 1.9 before 1.10, 1.0-rc1 before 1.0, 1.0 before 1.0.1."""
    parts = re.findall(r"\d+|[A-Za-z]+", version)
    keys = [(1, int(part), "") if part.isdigit() else (-1, 0, part) for part in parts]
    return (*keys, (0, 0, ""))


def _identity(running: Topology, wanted: Topology) -> Iterator[str]:
    if wanted.name != running.name:
        yield f"name: the network is called {running.name}; another name is another network"
    if wanted.ports.first != running.ports.first:
        first = running.ports.first or "chosen at its first start"
        yield f"ports: the running network keeps its own ({first}); nodes that come get free ones"
    if wanted.state != running.state:
        yield "state: peers keep the state database that they began with; on CouchDB no peers come or go"
    for name in ports_of_nodes(running).keys() & ports_of_nodes(wanted).keys():
        if wanted.ports.nodes.get(name) != running.ports.nodes.get(name):
            yield f"ports: {name} runs, and keeps its ports; only nodes that come can be given others"
    if wanted.ca != running.ca:
        yield f"ca: identities of this network are issued by {running.ca}, which alone knows all of them; it stays so"


def _channels(running: Topology, wanted: Topology) -> Iterator[str]:
    for name, old in running.channels.items():
        new = wanted.channels.get(name)
        if new is None:
            yield (
                f"channel {name} would be orphaned: its ledger and its members' accounts are nobody's without an "
                "entry here; leave it in, or reset the network"
            )
            continue
        gone = [member for member in old.organizations if member not in new.organizations]
        if gone:
            yield (
                f"channel {name} would be orphaned by {', '.join(gone)}: its accounts and its chaincode's "
                "endorsement need every member that it has"
            )
        elif new.organizations[0] != old.organizations[0]:
            yield f"channel {name}: its community, the first organisation, is {old.organizations[0]} for good"
        if [name for name in old.chaincodes if name not in new.chaincodes]:
            yield f"channel {name}: Fabric has no way to take a chaincode off a channel"
        if new.clock != old.clock:
            yield f"channel {name}: its clock was founded as {old.clock}; another clock is another channel"
        if new.endorsement != old.endorsement:
            yield f"channel {name}: endorsement {old.endorsement} was agreed by its members; it stays"


def _markets(running: Topology, wanted: Topology) -> Iterator[tuple[str, Location]]:
    for name, old in running.channels.items():
        new = wanted.channels.get(name)
        if new is not None and new.market != old.market:
            yield (
                f"channel {name}: its market is {old.market} for good; another market is another channel",
                ("channels", name, "market"),
            )


def _organizations(running: Topology, wanted: Topology) -> Iterator[str]:
    for name, old in running.organizations.items():
        new = wanted.organizations.get(name)
        if new is None:
            members = [channel for channel, entry in running.channels.items() if name in entry.organizations]
            if old.homes:
                yield f"organisation {name} cannot go: its {old.homes} homes have accounts and bills"
            elif members:
                yield f"organisation {name} cannot go: it is a member of channel {', '.join(members)}"
            continue
        if wanted.mspid(name) != running.mspid(name):
            yield f"organisation {name}: its MSP id {running.mspid(name)} is in every certificate and ledger"
        if new.homes < old.homes:
            yield f"organisation {name}: {old.homes} homes have accounts, {new.homes} would lose some of them"
    for name in wanted.organizations.keys() - running.organizations.keys():
        if name in running.orderers.organizations:
            yield f"{name} is an orderer organisation already; give the new one another name"


def _hosts(running: Topology, wanted: Topology) -> Iterator[str]:
    for section in ("organizations", "orderers"):
        for name, old in _members(running, section).items():
            new = _members(wanted, section).get(name)
            if new is not None and new.host != old.host:
                yield (
                    f"organisation {name}: its nodes keep their host, {old.host or 'this machine'}; "
                    "`host` is where the backend compose puts an organisation at its first start"
                )


def _members(topology: Topology, section: str) -> Mapping[str, Organization | OrdererOrganization]:
    return topology.organizations if section == "organizations" else topology.orderers.organizations


def _users(running: Topology, wanted: Topology, revoked: Revoked) -> Iterator[str]:
    for name, new in wanted.organizations.items():
        old = running.organizations.get(name)
        locked_out = revoked.get(name, ())
        for user in old.users if old else ():
            if user not in new.users and user not in locked_out:
                yield (
                    f"organisation {name}: the certificate of {user} stays valid; "
                    f"`commonwatt network revoke {name} {user}` first"
                )
        for user in locked_out:
            if user in new.users and (old is None or new.users[user] != old.users.get(user)):
                yield f"organisation {name}: {user} is revoked for good; give the new user another name"


def _orderers(running: Topology, wanted: Topology) -> Iterator[str]:
    old, new = running.orderers, wanted.orderers
    if new.consensus != old.consensus:
        yield f"orderers.consensus: ledgers ordered by {old.consensus} cannot go on by {new.consensus}"
        return
    for name in [*new.organizations, *old.organizations]:
        if name not in old.organizations:
            if old.consensus == "bft":
                yield f"orderer organisation {name} is new: only Raft's orderers can come and go"
            elif name in running.organizations:
                yield f"{name} is an organisation already; give the one that orders another name"
        elif name not in new.organizations:
            yield f"orderer organisation {name} cannot go: blocks in the ledgers carry its signatures"
        elif wanted.mspid(name) != running.mspid(name):
            yield f"orderer organisation {name}: its MSP id {running.mspid(name)} is in every block"
        elif old.consensus == "bft" and new.organizations[name].nodes != old.organizations[name].nodes:
            yield f"orderer organisation {name}: only Raft's orderers can come and go"


def _chaincodes(running: Topology, wanted: Topology) -> Iterator[str]:
    for name, old in running.chaincodes.items():
        new = wanted.chaincodes.get(name)
        if new is None:
            yield f"chaincode {name} is gone, but Fabric has no way to take a chaincode off a channel"
        elif version_key(new.version) < version_key(old.version):
            yield f"chaincode {name}: {old.version} runs, {new.version} would be a downgrade; give it a later version"
        elif new.version == old.version and new.module != old.module and new.module and old.module:
            yield f"chaincode {name}: module {new.module} under the version {old.version} that runs; give it another"
        if new is not None:
            yield from _collections(name, old, new)


def _collections(name: str, old: Chaincode, new: Chaincode) -> Iterator[str]:
    after = {entry.name: entry for entry in new.collections or ()}
    for entry in old.collections or ():
        if new.collections is None:
            continue  # left out, they stay
        if entry.name not in after:
            yield (
                f"chaincode {name}: the collection {entry.name} cannot be taken away, for Fabric keeps its data; "
                "describe it, or leave the collections out to keep them as they are"
            )
        elif after[entry.name].block_to_live != entry.block_to_live:
            yield (
                f"chaincode {name}: the collection {entry.name} keeps its data for {entry.block_to_live} blocks "
                "(block_to_live); Fabric never changes that"
            )


def _first_difference(path: str, a: object, b: object) -> str | None:
    if isinstance(a, dict) and isinstance(b, dict):
        inner = (
            _first_difference(f"{path}.{key}" if path else str(key), a.get(key), b.get(key))
            for key in itertools.chain(a, (key for key in b if key not in a))
        )
        return next((found for found in inner if found), None)
    return None if a == b else path
