# SPDX-License-Identifier: Apache-2.0
"""Generated programs of transactions: every backend must do with them what the model says, and the same as the others.

A program is a few phases. In each, transactions are endorsed against one committed state and then submitted in some
order, so that they conflict; some lack an endorsement, some are signed by somebody else, some are submitted twice.
Validation codes, results, read-write sets and the final state are compared. Hypothesis generates the same programs
on every backend, and what the first did is kept for comparison with the next.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from commonwatt_client import GatewayError, private_key_signer
from commonwatt_network.channels.deploy import peer_admin
from fabric_protos.common import common_pb2
from fabric_protos.ledger.rwset import rwset_pb2
from fabric_protos.ledger.rwset.kvrwset import kv_rwset_pb2
from fabric_protos.peer import proposal_pb2, proposal_response_pb2, transaction_pb2
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st

PROGRAMS = Path(__file__).parent / "chaincode" / "programs.py"
KEYS = tuple("abcd")
AFTER_ALL_KEYS = "z"

Operation = tuple[str, ...]
Version = int | None
"""The transaction that wrote a key; None for a key that is absent."""


@dataclass(frozen=True)
class Step:
    """One transaction: what it does and what is done to it."""

    operations: tuple[Operation, ...]
    fate: str


@dataclass(frozen=True)
class Round:
    """Transactions endorsed against one state, and the order in which they are submitted."""

    steps: tuple[Step, ...]
    order: tuple[int, ...]


Program = tuple[Round, ...]

keys = st.sampled_from(KEYS)
operations = st.one_of(
    st.tuples(st.just("put"), keys, st.sampled_from(["1", "2"])),
    st.tuples(st.just("delete"), keys),
    st.tuples(st.just("get"), keys),
    st.tuples(st.just("range"), keys, st.sampled_from([*KEYS[1:], AFTER_ALL_KEYS])),
)
fates = st.sampled_from(["plain"] * 5 + ["one endorser", "another signer", "twice"])
steps = st.builds(Step, st.lists(operations, min_size=1, max_size=4).map(tuple), fates)


@st.composite
def rounds(draw: st.DrawFn) -> Round:
    chosen = tuple(draw(st.lists(steps, min_size=1, max_size=4)))
    return Round(chosen, tuple(draw(st.permutations(range(len(chosen))))))


@dataclass
class Outcome:
    """What became of a program. Versions in read-write sets are the numbers of its transactions."""

    results: list[Any] = field(default_factory=list)
    committed: list[tuple[int, str]] = field(default_factory=list)
    refused: list[tuple[int, str]] = field(default_factory=list)
    read_write_sets: dict[int, Any] = field(default_factory=dict)
    state: dict[str, str] = field(default_factory=dict)


# The model


class Ambiguous(Exception):
    """The verdict would depend on where blocks are cut, which differs between backends."""


def model(program: Program) -> Outcome:
    """The verdicts and the state that Fabric's rules give."""
    outcome = Outcome()
    state: dict[str, tuple[str, int]] = {}
    number = 0
    for current in program:
        simulated = []
        for step in current.steps:
            simulated.append((number, step, *_simulate(step, state)))
            outcome.results.append(simulated[-1][-1])
            number += 1
        touched: set[str] = set()
        for index in current.order:
            label, step, reads, ranges, writes, _ = simulated[index]
            if step.fate == "another signer":
                outcome.refused.append((label, "ABORTED"))
                continue
            code = "ENDORSEMENT_POLICY_FAILURE"
            if step.fate != "one endorser":
                code = _verdict(reads, ranges, state, touched)
            outcome.committed.append((label, code))
            if step.fate == "twice":
                outcome.committed.append((label, "DUPLICATE_TXID"))
            if code == "VALID":
                touched |= writes.keys()
                for key, value in writes.items():
                    state.pop(key, None)
                    if value is not None:
                        state[key] = (value, label)
    outcome.state = {key: value for key, (value, _) in sorted(state.items())}
    return outcome


