# SPDX-License-Identifier: Apache-2.0
"""Read-write sets, range summaries, state views and conflicts, without any network."""

from __future__ import annotations

import random
from hashlib import sha256
from pathlib import Path

import pytest
from commonwatt_network.embedded.channels.transactions import Codes, NamespaceSets
from commonwatt_network.embedded.ledger import Ledger, Version, VersionedValue
from commonwatt_network.embedded.ledger.state import State, Updates
from commonwatt_network.embedded.simulation import SimulationError, Simulator
from commonwatt_network.embedded.simulation.range_reads import RangeReads
from commonwatt_network.embedded.simulation.read_write_set import kv_read
from commonwatt_network.embedded.validation.conflicts import find_conflict
from fabric_protos.ledger.rwset import rwset_pb2
from fabric_protos.ledger.rwset.kvrwset import kv_rwset_pb2 as kv
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st


@pytest.fixture
def state(tmp_path: Path) -> State:
    return Ledger(tmp_path / "ledger.sqlite").state


def value_of(text: str, block: int = 1, position: int = 0) -> VersionedValue:
    return VersionedValue(text.encode(), b"", Version(block, position))


def summary(count: int) -> kv.RangeQueryInfo:
    reads = RangeReads()
    for number in range(count):
        reads.add(kv_read(f"k{number:05}", Version(1, 0)))
    info = kv.RangeQueryInfo()
    reads.into(info)
    return info


def test_up_to_fifty_reads_are_listed_and_more_are_hashed_in_groups_of_fifty_one() -> None:
    assert not summary(0).HasField("raw_reads")
    assert len(summary(50).raw_reads.kv_reads) == 50
    hashed = summary(51).reads_merkle_hashes
    group = kv.QueryReads(kv_reads=[kv_read(f"k{number:05}", Version(1, 0)) for number in range(51)])
    assert (hashed.max_degree, hashed.max_level) == (50, 1)
    assert list(hashed.max_level_hashes) == [sha256(group.SerializeToString()).digest()]


@pytest.mark.parametrize(
    ("count", "level", "hashes"), [(102, 1, 2), (51 * 50, 1, 50), (51 * 51, 2, 1), (51 * 51 + 1, 2, 2)]
)
def test_a_level_of_more_than_fifty_hashes_is_hashed_again(count: int, level: int, hashes: int) -> None:
    found = summary(count).reads_merkle_hashes
    assert (found.max_level, len(found.max_level_hashes)) == (level, hashes)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(seed=st.integers(0, 1 << 30))
def test_a_view_stays_what_it_was_while_blocks_go_on(state: State, seed: int) -> None:
    """Against a plain dictionary: reads and ranges of views opened at any time, half-read ranges included."""
    chance = random.Random(seed)
    namespace = f"ns{seed}-{chance.random()}"
    keys = [f"k{number}".encode() for number in range(12)]
    model: dict[bytes, VersionedValue] = {}
    views = []
    for block in range(8):
        view = state.view(block)
        iterator = view.range(namespace, b"", b"")
        begun = [item for _, item in zip(range(chance.randrange(4)), iterator, strict=False)]
        views.append((view, dict(model), iterator, begun))
        updates: Updates = {}
        for key in chance.sample(keys, chance.randrange(6)):
            updates[(namespace, key)] = None if chance.random() < 0.3 else value_of(f"{block}", block)
        state.write(updates)
        for (_, key), value in updates.items():
            if value is None:
                model.pop(key, None)
            else:
                model[key] = value
    for view, expected, iterator, begun in views:
        assert {key: view.get(namespace, key) for key in keys if view.get(namespace, key)} == expected
        assert list(view.range(namespace, b"", b"")) == sorted(expected.items())
        assert begun + list(iterator) == sorted(expected.items())
        view.close()
    assert list(state.range(namespace, b"", b"")) == sorted(model.items())


def simulator(state: State) -> Simulator:
    return Simulator("tx", state.view(1), lambda namespace, read: {"c"})


def test_reads_and_writes_are_sorted_and_an_empty_value_deletes(state: State) -> None:
    state.write({("cc", b"b"): value_of("1", 3, 4)})
    simulation = simulator(state)
    assert simulation.get_state("cc", "b") == b"1"
    assert simulation.get_state("cc", "a") is None
    simulation.set_state("cc", "z", b"1")
    simulation.set_state("cc", "y", b"")
    assert simulation.get_state("cc", "z") is None
    sets = rwset_pb2.TxReadWriteSet.FromString(simulation.result().public)
    rwset = kv.KVRWSet.FromString(sets.ns_rwset[0].rwset)
    assert [(read.key, read.HasField("version")) for read in rwset.reads] == [
        ("a", False),
        ("b", True),
        ("z", False),
    ]
    assert [(write.key, write.is_delete, write.value) for write in rwset.writes] == [
        ("y", True, b""),
        ("z", False, b"1"),
    ]


