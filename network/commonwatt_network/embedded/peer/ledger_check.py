# SPDX-License-Identifier: Apache-2.0
"""Whether a peer's ledger file still holds what the peer wrote: a disk can change bytes, and SQLite does not see it.

The blocks are chained by hashes; everything else of a ledger follows from them. At a peer's start its file's structure,
its blocks and its transactions are checked (3,000 transactions: 0.1 s). The deep check computes from the blocks what
must stand in all other tables too (0.4 s); a small ledger gets it at each start.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing
from hashlib import sha256
from pathlib import Path
from typing import Any

from fabric_protos.common import common_pb2
from google.protobuf.message import DecodeError

from commonwatt_network.embedded.channels.blocks import (
    COMMIT_HASH,
    SIGNATURES,
    TRANSACTIONS_FILTER,
    BlockError,
    config_envelope_of,
    data_hash,
    header_hash,
    headers_of,
    last_config_number,
    verify_block_signature,
)
from commonwatt_network.embedded.channels.configuration import ChannelConfig
from commonwatt_network.embedded.channels.transactions import Codes, Transaction, parse_transaction
from commonwatt_network.embedded.ledger import (
    CommittedTransaction,
    Ledger,
    LedgerDamaged,
    MissingWrite,
    Version,
    hashed_namespace,
)
from commonwatt_network.embedded.ledger.database import ANEW, REFILLED, explain_failure
from commonwatt_network.embedded.ledger.packing import unpacked
from commonwatt_network.embedded.ledger.state import Location, State, Updates
from commonwatt_network.embedded.ledger.values import VersionedValue
from commonwatt_network.embedded.lifecycle.package_store import PackageError, PackageStore
from commonwatt_network.embedded.orderer.recovery import demand_all_blocks, demand_same_chain
from commonwatt_network.embedded.orderer.store import BlockStore, StoreDamaged
from commonwatt_network.embedded.validation.commit_hash import commit_hash
from commonwatt_network.embedded.validation.private import LOST, is_write_set
from commonwatt_network.embedded.validation.updates import BlockUpdates

SMALL_LEDGER_BYTES = 4 << 20


class _Wrong(Exception):
    """What is wrong with the file."""


class _WrongWriteSet(Exception):
    """What is wrong with the file of write sets beside it."""


def check_at_start(ledger: Ledger) -> None:
    """As check_ledger, as deep as the ledger's size lets a start be quick."""
    check_ledger(ledger, deep=ledger.path.stat().st_size <= SMALL_LEDGER_BYTES)


def check_ledger(ledger: Ledger, *, deep: bool = False) -> None:
    """Raises LedgerDamaged, which names the file, the first thing that is wrong with it, and the remedy."""
    database = ledger.database
    try:
        database.execute("begin")  # blocks that come meanwhile stay out of sight
        try:
            _check_structure(database, deep)
            if deep:
                _DeepCheck(ledger).run()
            else:
                _check_transactions(ledger)
        finally:
            database.execute("rollback")
    except _WrongWriteSet as error:
        raise LedgerDamaged(f"{ledger.write_sets.path}: {error}; {REFILLED}") from error
    except sqlite3.DatabaseError as error:
        raise explain_failure(ledger.path, error) from error
    except Exception as error:  # a disk can change any byte to any other
        raise LedgerDamaged(f"{ledger.path}: {error}; {ANEW}") from error
    try:
        _check_write_set_file(ledger, deep)
    except sqlite3.DatabaseError as error:
        raise explain_failure(ledger.write_sets.path, error, REFILLED) from error
    except _Wrong as error:
        raise LedgerDamaged(f"{ledger.write_sets.path}: {error}; {REFILLED}") from error


def _check_structure(database: sqlite3.Connection, deep: bool) -> None:
    (verdict,) = database.execute(f"pragma {'integrity' if deep else 'quick'}_check(1)").fetchone()
    if verdict != "ok":
        raise _Wrong(f"SQLite finds it damaged ({verdict})")


def _check_write_set_file(ledger: Ledger, deep: bool) -> None:
    """That the file can be read, and has the write set of each private value that stands."""
    write_sets = ledger.write_sets
    _check_structure(write_sets.database, deep)
    if not deep or not write_sets.is_whole:
        return
    kept = set(
        write_sets.database.execute("select block, position, namespace, collection from private_writes")
    )
    for place in _standing_private(ledger):
        if place not in kept:
            raise _Wrong(f"it lacks the private data of block {place.block} in collection {place.collection}")


