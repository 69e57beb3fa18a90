# SPDX-License-Identifier: Apache-2.0
"""What must hold between the parts of a topology: each mistake in words, with the location where it stands."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from commonwatt_network.model.chaincode_rules import chaincode_mistakes
from commonwatt_network.model.forward_market import forward_mistakes
from commonwatt_network.model.node_names import each_fixed_port, ports_of_nodes

if TYPE_CHECKING:
    from commonwatt_client.yaml_models import Location

    from commonwatt_network.model.topology_parts import Batch, Orderers, Registrar, TopologyFields, User

    Mistakes = Iterator[tuple[str, Location]]

RAFT_CONSENTERS = (1, 3, 5)
BFT_CONSENTERS = 4
CHAINCODE_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")  # Fabric's rule, of the letters that names have here
SYSTEM_CHAINCODES = ("cscc", "escc", "lscc", "qscc", "vscc")
ALWAYS_STATED = ("hf.EnrollmentID", "hf.Type", "hf.Affiliation")
# The certificates' common names, of 64 characters, are these names with a word such as `chaincode.` before.
LONGEST_ORGANIZATION = 54
LONGEST_NODE = 61
LARGEST_BLOCK_BYTES = 49 << 20  # Fabric's own advice, for its limit of 100 MiB a message


def member_mistakes(topology: TopologyFields) -> Mistakes:
    """Names that stand for nothing, or for two things: nothing can be made of such a topology."""
    members, orderers = topology.organizations, topology.orderers.organizations
    for name in sorted(set(members) & set(orderers)):
        words = f"{name} is both a member and an orderer organisation; give them two names"
        yield words, ("orderers", "organizations", name)
    places: dict[str, Location] = {}
    for location in (
        *(("organizations", name) for name in members),
        *(("orderers", "organizations", name) for name in orderers),
    ):
        mspid = topology.mspid(str(location[-1]))
        if mspid in places:
            yield f"two organisations have the MSP id {mspid}", (*location, "mspid")
        places[mspid] = location
    for channel, settings in topology.channels.items():
        for section, kind, known in (
            ("organizations", "organisation", topology.organizations),
            ("chaincodes", "chaincode", topology.chaincodes),
        ):
            names = getattr(settings, section)
            for number, name in enumerate(names):
                place = ("channels", channel, section, number)
                if name not in known:
                    among = ", ".join(known) or "none"
                    yield f"channel {channel} names the {kind} {name}, which is not among: {among}", place
                if name in names[:number]:
                    yield f"channel {channel} names the {kind} {name} twice", place


def mistakes(topology: TopologyFields) -> Mistakes:
    """What a new topology must not say. A network that is there keeps the topology that it was made from."""
    yield from _orderer_mistakes(topology.orderers)
    for section, organizations in (
        (("organizations",), topology.organizations),
        (("orderers", "organizations"), topology.orderers.organizations),
    ):
        for name in organizations:
            if len(name) > LONGEST_ORGANIZATION:
                words = f"the organisation's name has {len(name)} characters; {LONGEST_ORGANIZATION} at most"
                yield words, (*section, name)
    for name, organization in topology.organizations.items():
        for words, location in user_mistakes(
            organization.users, organization.homes, topology.ca, organization.registrar
        ):
            yield words, ("organizations", name, *location)
        if organization.registrar and topology.ca != "fabric-ca":
            words = (
                "the kit's own authority registers nobody; say `ca: fabric-ca`, or leave the registrar out"
            )
            yield words, ("organizations", name, "registrar")
    yield from _port_mistakes(topology)
    for name in topology.chaincodes:
        hosts = {
            host
            for channel in topology.channels.values()
            if name in channel.chaincodes
            for host in channel.organizations
        }
        peers = max((topology.organizations[host].peers for host in hosts), default=0)
        for words in chaincode_name_mistakes(name, peers, topology.ca):
            yield words, ("chaincodes", name)
    yield from _state_mistakes(topology)
    yield from chaincode_mistakes(topology)
    yield from forward_mistakes(topology)
    for name, channel in topology.channels.items():
        if channel.clock_error_s is not None and channel.clock != "live":
            yield (
                "clock_error_s is for a channel with `clock: live`; on a simulated one nobody's clock counts",
                ("channels", name, "clock_error_s"),
            )
        for words, location in _batch_mistakes(channel.batch):
            yield words, ("channels", name, "batch", *location)


def _state_mistakes(topology: TopologyFields) -> Mistakes:
    """Peers without a CouchDB, CouchDBs without a peer, and peers that would write over each other's state."""
    if topology.state is None or topology.state == "leveldb":
        return
    peers = [
        f"peer{number}.{name}"
        for name, organization in topology.organizations.items()
        for number in range(organization.peers)
    ]
    addresses = topology.state.couchdb
    if isinstance(addresses, str):
        if len(peers) > 1:
            yield (
                f"one CouchDB for {len(peers)} peers, which would write over each other's state; name one for each "
                f"peer: {', '.join(peers[:3])}...",
                ("state", "couchdb"),
            )
        return
    for peer in peers:
        if peer not in addresses:
            yield f"{peer} has no CouchDB", ("state", "couchdb")
    for peer, address in addresses.items():
        if peer not in peers:
            yield f"there is no peer {peer}", ("state", "couchdb", peer)
        if [other.rstrip("/") for other in addresses.values()].count(address.rstrip("/")) > 1:
            yield (
                f"{address} is also another peer's CouchDB; each peer needs its own",
                ("state", "couchdb", peer),
            )


