# SPDX-License-Identifier: Apache-2.0
"""The verdict on every transaction of a block (Fabric's ``TxValidationCode``), computed anew.

As a peer does: first each transaction by itself against the state before the block (form, signatures, a used id,
endorsement policies). Then it judges those that are left in order, each against what the ones before it changed.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from commonwatt_client.ledger import BlockTransaction
from commonwatt_client.ledger.read_write_set import NamespaceReadWriteSet, Version
from commonwatt_client.ledger.validation import ValidationCode
from fabric_protos.common import policies_pb2
from fabric_protos.peer import policy_pb2
from google.protobuf.message import DecodeError

from commonwatt_audit.envelopes import Judged
from commonwatt_audit.policies import Policies
from commonwatt_audit.state import LIFECYCLE, Key, Space, State

_IMPLICIT = "_implicit_org_"


class Verdict(NamedTuple):
    """A code and, unless it is VALID, the reason in words."""

    code: ValidationCode
    reason: str = ""


_VALID = Verdict(ValidationCode.VALID)


class Verdicts:
    """Of one channel, whose blocks are taken in order."""

    def __init__(self) -> None:
        self._state = State()
        self._ids: set[str] = set()

    def of_block(
        self,
        number: int,
        judged: Sequence[Judged],
        transactions: Sequence[BlockTransaction | None],
        policies: Policies,
    ) -> list[Verdict]:
        """One for each transaction. `transactions` are given where an endorsed one is in order by itself."""
        verdicts = self._each_alone(judged, transactions, policies)
        for place, transaction in enumerate(transactions):
            if transaction is not None and verdicts[place] == _VALID:
                sets = transaction.actions[0].read_write_sets
                verdicts[place] = Verdict(*self._state.conflict(sets))
                if verdicts[place] == _VALID:
                    self._state.apply(sets, Version(number, place))
        self._state.end_block(number)
        self._ids.update(each.transaction_id for each in judged if each.transaction_id)
        return verdicts

    def _each_alone(
        self, judged: Sequence[Judged], transactions: Sequence[BlockTransaction | None], policies: Policies
    ) -> list[Verdict]:
        verdicts: list[Verdict] = []
        seen: set[str] = set()
        policies_changed: set[tuple[str, Key]] = set()
        for each, transaction in zip(judged, transactions, strict=True):
            verdict = Verdict(each.code, each.reason)
            if each.looks_up_id and each.transaction_id in self._ids:
                verdict = Verdict(ValidationCode.DUPLICATE_TXID, "its id was used before")
            elif transaction is not None and verdict == _VALID:
                verdict = self._endorsed(each, transaction, policies, policies_changed)
                if verdict == _VALID and each.transaction_id in seen:
                    verdict = Verdict(ValidationCode.DUPLICATE_TXID, "its id is used before it in this block")
                elif verdict == _VALID:
                    seen.add(each.transaction_id)
                    for sets in transaction.actions[0].read_write_sets:
                        changed = _keys(sets, metadata_alone=True)
                        policies_changed.update((space.location, key) for space, key in changed)
            verdicts.append(verdict)
        return verdicts

    def _endorsed(
        self,
        judged: Judged,
        transaction: BlockTransaction,
        policies: Policies,
        policies_changed: set[tuple[str, Key]],
    ) -> Verdict:
        """Whether every policy that its writes call for is satisfied."""
        action = transaction.actions[0]
        signers = tuple(action.endorsements[place].endorser.serialized for place in judged.signers)
        written = {sets.namespace: sets for sets in action.read_write_sets if next(_keys(sets), None)}
        written.setdefault(judged.chaincode, NamespaceReadWriteSet(judged.chaincode))
        for namespace, sets in written.items():
            default = (
                policies.lifecycle() if namespace == LIFECYCLE else self._state.chaincode_policy(namespace)
            )
            if default is None:
                return Verdict(ValidationCode.INVALID_CHAINCODE, f"{namespace} has no definition")
            needed = {default} if not next(_keys(sets), None) else set()
            for space, key in _keys(sets):
                if (space.location, key) in policies_changed:
                    reason = "the policy of a key that it writes was changed before it in this block"
                    return Verdict(ValidationCode.ENDORSEMENT_POLICY_FAILURE, reason)
                needed.add(self._policy_of(space, key, default, policies))
            if not all(policies.satisfied(policy, signers) for policy in needed):
                names = (
                    ", ".join(sorted({policies.members.member(each).mspid for each in signers})) or "nobody"
                )
                reason = f"only {names} endorsed it, which does not satisfy the policy of {namespace}"
                return Verdict(ValidationCode.ENDORSEMENT_POLICY_FAILURE, reason)
        return _VALID

    def _policy_of(self, space: Space, key: Key, default: bytes, policies: Policies) -> bytes:
        """The key's own, else its collection's, else its chaincode's; empty, which nobody satisfies, if unknown."""
        if own := self._state.own_policy(space, key):
            try:
                envelope = policies_pb2.SignaturePolicyEnvelope.FromString(own)
            except DecodeError:
                return b""
            return bytes(policy_pb2.ApplicationPolicy(signature_policy=envelope).SerializeToString())
        if not space.collection:
            return default
        if space.collection.startswith(_IMPLICIT):
            return policies.implicit_collection(space.collection.removeprefix(_IMPLICIT)) or b""
        found = self._state.collection_policy(space)
        return b"" if found is None else found or default


def _keys(sets: NamespaceReadWriteSet, metadata_alone: bool = False) -> Iterator[tuple[Space, Key]]:
    """What a transaction writes in a namespace and its collections; or the keys whose metadata it writes."""
    space = Space(sets.namespace)
    yield from ((space, write.key.encode()) for write in sets.writes if not metadata_alone)
    yield from ((space, write.key.encode()) for write in sets.metadata_writes)
    for each in sets.collections:
        space = Space(sets.namespace, each.collection)
        yield from ((space, write.key_hash) for write in each.writes if not metadata_alone)
        yield from ((space, write.key_hash) for write in each.metadata_writes)
