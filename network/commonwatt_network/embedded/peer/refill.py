# SPDX-License-Identifier: Apache-2.0
"""A file of private write sets that was lost, filled anew from the ledger beside it.

A write set whose values all stand in the state is put together from them, and must have the hash in its block. Of the
others a value was overwritten, deleted or purged since: they are missing here, and other members' peers may have them.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator
from hashlib import sha256
from typing import Any

from fabric_protos.ledger.rwset.kvrwset import kv_rwset_pb2 as kv

from commonwatt_network.embedded.channels.blocks import TRANSACTIONS_FILTER
from commonwatt_network.embedded.channels.transactions import Codes, CollectionSets, parse_transaction
from commonwatt_network.embedded.ledger import Ledger, MissingWrite, PrivateWrite, private_namespace
from commonwatt_network.embedded.ledger.database import in_one_transaction

log = logging.getLogger(__name__)

_BY_PLACE = """
create temp table standing as
    select block, position, namespace, key from main.state where instr(namespace, '$$p');
create index temp.standing_by_place on standing (block, position, namespace, key);
create temp table ending as select distinct block, position, namespace, collection, expires_at from private_expiry;
create index temp.ending_by_place on ending (block, position, namespace, collection);
"""
_NOT_HERE = "select block, position, namespace, collection from {}_private_writes"


def refill(ledger: Ledger) -> None:
    """Fill the file. Raises sqlite3.Error."""
    database = ledger.database
    never_held = {
        place for table in ("missing", "others") for place in database.execute(_NOT_HERE.format(table))
    }
    count = 0
    missing: list[MissingWrite] = []
    purged: list[tuple[str, str, bytes, int, int]] = []

    def found() -> Iterator[tuple[int, PrivateWrite]]:
        nonlocal count
        for place, sets in _written(ledger):
            for write in sets.hashed.hashed_writes:
                if write.is_purge:
                    purged.append(
                        (place.namespace, place.collection, write.key_hash, place.block, place.position)
                    )
            if not sets.private_hash or place in never_held:
                continue
            write_set = _put_together(database, place)
            if write_set is not None and sha256(write_set.rwset).digest() == sets.private_hash:
                count += 1
                yield place.block, write_set
            else:
                missing.append(place)
        lacking = {(place.namespace, place.collection) for place in missing}
        with in_one_transaction(database):  # before the file says that it is whole
            ledger.private.miss(missing)
            ledger.private.note_purged(one for one in purged if one[:2] in lacking)

    database.executescript(_BY_PLACE)
    try:
        ledger.write_sets.fill(found())
    finally:
        database.executescript("drop table temp.standing; drop table temp.ending;")
    log.warning(
        "%s is filled anew: %d write sets stood in the ledger, %d are asked of the other members' peers",
        ledger.write_sets.path,
        count,
        len(missing),
    )


def _written(ledger: Ledger) -> Iterator[tuple[MissingWrite, CollectionSets]]:
    """What valid transactions of all blocks wrote to collections."""
    for number in range(ledger.first_number, ledger.height):
        block: Any = ledger.block(number)
        codes = block.metadata.metadata[TRANSACTIONS_FILTER]
        for position, (encoded, code) in enumerate(zip(block.data.data, codes, strict=True)):
            endorsed = parse_transaction(encoded).endorsed if code == Codes.VALID else None
            for sets in endorsed.namespaces if endorsed else ():
                for collection in sets.collections:
                    yield MissingWrite(number, position, sets.namespace, collection.collection), collection


def _put_together(database: sqlite3.Connection, place: MissingWrite) -> PrivateWrite | None:
    """The write set of all values that stand of a transaction; None where none does."""
    location = private_namespace(place.namespace, place.collection)
    rows = database.execute(
        "select state.key, state.value from temp.standing join main.state using (namespace, key) "
        "where standing.block = ? and standing.position = ? and standing.namespace = ? order by standing.key",
        (place.block, place.position, location),
    ).fetchall()
    if not rows:
        return None
    ending = database.execute(
        "select expires_at from temp.ending where block = ? and position = ? and namespace = ? and collection = ?",
        place,
    ).fetchone()
    rwset = kv.KVRWSet(writes=[kv.KVWrite(key=key.decode(), value=value) for key, value in rows])
    end = ending[0] if ending else None
    return PrivateWrite(place.position, place.namespace, place.collection, rwset.SerializeToString(), end)