def _simulate(
    step: Step, state: dict[str, tuple[str, int]]
) -> tuple[Any, Any, dict[str, str | None], list[str]]:
    reads: dict[str, Version] = {}
    ranges: list[tuple[str, str, list[tuple[str, Version]]]] = []
    writes: dict[str, str | None] = {}
    seen = []
    for name, *arguments in step.operations:
        if name == "put":
            writes[arguments[0]] = arguments[1]
        elif name == "delete":
            writes[arguments[0]] = None
        elif name == "get":
            value, version = state.get(arguments[0], ("", None))
            reads[arguments[0]] = version
            seen.append(f"{arguments[0]}={value}")
        else:
            start, end = arguments
            ranges.append((start, end, _rows(state, start, end)))
            seen.append(" ".join(f"{key}={state[key][0]}" for key, _ in ranges[-1][2]))
    return reads, ranges, writes, seen


def _rows(state: dict[str, tuple[str, int]], start: str, end: str) -> list[tuple[str, Version]]:
    return [(key, state[key][1]) for key in sorted(state) if start <= key < end]


def _verdict(reads: Any, ranges: Any, state: dict[str, tuple[str, int]], touched: set[str]) -> str:
    for key, version in reads.items():
        same = state.get(key, ("", None))[1] == version
        if same and key in touched:
            raise Ambiguous
        if not same:
            return "MVCC_READ_CONFLICT"
    if any(_rows(state, start, end) != rows for start, end, rows in ranges):
        return "PHANTOM_READ_CONFLICT"
    return "VALID"


# The network


async def run(network: Any, program: Program, prefix: str) -> Outcome:
    """Run a program with its keys under `prefix`."""
    outcome = Outcome()
    labels: dict[str, int] = {}
    impostor = private_key_signer(network.nodes.layout.user("newtown", "stranger") / "private_key.pem")
    async with (
        network.connect() as gateway,
        peer_admin(network.nodes, network.nodes.peers[0]) as admin,
    ):
        contract = gateway.get_network("trials").get_contract("programs")
        submitted = 0
        first_block = (await admin.get_chain_info("trials")).height
        for current in program:
            endorsed = []
            for step in current.steps:
                organizations = ["NewtownMSP"] if step.fate == "one endorser" else []
                wanted = json.dumps([_under(prefix, operation) for operation in step.operations])
                proposal = contract.new_proposal(
                    "run", arguments=[wanted], endorsing_organizations=organizations
                )
                transaction = await proposal.endorse()
                labels[transaction.transaction_id] = len(labels)
                outcome.results.append([line.replace(prefix, "") for line in json.loads(transaction.result)])
                endorsed.append((step, transaction))
            commits = []
            for index in current.order:
                step, transaction = endorsed[index]
                if step.fate == "another signer":
                    signature = impostor.sign(transaction.digest)
                    transaction = gateway.new_signed_transaction(transaction.to_bytes(), signature)
                try:
                    for _ in range(2 if step.fate == "twice" else 1):
                        commits.append(await transaction.submit())
                except GatewayError as error:
                    status = error.status.name if error.status else ""
                    outcome.refused.append((labels[transaction.transaction_id], status))
            await asyncio.gather(*(commit.status() for commit in commits))
            submitted += len(commits)
            await _wait_for(admin, submitted, labels, first_block, outcome)
            await network.level()
        state = await contract.evaluate_transaction(
            "run", json.dumps([["range", prefix, prefix + AFTER_ALL_KEYS]])
        )
        rows = json.loads(state)[0].replace(prefix, "").split()
        outcome.state = dict(row.split("=") for row in rows)
    return outcome


def _under(prefix: str, operation: Operation) -> list[str]:
    name, *arguments = operation
    places = 2 if name == "range" else 1
    return [name, *(prefix + key for key in arguments[:places]), *arguments[places:]]


