# SPDX-License-Identifier: Apache-2.0
"""Choosing endorsers: the smallest set of peers whose endorsements satisfy every policy a transaction calls for."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any, TypeVar

from fabric_protos.peer import policy_pb2

from commonwatt_network.embedded.peer.channel import PeerChannel
from commonwatt_network.embedded.peer.views import NeighbourView, may_read
from commonwatt_network.embedded.trust.policies import Policy, PolicyError

Known = TypeVar("Known", bound=NeighbourView)

LARGEST_PLAN = 8


class PlanError(Exception):
    """No peers can endorse; the message is Fabric's."""


def required_policies(channel: PeerChannel, interest: Any) -> list[Policy]:
    """Every policy that endorsements of a ChaincodeInterest must satisfy. Raises PlanError."""
    encoded: list[bytes] = []
    for call in interest.chaincodes:
        chaincode_policy = channel.chaincode_policy(call.name)
        if chaincode_policy is None:
            raise PlanError(
                f"No metadata was found for chaincode {call.name} in channel {channel.channel_id}"
            )
        for name in call.collection_names:
            encoded.append(_collection_policy(channel, call.name, name) or chaincode_policy)
        for policy in call.key_policies:
            encoded.append(policy_pb2.ApplicationPolicy(signature_policy=policy).SerializeToString())
        if not call.disregard_namespace_policy and not call.collection_names:
            encoded.append(chaincode_policy)
    try:
        return [channel.compile(policy) for policy in dict.fromkeys(encoded)]
    except PolicyError as error:
        raise PlanError(str(error)) from error


def _collection_policy(channel: PeerChannel, namespace: str, collection: str) -> bytes:
    try:
        return channel.collection_policy(namespace, collection)
    except PolicyError as error:
        raise PlanError(str(error)) from error


def able_peers(peers: Sequence[Known], channel: PeerChannel, interest: Any) -> list[Known]:
    """The peers that have the chaincodes, and the private data that the transaction read."""
    return [
        peer
        for peer in peers
        if all(
            peer.has_chaincode(channel.channel_id, call.name) and may_read(peer, channel, call)
            for call in interest.chaincodes
        )
    ]


def choose_endorsers(
    channel: PeerChannel, peers: Sequence[Known], preferred: Sequence[Known], policies: Sequence[Policy]
) -> list[Known] | None:
    """The smallest satisfying set of peers, with as many `preferred` ones as may be; None if there is none."""
    ordered = sorted(peers, key=lambda peer: peer not in preferred)
    identities = {peer.address: channel.registry.deserialize(peer.signer.creator) for peer in ordered}
    for size in range(1, min(len(ordered), LARGEST_PLAN) + 1):
        candidates = list(combinations(ordered, size))
        candidates.sort(key=lambda chosen: sum(peer not in preferred for peer in chosen))
        for chosen in candidates:
            try:
                for policy in policies:
                    policy.evaluate_identities([identities[peer.address] for peer in chosen])
            except PolicyError:
                continue
            return list(chosen)
    return None