def test_private_writes_are_public_only_as_hashes(state: State) -> None:
    simulation = simulator(state)
    simulation.set_private("cc", "c", "secret key", b"secret value")
    result = simulation.result()
    assert b"secret" not in result.public
    private = result.private.ns_pvt_rwset[0].collection_pvt_rwset[0].rwset
    collection = rwset_pb2.TxReadWriteSet.FromString(result.public).ns_rwset[0].collection_hashed_rwset[0]
    assert collection.pvt_rwset_hash == sha256(private).digest()
    write = kv.HashedRWSet.FromString(collection.hashed_rwset).hashed_writes[0]
    assert write.key_hash == sha256(b"secret key").digest()
    assert write.value_hash == sha256(b"secret value").digest()


def test_several_private_values_are_read_as_one_by_one(state: State) -> None:
    keys = [f"k{number}" for number in range(5)]
    written: Updates = {}
    for key in keys[:4]:
        written["cc$$pc", key.encode()] = value_of(f"value of {key}", 2)
        hashed = sha256(f"value of {key}".encode()).digest()
        written["cc$$hc", sha256(key.encode()).digest()] = VersionedValue(hashed, b"", Version(2, 0))
    state.write(written)
    at_once, singly = simulator(state), simulator(state)
    found = at_once.get_privates("cc", "c", keys)
    assert found == [b"value of k0", b"value of k1", b"value of k2", b"value of k3", None]
    assert found == [singly.get_private("cc", "c", key) for key in keys]
    assert at_once.result() == singly.result()
    state.write({("cc$$pc", b"k2"): None})
    with pytest.raises(SimulationError, match="private data matching public hash version is not available"):
        simulator(state).get_privates("cc", "c", keys)
    with pytest.raises(SimulationError, match=r"collection \[other\] not defined"):
        simulator(state).get_privates("cc", "other", keys)


def test_writes_and_private_queries_exclude_each_other(state: State) -> None:
    simulation = simulator(state)
    simulation.private_range("cc", "c", "", "")
    with pytest.raises(SimulationError, match="already performed queries on pvt data"):
        simulation.set_state("cc", "k", b"1")
    simulation = simulator(state)
    simulation.set_state("cc", "k", b"1")
    with pytest.raises(
        SimulationError, match="Paginated queries are supported only in a read-only transaction"
    ):
        simulation.range("cc", "", "", page=True)
    with pytest.raises(SimulationError, match=r"collection \[other\] not defined"):
        simulation.set_private("cc", "other", "k", b"1")


def sets_of(simulation: Simulator) -> tuple[NamespaceSets, ...]:
    sets = rwset_pb2.TxReadWriteSet.FromString(simulation.result().public)
    return tuple(
        NamespaceSets(entry.namespace, kv.KVRWSet.FromString(entry.rwset), ()) for entry in sets.ns_rwset
    )


@pytest.mark.parametrize("present", [0, 10, 50, 51, 130])
@pytest.mark.parametrize("taken", [None, 5])
def test_a_range_conflicts_exactly_when_what_was_read_of_it_changes(
    state: State, present: int, taken: int | None
) -> None:
    """`taken`: how many results the transaction took before it stopped reading."""
    state.write({("cc", f"k{number:03}".encode()): value_of("1") for number in range(present)})
    simulation = simulator(state)
    results = simulation.range("cc", "k", "l")
    read = (
        [key for _, (key, _) in zip(range(taken), results, strict=False)]
        if taken is not None
        else [k for k, _ in results]
    )
    sets = sets_of(simulation)
    assert find_conflict(sets, state, {}) == Codes.VALID
    changed_within: Updates = {("cc", b"k000x"): value_of("new", 2)}
    changed_beyond: Updates = {("cc", b"k999"): value_of("new", 2)}
    unread_end = taken is not None and len(read) == taken
    seen_within = not unread_end or read[-1] > "k000x"
    assert find_conflict(sets, state, changed_within) == (
        Codes.PHANTOM_READ_CONFLICT if seen_within else Codes.VALID
    )
    assert find_conflict(sets, state, changed_beyond) == (
        Codes.VALID if unread_end else Codes.PHANTOM_READ_CONFLICT
    )
    if present:
        assert find_conflict(sets, state, {("cc", b"k000"): None}) == Codes.PHANTOM_READ_CONFLICT


def test_a_read_conflicts_when_its_key_changes_in_the_block_or_has_changed_before(state: State) -> None:
    state.write({("cc", b"k"): value_of("1")})
    simulation = simulator(state)
    simulation.get_state("cc", "k")
    sets = sets_of(simulation)
    assert find_conflict(sets, state, {("cc", b"k"): value_of("2", 2)}) == Codes.MVCC_READ_CONFLICT
    state.write({("cc", b"k"): value_of("1", 2)})
    assert find_conflict(sets, state, {}) == Codes.MVCC_READ_CONFLICT
