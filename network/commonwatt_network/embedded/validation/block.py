# SPDX-License-Identifier: Apache-2.0
"""Validating one block: a TxValidationCode for every transaction, and all that the valid ones change."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from fabric_protos.common import common_pb2

from commonwatt_network.embedded.channels.blocks import COMMIT_HASH, TRANSACTIONS_FILTER, header_hash
from commonwatt_network.embedded.channels.transactions import Codes, Transaction
from commonwatt_network.embedded.ledger import BlockCommit, Ledger, Version
from commonwatt_network.embedded.rare_log import RareLog
from commonwatt_network.embedded.trust.msp import IdentityError, IdentityRegistry
from commonwatt_network.embedded.trust.policies import Policy, PolicyError
from commonwatt_network.embedded.validation.commit_hash import commit_hash
from commonwatt_network.embedded.validation.conflicts import find_conflict
from commonwatt_network.embedded.validation.endorsement import NamespaceCheck, endorsers, metadata_writes
from commonwatt_network.embedded.validation.private import LOST, Collections, Fetch, PrivateCommit
from commonwatt_network.embedded.validation.updates import BlockUpdates

faults = RareLog(logging.getLogger(__name__))

NOT_EVEN_A_DUPLICATE = (
    Codes.BAD_PROPOSAL_TXID,
    Codes.INVALID_ENDORSER_TRANSACTION,
    Codes.UNSUPPORTED_TX_PAYLOAD,
)  # found before the ledger is asked whether it has the transaction's id


class Rules(Collections, Protocol):
    """The channel's rules as of the block before."""

    @property
    def registry(self) -> IdentityRegistry:
        """Whose identities count."""

    def chaincode_policy(self, name: str) -> bytes | None:
        """A chaincode's serialized ApplicationPolicy; None where it has no definition."""

    def collection_policy(self, namespace: str, collection: str) -> bytes:
        """A collection's own; empty where the chaincode's applies. Raises PolicyError if there is none such."""

    def compile(self, policy: bytes) -> Policy:
        """Raises PolicyError."""


def validate_block(
    block: Any, transactions: Sequence[Transaction], ledger: Ledger, rules: Rules, fetch: Fetch
) -> BlockCommit:
    """The block with its validation codes filled in, ready to be appended to the ledger.

    First every transaction is judged by itself (signatures, policies, duplicates), then the valid ones in order
    against the state and against those before them, as Fabric does.
    """
    number = block.header.number
    codes = _check_each(transactions, ledger, rules)
    updates = BlockUpdates(ledger.state)
    private = PrivateCommit(number, rules, fetch, updates)
    for position, transaction in enumerate(transactions):
        if transaction.endorsed is None:
            continue
        namespaces, version = transaction.endorsed.namespaces, Version(number, position)
        if codes[position] == Codes.VALID:
            codes[position] = _verdict(transaction, find_conflict, namespaces, ledger.state, updates.updates)
        if codes[position] == Codes.VALID:
            updates.apply(namespaces, version)
            private.apply(transaction.transaction_id, namespaces, version)
        elif codes[position] in LOST:
            private.keep(transaction.transaction_id, namespaces, version)
    _fill_in(block, TRANSACTIONS_FILTER, bytes(codes))
    hashed = b""
    if number == 1 or ledger.commit_hash:  # a ledger that began without the hashes goes on without them
        hashed = commit_hash(bytes(codes), updates.updates, updates.deletions, ledger.commit_hash)
    _fill_in(block, COMMIT_HASH, common_pb2.Metadata(value=hashed).SerializeToString())
    for location, version in ledger.private.due(number):
        found = ledger.state.get(*location)
        if location not in updates.updates and found is not None and found.version == version:
            updates.updates[location] = None
    return BlockCommit(
        block=block,
        block_hash=header_hash(block.header),
        commit_hash=hashed,
        transactions=_new_transactions(transactions, codes),
        updates=updates.updates,
        history=updates.history,
        private=private.result,
        is_config=any(transaction.is_config for transaction in transactions),
    )