def _standing_private(ledger: Ledger) -> Iterator[MissingWrite]:
    """Where the private values that stand were written; without those that a snapshot brought, or that will expire."""
    rows = ledger.database.execute(
        "select distinct block, position, namespace from state where block >= ? and instr(namespace, '$$p') and not "
        "exists (select 1 from private_expiry e where e.block = state.block and e.position = state.position)",
        (ledger.first_number,),
    )
    for block, position, namespace in rows:
        chaincode, _, collection = namespace.partition("$$p")
        yield MissingWrite(block, position, chaincode, collection)


def _blocks(ledger: Ledger) -> Iterator[Any]:
    """The blocks in order, each found to be the one that its successor names."""
    number = ledger.first_number
    former = ledger.hash_before(number) if number else b""
    config_number = ledger.config_block_number()
    rows = ledger.database.execute("select number, hash, content from blocks order by number")
    for stored_number, stored_hash, content in rows:
        block = common_pb2.Block.FromString(unpacked(content))
        header = block.header
        if stored_number != number or header.number != number:
            raise _Wrong(f"block {stored_number} stands where block {number} belongs")
        if header.previous_hash != former or data_hash(block.data.data) != header.data_hash:
            raise _Wrong(f"block {number} does not have the contents that the hashes of the chain name")
        if stored_hash != header_hash(header):
            raise _Wrong(f"block {number} cannot be found by its hash")
        if len(block.metadata.metadata) <= TRANSACTIONS_FILTER or len(
            block.metadata.metadata[TRANSACTIONS_FILTER]
        ) != len(block.data.data):
            raise _Wrong(f"block {number} lacks its validation codes")
        former = stored_hash
        number += 1
        yield block
        if block.header.number == config_number and config_envelope_of(block) is None:
            raise _Wrong(f"block {config_number}, said to hold the channel's configuration, does not")
    if config_number >= max(number, 1):
        raise _Wrong(f"block {config_number}, said to hold the channel's configuration, is not there")


def _check_transactions(ledger: Ledger) -> None:
    count = 0
    for block in _blocks(ledger):
        for position, (encoded, code) in enumerate(_with_codes(block)):
            transaction_id = _transaction_id(encoded)
            if transaction_id and code != Codes.DUPLICATE_TXID:
                count += _check_transaction(ledger, transaction_id, block.header.number, position, code)
    _check_count(ledger, count)


def _with_codes(block: Any) -> Iterator[tuple[bytes, int]]:
    return zip(block.data.data, block.metadata.metadata[TRANSACTIONS_FILTER], strict=True)


def _transaction_id(encoded: bytes) -> str:
    try:
        return str(headers_of(common_pb2.Envelope.FromString(encoded))[1].tx_id)
    except (BlockError, DecodeError):
        return ""


def _check_transaction(ledger: Ledger, transaction_id: str, number: int, position: int, code: int) -> int:
    """1 where the transaction is found as its first place in the blocks says, 0 where this is a later one."""
    found = ledger.transaction(transaction_id)
    if found == CommittedTransaction(number, position, code):
        return 1
    if found is not None and number == found.block_number == 0:
        return 1  # block 0 is valid without the signature that its transaction lacks
    if found is not None and (found.block_number, found.position) < (number, position):
        return 0
    raise _Wrong(f"transaction {transaction_id} of block {number} is not found as it was committed")


def _check_count(ledger: Ledger, count: int) -> None:
    (stored,) = ledger.database.execute(
        "select count(*) from transactions where block >= ?", (ledger.first_number,)
    ).fetchone()
    if stored != count:
        raise _Wrong(f"it names {stored} transactions, and its blocks hold {count}")