def user_mistakes(
    users: Mapping[str, User], homes: int, ca: str = "built-in", known: Registrar | None = None
) -> Mistakes:
    """Users whose names or attributes would silently be replaced by what every organisation has."""
    registrar = known.name if known else "registrar"
    if _number(registrar, "home", width=3) in range(1, homes + 1):
        yield f"{registrar} is one of the organisation's {homes} homes", ("registrar", "name")
    for name, user in users.items():
        place = ("users", name)
        if name == "admin":
            yield "every organisation has a user admin of its own; give this one another name", place
        if ca == "fabric-ca" and name == registrar:
            yield (
                f"{registrar} is who registers at the organisation's Fabric CA server; give this user another name",
                place,
            )
        if _number(name, "home", width=3) in range(1, homes + 1):
            yield f"{name} is one of the organisation's {homes} homes; give this user another name", place
        for attribute in user.attributes:
            if attribute in ALWAYS_STATED:
                yield (
                    f"{attribute} is stated by the authority in every certificate",
                    (*place, "attributes", attribute),
                )
        if user.role and "role" in user.attributes:
            yield "the role is given twice; leave it out of the attributes", (*place, "attributes", "role")


def chaincode_name_mistakes(name: str, peers: int, ca: str = "built-in") -> Iterator[str]:
    """Why a chaincode cannot have this name beside the `peers` of an organisation that runs it."""
    if not CHAINCODE_NAME.fullmatch(name):
        yield f"Fabric takes no chaincode named {name}: hyphens stand one by one, between letters or digits"
    if name in SYSTEM_CHAINCODES:
        yield f"{name} is one of Fabric's own chaincodes; give this one another name"
    if _number(name, "peer", width=1) in range(peers):
        yield f"{name} is also a peer's name, and its server would be taken for it; give the chaincode another name"
    if ca == "fabric-ca" and name == "ca":
        yield "ca is also the name of the organisation's Fabric CA server; give the chaincode another name"


def _number(name: str, word: str, width: int) -> int | None:
    """The number in a name that the kit gives: `home007`."""
    digits = name.removeprefix(word)
    if digits == name or not digits.isdecimal() or not digits.isascii():
        return None
    number = int(digits)
    return number if name == f"{word}{number:0{width}d}" else None


def _port_mistakes(topology: TopologyFields) -> Mistakes:
    nodes = ports_of_nodes(topology)
    taken: dict[int, str] = {}
    for name in topology.ports.nodes:
        if name not in nodes:
            yield f"no node is named {name}; there are: {', '.join(nodes)}", ("ports", "nodes", name)
    for name, kind, port in each_fixed_port(topology):
        place = ("ports", "nodes", name, kind)
        if name in nodes and kind not in nodes[name]:
            yield f"{name} has no {kind} port", place
        if port in taken:
            yield f"{taken[port]} and {name} cannot both listen on port {port}", place
        taken[port] = name


def _orderer_mistakes(orderers: Orderers) -> Mistakes:
    for name, organization in orderers.organizations.items():
        if organization.hostname is None:
            continue
        place = ("orderers", "organizations", name, "hostname")
        if organization.hostname == "ca":
            yield "ca is the name of the organisation's Fabric CA server; choose another", place
        if len(organization.hostname) + len(name) > LONGEST_NODE:
            yield f"hostname and organisation have {LONGEST_NODE} characters at most, together", place
    total = sum(organization.nodes for organization in orderers.organizations.values())
    if orderers.consensus == "raft" and total not in RAFT_CONSENTERS:
        yield f"raft takes 1, 3 or 5 orderers in all, not {total}", ("orderers",)
    if orderers.consensus == "bft" and total != BFT_CONSENTERS:
        yield f"bft takes {BFT_CONSENTERS} orderers in all, not {total}", ("orderers", "consensus")


def _batch_mistakes(batch: Batch) -> Mistakes:
    if batch.preferred_bytes > batch.absolute_bytes:
        words = f"preferred_bytes {batch.preferred_bytes} is more than absolute_bytes {batch.absolute_bytes}"
        yield words, ("preferred_bytes",)
    if batch.absolute_bytes > LARGEST_BLOCK_BYTES:
        yield (
            f"absolute_bytes is {LARGEST_BLOCK_BYTES} at most, not {batch.absolute_bytes}: a block goes to peers and "
            "orderers in one gRPC message, of which Fabric takes 100 MiB with all that is around it",
            ("absolute_bytes",),
        )