def _fill_in(block: Any, slot: int, content: bytes) -> None:
    slots = block.metadata.metadata
    while len(slots) <= slot:
        slots.append(b"")
    slots[slot] = content


def _new_transactions(transactions: Sequence[Transaction], codes: list[int]) -> list[tuple[str, int, int]]:
    """(id, position, code) of each transaction that is the first with its id."""
    return [
        (transaction.transaction_id, position, code)
        for position, (transaction, code) in enumerate(zip(transactions, codes, strict=True))
        if transaction.transaction_id and code != Codes.DUPLICATE_TXID
    ]


def _check_each(transactions: Sequence[Transaction], ledger: Ledger, rules: Rules) -> list[int]:
    codes: list[int] = []
    seen: set[str] = set()
    metadata_changed: set[tuple[str, bytes]] = set()
    for transaction in transactions:
        code = _verdict(transaction, _check, transaction, ledger, rules, metadata_changed)
        if code == Codes.VALID and transaction.endorsed is not None:
            if transaction.transaction_id in seen:
                code = Codes.DUPLICATE_TXID
            seen.add(transaction.transaction_id)
            metadata_changed |= metadata_writes(transaction.endorsed.namespaces)
        codes.append(int(code))
    return codes


def _verdict(transaction: Transaction, judge: Callable[..., int], *arguments: object) -> int:
    """The code that `judge` finds. Where it fails in a way that nobody foresaw, the block goes on without it.

    All peers hold the same state, so it fails on each of them. Raises sqlite3.Error, OSError and MemoryError: they are
    this peer's own trouble, after which it tries the block again.
    """
    try:
        return judge(*arguments)
    except (sqlite3.Error, OSError, MemoryError):
        raise
    except Exception as error:
        name = transaction.transaction_id[:64]
        faults.report(f"transaction {name} cannot be judged and counts as invalid", error)
        return int(Codes.INVALID_OTHER_REASON)


def _check(
    transaction: Transaction, ledger: Ledger, rules: Rules, metadata_changed: set[tuple[str, bytes]]
) -> int:
    if transaction.envelope is None or transaction.code in (Codes.BAD_PAYLOAD, Codes.BAD_COMMON_HEADER):
        return transaction.code
    try:
        identity = rules.registry.deserialize(transaction.creator)
        identity.validate()
        identity.verify(transaction.envelope.payload, transaction.envelope.signature)
    except IdentityError:
        return int(Codes.BAD_CREATOR_SIGNATURE)
    if transaction.is_config or transaction.code in NOT_EVEN_A_DUPLICATE:
        return transaction.code
    if ledger.transaction(transaction.transaction_id) is not None:
        return int(Codes.DUPLICATE_TXID)
    endorsed = transaction.endorsed
    if transaction.code != Codes.VALID or endorsed is None:
        return transaction.code
    identities = endorsers(endorsed, rules.registry)
    for sets in endorsed.namespaces:
        if not sets.writes and sets.namespace != endorsed.chaincode_name:
            continue
        policy = rules.chaincode_policy(sets.namespace)
        if policy is None:
            return int(Codes.INVALID_CHAINCODE)
        check = NamespaceCheck(sets, policy, rules.collection_policy, rules.compile, identities)
        try:
            check.run(ledger.state, metadata_changed)
        except PolicyError:
            return int(Codes.ENDORSEMENT_POLICY_FAILURE)
    if endorsed.chaincode_name not in {sets.namespace for sets in endorsed.namespaces}:
        return _check_untouched(endorsed.chaincode_name, rules, identities)
    return int(Codes.VALID)


def _check_untouched(name: str, rules: Rules, identities: Sequence[Any]) -> int:
    """A chaincode that read and wrote nothing still needs its policy satisfied."""
    policy = rules.chaincode_policy(name)
    if policy is None:
        return int(Codes.INVALID_CHAINCODE)
    try:
        rules.compile(policy).evaluate_identities(identities)
    except PolicyError:
        return int(Codes.ENDORSEMENT_POLICY_FAILURE)
    return int(Codes.VALID)