class _Replayed(State):
    """The state that the blocks lead to, in memory; what a snapshot brought is read from the ledger."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.values: Updates = {}
        self._metadata: set[str] = set()

    def has_metadata(self, namespace: str) -> bool:
        return namespace in self._metadata

    def get(self, namespace: str, key: bytes) -> VersionedValue | None:
        return self.values.get((namespace, key))

    def write(self, updates: Updates) -> None:
        self.values.update(updates)
        self._metadata.update(location[0] for location, value in updates.items() if value and value.metadata)


class _DeepCheck:
    """Replays the writes of all valid transactions, by the codes that stand in the blocks."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._state = _Replayed(ledger)
        self._commit_hash = ledger.base_commit_hash
        self._notes = _notes_by_block(ledger.database)
        self._transactions = 0
        self._writes = 0

    def run(self) -> None:
        config: ChannelConfig | None = None
        if self._ledger.first_number:
            channel_id = self._ledger.path.parent.name
            config = ChannelConfig.from_config(channel_id, self._ledger.base_configuration())
        for block in _blocks(self._ledger):
            if config is not None:
                _check_signed(block, config)
            if (
                config_envelope_of(block) is not None
                and block.metadata.metadata[TRANSACTIONS_FILTER] == b"\0"
            ):
                config = ChannelConfig.from_block(block)
            self._replay(block)
        if self._notes:
            raise _Wrong(
                f"it names private data of block {min(self._notes)} as missing or purged: it has no such block"
            )
        _check_count(self._ledger, self._transactions)
        first = self._ledger.first_number
        query = "select count(*) from history where block >= ?"
        (stored,) = self._ledger.database.execute(query, (first,)).fetchone()
        if stored != self._writes:
            raise _Wrong(f"its history has {stored} entries, and its blocks {self._writes}")
        self._check_state()

    def _replay(self, block: Any) -> None:
        ledger, number = self._ledger, block.header.number
        codes = block.metadata.metadata[TRANSACTIONS_FILTER]
        updates = BlockUpdates(self._state)
        private = _write_sets_of(ledger, number)
        notes = self._notes.pop(number, set())
        for position, (encoded, code) in enumerate(_with_codes(block)):
            transaction = parse_transaction(encoded)
            if transaction.transaction_id and code != Codes.DUPLICATE_TXID:
                found = _check_transaction(ledger, transaction.transaction_id, number, position, code)
                self._transactions += found
            if code in LOST:
                _check_write_sets(transaction, position, private)
            if code != Codes.VALID or transaction.endorsed is None:
                continue
            updates.apply(transaction.endorsed.namespaces, Version(number, position))
            _check_write_sets(transaction, position, private)
            notes -= _may_be_noted(transaction, position)
        if private:
            raise _WrongWriteSet(f"block {number} has no transaction for private data that are kept of it")
        if notes:
            raise _Wrong(
                f"block {number} has no transaction for private data that are named as missing or purged"
            )
        self._check_commit_hash(block, codes, updates)
        history = {(*location, position) for location, position in updates.history}
        self._writes += len(history)
        for namespace, key, position in history:
            row = (namespace, key, number, position)
            query = "select 1 from history where namespace = ? and key = ? and block = ? and position = ?"
            if ledger.database.execute(query, row).fetchone() is None:
                raise _Wrong(f"the history of key {key!r} of {namespace} lacks block {number}")
        self._state.write(updates.updates)

    def _check_commit_hash(self, block: Any, codes: bytes, updates: BlockUpdates) -> None:
        number, slots = block.header.number, block.metadata.metadata
        stored = common_pb2.Metadata.FromString(slots[COMMIT_HASH]).value if len(slots) > COMMIT_HASH else b""
        if number == 1 or self._commit_hash:
            expected = commit_hash(bytes(codes), updates.updates, updates.deletions, self._commit_hash)
            if stored != expected:
                raise _Wrong(
                    f"block {number} has other validation codes, or another commit hash, than it was given"
                )
        self._commit_hash = stored

    def _check_state(self) -> None:
        unseen = {location for location, value in self._state.values.items() if value is not None}
        for namespace, key, value in self._ledger.state.everything():
            location = (namespace, key)
            unseen.discard(location)
            self._check_key(location, value)
        for namespace, key in unseen:
            if "$$" not in namespace:  # private data and their hashes may have expired
                raise _Wrong(f"key {key!r} of {namespace} is missing from its state")

    def _check_key(self, location: Location, value: VersionedValue) -> None:
        namespace, key = location
        if "$$p" in namespace:
            chaincode, _, collection = namespace.partition("$$p")
            location = (hashed_namespace(chaincode, collection), sha256(key).digest())
            value = value._replace(value=sha256(value.value).digest())
        expected = self._state.values.get(location)
        if expected is None:
            snapshot = value.version.block_number < self._ledger.first_number
            if not snapshot or location in self._state.values:
                raise _Wrong(f"key {key!r} of {namespace} stands in its state, and no block wrote it")
            return
        same = expected.value == value.value and expected.version == value.version
        if not same or (not self._ledger.first_number and "$$" not in namespace and expected != value):
            raise _Wrong(
                f"key {key!r} of {namespace} does not have the value that block "
                f"{expected.version.block_number} gave it"
            )