async def _wait_for(
    admin: Any, expected: int, labels: dict[str, int], first_block: int, outcome: Outcome
) -> None:
    """Read the program's blocks once `expected` envelopes are in them: a second copy has no status to wait for."""
    async with asyncio.timeout(20):
        while len(outcome.committed) < expected:
            outcome.committed.clear()
            await _read_blocks(admin, labels, first_block, outcome)
            if len(outcome.committed) < expected:
                await asyncio.sleep(0.05)


async def _read_blocks(admin: Any, labels: dict[str, int], first_block: int, outcome: Outcome) -> None:
    writers: dict[tuple[int, int], int] = {}
    for number in range(first_block, (await admin.get_chain_info("trials")).height):
        block = common_pb2.Block.FromString((await admin.get_block_by_number("trials", number)).serialized)
        for position, (encoded, code) in enumerate(
            zip(block.data.data, block.metadata.metadata[2], strict=True)
        ):
            payload = common_pb2.Payload.FromString(common_pb2.Envelope.FromString(encoded).payload)
            header = common_pb2.ChannelHeader.FromString(payload.header.channel_header)
            label = labels[header.tx_id]
            writers[number, position] = label
            name = transaction_pb2.TxValidationCode.Name(code)
            outcome.committed.append((label, name))
            outcome.read_write_sets[label] = _read_write_set(payload.data, writers)


def _read_write_set(data: bytes, writers: dict[tuple[int, int], int]) -> Any:
    action = transaction_pb2.Transaction.FromString(data).actions[0]
    endorsed = transaction_pb2.ChaincodeActionPayload.FromString(action.payload).action
    payload = proposal_response_pb2.ProposalResponsePayload.FromString(endorsed.proposal_response_payload)
    results = proposal_pb2.ChaincodeAction.FromString(payload.extension).results
    sets = {}
    for namespace in rwset_pb2.TxReadWriteSet.FromString(results).ns_rwset:
        content = kv_rwset_pb2.KVRWSet.FromString(namespace.rwset)

        def version(read: Any, namespace: str = namespace.namespace) -> Any:
            if not read.HasField("version"):
                return None
            known = writers.get((read.version.block_num, read.version.tx_num))
            return "deployment" if namespace == "_lifecycle" else known

        sets[namespace.namespace] = {
            "reads": [(read.key, version(read)) for read in content.reads],
            "writes": [(write.key, write.is_delete, write.value) for write in content.writes],
            "ranges": [
                (
                    query.start_key,
                    query.end_key,
                    query.itr_exhausted,
                    [(read.key, version(read)) for read in query.raw_reads.kv_reads],
                )
                for query in content.range_queries_info
            ],
        }
    return sets


# The comparison


@pytest.fixture(scope="module")
def programs(network: Any) -> Any:
    network.deploy(PROGRAMS, "programs")
    return network


seen: dict[Program, tuple[str, Outcome]] = {}
numbers = count()


@settings(
    max_examples=20,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(st.lists(rounds(), min_size=1, max_size=3).map(tuple))
def test_every_backend_does_with_a_program_what_the_model_says(programs: Any, program: Program) -> None:
    try:
        expected = model(program)
    except Ambiguous:
        assume(False)
    outcome = asyncio.run(run(programs, program, f"p{next(numbers):04}-"))
    assert outcome.results == expected.results
    assert outcome.refused == expected.refused
    assert outcome.committed == expected.committed
    assert outcome.state == expected.state
    first_backend, first = seen.setdefault(program, (programs.backend, outcome))
    if first_backend != programs.backend:
        assert _without_prefix(outcome) == _without_prefix(first)


def _without_prefix(outcome: Outcome) -> Any:
    """The read-write sets by transaction, with keys as the program names them."""

    def strip(part: Any) -> Any:
        if isinstance(part, str) and part[:1] == "p" and part[5:6] == "-":
            return part[6:]
        if isinstance(part, dict):
            return {key: strip(value) for key, value in part.items()}
        if isinstance(part, list | tuple):
            return [strip(value) for value in part]
        return part

    return strip(outcome.read_write_sets)
