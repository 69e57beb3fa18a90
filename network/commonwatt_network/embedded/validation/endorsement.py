# SPDX-License-Identifier: Apache-2.0
"""Whether a transaction's endorsements satisfy every policy that its writes call for.

In each namespace written, keys with a policy of their own (state-based endorsement) need that one. Other keys need
their collection's policy, or the chaincode's. At least one policy must hold, so a transaction without writes needs the
chaincode's. A key whose policy was changed by
an earlier valid transaction of the same block makes the later one invalid, for endorsers cannot have known.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from fabric_protos.peer import policy_pb2
from google.protobuf.message import DecodeError

from commonwatt_network.embedded.channels.transactions import Endorsed, NamespaceSets
from commonwatt_network.embedded.ledger import hashed_namespace
from commonwatt_network.embedded.ledger.state import State
from commonwatt_network.embedded.simulation.simulator import decode_metadata
from commonwatt_network.embedded.trust.msp import Identity, IdentityRegistry
from commonwatt_network.embedded.trust.policies import Policy, PolicyError, SignedData, valid_identities

VALIDATION_PARAMETER = "VALIDATION_PARAMETER"

CollectionPolicy = Callable[[str, str], bytes]
"""(chaincode, collection) -> its serialized ApplicationPolicy, empty where the chaincode's applies."""
Compile = Callable[[bytes], Policy]


def endorsers(endorsed: Endorsed, registry: IdentityRegistry) -> list[Identity]:
    """The different endorsers whose signatures hold."""
    signed = [
        SignedData(endorsed.response_payload + e.endorser, e.endorser, e.signature)
        for e in endorsed.endorsements
    ]
    return valid_identities(signed, registry)


class NamespaceCheck:
    """The policies of one namespace's writes, each evaluated once at most."""

    def __init__(
        self,
        sets: NamespaceSets,
        chaincode_policy: bytes,
        collection_policy: CollectionPolicy,
        compile_policy: Compile,
        identities: Sequence[Identity],
    ) -> None:
        self._sets = sets
        self._chaincode_policy = chaincode_policy
        self._collection_policy = collection_policy
        self._compile = compile_policy
        self._identities = identities
        self._checked: set[str] = set()
        self._any_checked = False

    def run(self, state: State, metadata_changed: set[tuple[str, bytes]]) -> None:
        """Raises PolicyError. `metadata_changed`: keys whose policies earlier transactions of the block change."""
        namespace, public = self._sets.namespace, self._sets.public
        keys = {write.key.encode() for write in (*public.writes, *public.metadata_writes)}
        for key in sorted(keys):
            self._check_key(namespace, "", key, state, metadata_changed)
        for collection in self._sets.collections:
            hashed = hashed_namespace(namespace, collection.collection)
            writes = (*collection.hashed.hashed_writes, *collection.hashed.metadata_writes)
            for key in sorted({write.key_hash for write in writes}):
                self._check_key(hashed, collection.collection, key, state, metadata_changed)
        if not self._any_checked:
            self._evaluate(self._chaincode_policy)

    def _check_key(
        self,
        location: str,
        collection: str,
        key: bytes,
        state: State,
        metadata_changed: set[tuple[str, bytes]],
    ) -> None:
        if (location, key) in metadata_changed:
            raise PolicyError(
                f"validation parameters for key [{key!r}] in namespace [{location}] have been changed in this block"
            )
        own = None
        if state.has_metadata(location) and (found := state.get(location, key)) is not None:
            own = decode_metadata(found.metadata).get(VALIDATION_PARAMETER)
        if own:
            self._evaluate(_application_policy(own))
            self._any_checked = True
        else:
            self._check_default(collection)

    def _check_default(self, collection: str) -> None:
        if collection in self._checked:
            return
        policy = self._collection_policy(self._sets.namespace, collection) if collection else b""
        if policy:
            self._evaluate(policy)
            self._checked.add(collection)
        elif "" not in self._checked:
            self._evaluate(self._chaincode_policy)
            self._checked.add("")
        self._any_checked = True

    def _evaluate(self, encoded: bytes) -> None:
        self._compile(encoded).evaluate_identities(self._identities)


def _application_policy(signature_policy: bytes) -> bytes:
    """Key-level policies are stored as bare SignaturePolicyEnvelopes. Raises PolicyError."""
    policy = policy_pb2.ApplicationPolicy()
    try:
        policy.signature_policy.MergeFromString(signature_policy)
    except DecodeError as error:
        raise PolicyError(f"could not translate policy for key-level endorsement: {error}") from error
    encoded: bytes = policy.SerializeToString()
    return encoded


def metadata_writes(namespaces: Sequence[NamespaceSets]) -> set[tuple[str, bytes]]:
    """The keys whose metadata a transaction writes, as locations in the state database."""
    changed: set[tuple[str, bytes]] = set()
    for sets in namespaces:
        changed.update((sets.namespace, write.key.encode()) for write in sets.public.metadata_writes)
        for collection in sets.collections:
            location = hashed_namespace(sets.namespace, collection.collection)
            changed.update((location, write.key_hash) for write in collection.hashed.metadata_writes)
    return changed