def _check_signed(block: Any, config: ChannelConfig) -> None:
    """The orderer's signature, and that nothing stands in the block besides what is checked."""
    number, slots = block.header.number, block.metadata.metadata
    try:
        verify_block_signature(block, config.policies.get("/Channel/Orderer/BlockValidation"))
    except BlockError as error:
        raise _Wrong(f"block {number} does not carry its orderer's signature: {error}") from error
    last_config = common_pb2.LastConfig(index=last_config_number(block)).SerializeToString()
    signatures = common_pb2.Metadata.FromString(slots[SIGNATURES])
    signatures.DiscardUnknownFields()
    commit = common_pb2.Metadata.FromString(slots[COMMIT_HASH]) if len(slots) > COMMIT_HASH else None
    expected = [
        signatures.SerializeToString(),
        common_pb2.Metadata(value=last_config).SerializeToString(),
        slots[TRANSACTIONS_FILTER],
        b"",
        common_pb2.Metadata(value=commit.value).SerializeToString() if commit else b"",
    ]
    if list(slots) != expected:
        raise _Wrong(f"block {number} has other metadata than it was given")


def _write_sets_of(ledger: Ledger, number: int) -> dict[tuple[int, str, str], bytes]:
    try:
        writes = ledger.write_sets.writes_of_block(number)
    except sqlite3.DatabaseError as error:
        raise _WrongWriteSet(f"the private data of block {number} cannot be read: {error}") from error
    return {(write.position, write.namespace, write.collection): write.rwset for write in writes}


def _check_write_sets(
    transaction: Transaction, position: int, private: dict[tuple[int, str, str], bytes]
) -> None:
    """Take out of `private` what the transaction wrote, if it is what was endorsed."""
    for sets in transaction.endorsed.namespaces if transaction.endorsed else ():
        for collection in sets.collections:
            kept = private.pop((position, sets.namespace, collection.collection), None)
            if kept is not None and not is_write_set(kept, collection):
                raise _WrongWriteSet(
                    f"the private data of transaction {transaction.transaction_id} in collection "
                    f"{collection.collection} are not those that were endorsed"
                )


_Note = tuple[int, str, str, bytes]
"""(position, chaincode, collection, hash of a purged key) or, of a write set that the peer does not have, no hash."""


def _notes_by_block(database: sqlite3.Connection) -> dict[int, set[_Note]]:
    """What the tables name of each block as missing, as others', or as purged."""
    found: dict[int, set[_Note]] = {}
    for hashed, query in (
        ("x''", "missing_private_writes"),
        ("x''", "others_private_writes"),
        ("key_hash", "purged_keys"),
    ):
        rows = database.execute(f"select block, position, namespace, collection, {hashed} from {query}")  # noqa: S608
        for block, *note in rows:
            found.setdefault(block, set()).add((*note,))
    return found


def _may_be_noted(transaction: Transaction, position: int) -> set[_Note]:
    return {
        (position, sets.namespace, collection.collection, key_hash)
        for sets in (transaction.endorsed.namespaces if transaction.endorsed else ())
        for collection in sets.collections
        for key_hash in (
            *([b""] if collection.private_hash else []),
            *(write.key_hash for write in collection.hashed.hashed_writes if write.is_purge),
        )
    }


def check_files(ledgers: Path) -> tuple[int, list[str]]:
    """How many files of the nodes' folders under `ledgers` were checked deeply, and what is wrong with them.

    The network may run meanwhile.
    """
    problems: list[str] = []
    checked = 0
    by_channel: dict[str, list[Ledger]] = {}
    with ExitStack() as stack:
        for path in sorted(ledgers.glob("*/channels/*/ledger.sqlite")):
            checked += 1
            try:
                ledger = stack.enter_context(closing(Ledger(path)))
                check_ledger(ledger, deep=True)
                by_channel.setdefault(path.parent.name, []).append(ledger)
            except LedgerDamaged as error:
                problems.append(str(error))
        for path in sorted(ledgers.glob("*/chains/*/blocks")):
            checked += 1
            try:
                with closing(BlockStore(path, read_only=True)) as store:
                    for ledger in by_channel.get(path.parent.name, ()):
                        demand_same_chain(store, ledger)
                    demand_all_blocks(store, by_channel.get(path.parent.name, ()))
            except StoreDamaged as error:
                problems.append(str(error))
        for path in sorted(ledgers.glob("*/chaincodes")):
            try:
                checked += len(PackageStore(path).installed)
            except PackageError as error:
                problems.append(str(error))
    return checked, problems
