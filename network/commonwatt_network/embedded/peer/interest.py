# SPDX-License-Identifier: Apache-2.0
"""Whose endorsements a simulated transaction needs: Fabric's ChaincodeInterest."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from fabric_protos.common import policies_pb2
from fabric_protos.peer import proposal_response_pb2

from commonwatt_network.embedded.simulation import SimulationResult
from commonwatt_network.embedded.validation.endorsement import VALIDATION_PARAMETER

SYSTEM = frozenset({"_lifecycle", "lscc", "qscc", "cscc"})


def chaincode_interest(result: SimulationResult) -> Any:
    """The chaincodes, collections and key-level policies that a transaction touches, but not system chaincodes."""
    required: dict[str, dict[str, bool]] = {}
    key_policies: dict[str, list[Any]] = defaultdict(list)
    for (namespace, collection, _), metadata in result.written_metadata.items():
        collections = required.setdefault(namespace, {"": False})
        own = metadata.get(VALIDATION_PARAMETER)
        if own:
            key_policies[namespace].append(policies_pb2.SignaturePolicyEnvelope.FromString(own))
        else:
            collections[collection] = True
    for namespace in result.namespaces:
        if namespace not in SYSTEM:
            required.setdefault(namespace, {"": True})
    for namespace, collection in result.private_reads:
        required.setdefault(namespace, {})[collection] = True
    interest = proposal_response_pb2.ChaincodeInterest()
    for namespace, collections in sorted(required.items()):
        if namespace in SYSTEM:
            continue
        for collection, is_required in sorted(collections.items()):
            if collection:
                interest.chaincodes.add(
                    name=namespace,
                    collection_names=[collection],
                    no_private_reads=(namespace, collection) not in result.private_reads,
                )
            elif key_policies[namespace]:
                interest.chaincodes.add(
                    name=namespace,
                    key_policies=key_policies[namespace],
                    disregard_namespace_policy=not is_required,
                )
            elif is_required:
                interest.chaincodes.add(name=namespace)
    return interest
