# SPDX-License-Identifier: Apache-2.0
"""Rules between a chaincode and the channels that run it: its policies and collections name members of these."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from commonwatt_client.ledger.policy import SignaturePolicy
    from commonwatt_client.yaml_models import Location

    from commonwatt_network.model.topology_chaincode import Chaincode
    from commonwatt_network.model.topology_parts import TopologyFields

    Mistakes = Iterator[tuple[str, Location]]

OF_PEERS = ("member", "peer")  # the roles that a peer's certificate has


def chaincode_mistakes(topology: TopologyFields) -> Mistakes:
    """Policies of strangers or beyond the members' means, collections of strangers, servers without an address."""
    for name, chaincode in topology.chaincodes.items():
        place: Location = ("chaincodes", name)
        channels = {
            channel: tuple(topology.mspid(member) for member in settings.organizations)
            for channel, settings in topology.channels.items()
            if name in settings.chaincodes
        }
        for words, location in _address_mistakes(topology, name, chaincode):
            yield words, (*place, *location)
        known = {topology.mspid(member) for member in topology.organizations}
        for channel, members in channels.items():
            if chaincode.endorsement_policy:
                for words in _policy_mistakes(chaincode.endorsement_policy, channel, members, known):
                    yield f"chaincode {name}: {words}", (*place, "endorsement_policy")
            for number, collection in enumerate(chaincode.collections or ()):
                where = (*place, "collections", number)
                prefix = f"chaincode {name}, collection {collection.name}"
                for words in _member_mistakes(collection.policy, channel, members):
                    yield f"{prefix}: {words}", (*where, "policy")
                if collection.endorsement_policy:
                    for words in _policy_mistakes(collection.endorsement_policy, channel, members, known):
                        yield f"{prefix}: {words}", (*where, "endorsement_policy")


def _address_mistakes(topology: TopologyFields, name: str, chaincode: Chaincode) -> Mistakes:
    members = list(
        dict.fromkeys(
            member
            for channel in topology.channels.values()
            if name in channel.chaincodes
            for member in channel.organizations
        )
    )
    if chaincode.addresses is not None:
        for member in members:
            if member not in chaincode.addresses:
                yield f"chaincode {name} runs for {member} too: give its server's address", ("addresses",)
        for member in chaincode.addresses:
            if member not in topology.organizations:
                among = ", ".join(topology.organizations)
                yield f"{member} is not among the organisations: {among}", ("addresses", member)
    elif chaincode.address is not None and chaincode.client_authentication and len(members) > 1:
        yield (
            f"chaincode {name} runs for {' and '.join(members)}, whose peers show certificates of their own to its one "
            "server, which registers under one package id alone: give each organisation a server (addresses), or leave "
            "client_authentication out",
            ("client_authentication",),
        )


def _policy_mistakes(
    text: str, channel: str, members: Collection[str], known: Collection[str]
) -> Iterator[str]:
    """Of a policy that endorsements are to fulfil."""
    from commonwatt_client.ledger.policy import parse_signature_policy, principals

    if text.startswith("/"):
        named = text.removeprefix("/Channel/Application/").split("/")
        if len(named) == 2 and named[0] not in members:
            yield f"{text} names {named[0]}, which is not on channel {channel}{_close(named[0], members)}"
        return
    policy = parse_signature_policy(text)
    for mspid in dict.fromkeys(leaf.mspid for leaf in principals(policy)):
        if mspid not in known:
            yield f"the policy names {mspid}, which is nobody's MSP id{_close(mspid, members)}"
            return
    if not _satisfiable(policy, members):
        peers = ", ".join(f"'{mspid}.peer'" for mspid in members)
        yield f"no peers of channel {channel} can fulfil {text}; those who endorse there are {peers}"


def _member_mistakes(text: str, channel: str, members: Collection[str]) -> Iterator[str]:
    """Of a policy that says who holds a collection's data: Fabric takes any of some of the channel's members."""
    from commonwatt_client.ledger.policy import OutOf, parse_signature_policy, principals

    def alternatives(policy: SignaturePolicy) -> bool:
        return not isinstance(policy, OutOf) or (
            policy.required == 1 and all(alternatives(rule) for rule in policy.rules)
        )

    policy = parse_signature_policy(text)
    leaves = tuple(principals(policy))
    for mspid in dict.fromkeys(leaf.mspid for leaf in leaves):
        if mspid not in members:
            yield f"the policy names {mspid}, which is not on channel {channel}{_close(mspid, members)}"
    if not alternatives(policy):
        yield f"who holds the data is an OR of members, not {text}"
    elif not any(leaf.role in OF_PEERS for leaf in leaves):
        yield f"no peer holds the data by {text}; name members or peers"


def _satisfiable(policy: SignaturePolicy, members: Collection[str]) -> bool:
    from commonwatt_client.ledger.policy import Principal

    if isinstance(policy, Principal):
        return policy.mspid in members and policy.role in OF_PEERS
    return sum(_satisfiable(rule, members) for rule in policy.rules) >= policy.required


def _close(mspid: str, members: Collection[str]) -> str:
    close = difflib.get_close_matches(mspid, members, n=1)
    return f"; did you mean {close[0]}?" if close else f"; its members are {', '.join(members)}"
