# SPDX-License-Identifier: Apache-2.0
"""One generator: sends its share of the schedule on time and measures each phase."""

import asyncio
import json
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from commonwatt_client import ClientError, Connection, Contract, Network, Timeouts, ValidationCode, connect
from commonwatt_client import Transaction as EndorsedTransaction
from commonwatt_client.exit_codes import NO_NETWORK, exit_code
from commonwatt_client.network_file import MARKET, read_network_file, reader_of
from commonwatt_client.profile import network_file_peers, network_file_user

from commonwatt_loadgen.throughput.measure import (
    COMMITTED_THEN,
    FAILED_THEN,
    INTENDED,
    LONGEST_MS,
    Measurements,
    Progress,
    Report,
)
from commonwatt_loadgen.throughput.notices import BlockNotices
from commonwatt_loadgen.throughput.outcomes import COMMITTED, TIMED_OUT, classify_code, classify_error
from commonwatt_loadgen.throughput.workload import Call, Sender, Workload

_TELL_EVERY_S = 1.0
_AWAY_TIMEOUTS = 3  # a network that is started again is back by then
_AWAY_AT_THE_END_S = 2.0
_CHANNEL_OPTIONS = {
    "grpc.enable_retries": 0
}  # gRPC keeps no copies of calls to send again: a twentieth of the time


@dataclass(frozen=True)
class Share:
    """What one generator is to do: numbers and intended times of its transactions, dealt to the communities in turn."""

    network_file: Path
    workloads: tuple[Workload, ...]
    numbers: Sequence[int]
    times_s: tuple[float, ...]  # empty in a closed loop, which has no intended times
    timeout_s: float
    in_flight: int = 0  # above 0: closed loop, so many at once for `duration_s`
    duration_s: float = 0.0
    ask_status: bool = False  # ask for each transaction's commit status rather than read blocks
    connections: int = 1  # to each organisation's peer


@dataclass
class _Run:
    share: Share
    contracts: Mapping[tuple[str, Sender], Sequence[Contract]]  # one over each connection
    notices: Mapping[str, Sequence[BlockNotices]]  # by channel; empty where each commit status is asked for
    start: float  # time.monotonic() of the first intended moment
    made: dict[int, Call] = field(
        default_factory=dict
    )  # by number: what takes time to make, made before the start
    measured: Measurements = field(default_factory=Measurements)
    away: "_Away | None" = None  # while no peer is reached


@dataclass(frozen=True)
class _Away:
    since: float  # time.monotonic()
    error: ClientError


async def generate(share: Share, wait_start: Callable[[], float], tell: Callable[[Progress], None]) -> Report:
    """Connect every user, wait for the start (a `time.monotonic()` moment), send, and report.

    `wait_start` blocks in a thread of its own; `tell` is called about once a second.

    Raises:
        ClientError: the network was lost: no peer was reached for three timeouts, or at the end.
    """
    timeouts = Timeouts(endorse_s=share.timeout_s, submit_s=share.timeout_s, commit_status_s=share.timeout_s)
    async with AsyncExitStack() as stack:
        contracts, networks = await _connected(share, timeouts, stack)
        notices = {}
        for channel, peers in networks.items():
            notices[channel] = [await stack.enter_async_context(BlockNotices(peer)) for peer in peers]
        made = {
            number: share.workloads[number % len(share.workloads)].request(number // len(share.workloads))
            for number in (share.numbers if share.times_s else ())
            if share.workloads[number % len(share.workloads)].slow
        }
        run = _Run(share, contracts, notices, await asyncio.to_thread(wait_start), made)
        cpu_before = time.process_time()
        psutil.cpu_percent()  # sets the mark from which the machine's load is measured
        telling = asyncio.create_task(_tell(run, cpu_before, tell))
        sending = asyncio.create_task(_closed_loop(run) if share.in_flight else _open_loop(run))
        try:
            # `_tell` never ends by itself: if it is done first, whoever listens is gone.
            await asyncio.wait({telling, sending}, return_when=asyncio.FIRST_COMPLETED)
            if not sending.done():
                telling.result()
            sending.result()
            _check_reached(run, _AWAY_AT_THE_END_S)
        finally:
            telling.cancel()
            sending.cancel()
        ended = time.monotonic()
        return run.measured.report(ended - run.start, time.process_time() - cpu_before, psutil.cpu_percent())


async def _connected(
    share: Share, timeouts: Timeouts, stack: AsyncExitStack
) -> tuple[Mapping[tuple[str, Sender], Sequence[Contract]], Mapping[str, Sequence[Network]]]:
    """Each channel's contract as each of its senders, and each channel as those who may read its blocks."""
    content = read_network_file(share.network_file).content
    connections: dict[str, list[Connection]] = {}
    contracts, networks = {}, {}
    for workload in share.workloads:
        for organization in {*workload.witnesses, *(sender.organization for sender in workload.senders)}:
            while len(connections.setdefault(organization, [])) < share.connections:
                peers = network_file_peers(share.network_file, organization)
                connection = Connection(peers, channel_options=_CHANNEL_OPTIONS)
                connections[organization].append(await stack.enter_async_context(connection))

        def networks_of(sender: Sender, channel: str = workload.channel) -> list[Network]:
            identity, signer = network_file_user(share.network_file, sender.organization, sender.user)
            return [
                connect(one, identity=identity, signer=signer, timeouts=timeouts).get_network(channel)
                for one in connections[sender.organization]
            ]

        for sender in workload.senders:
            contracts[workload.channel, sender] = [
                network.get_contract(MARKET, workload.contract) for network in networks_of(sender)
            ]
        if not share.ask_status:
            networks[workload.channel] = [
                networks_of(Sender(witness, reader_of(content, witness)))[0] for witness in workload.witnesses
            ]
    return contracts, networks


async def _tell(run: _Run, cpu_before: float, tell: Callable[[Progress], None]) -> None:
    while True:
        await asyncio.sleep(_TELL_EVERY_S)
        _check_reached(run, _AWAY_TIMEOUTS * run.share.timeout_s)
        tell(run.measured.progress(time.monotonic() - run.start, time.process_time() - cpu_before))


def _check_reached(run: _Run, patience_s: float) -> None:
    """Raise the ClientError of the first call that reached no peer, if none has for so long."""
    if run.away is not None and time.monotonic() - run.away.since >= patience_s:
        raise run.away.error


async def _open_loop(run: _Run) -> None:
    """Send each transaction at its time whether or not earlier ones have come back."""
    running: set[asyncio.Task[None]] = set()
    for number, intended in zip(run.share.numbers, run.share.times_s, strict=True):
        pause = run.start + intended - time.monotonic()
        if pause > 0:
            await asyncio.sleep(pause)
        run.measured.record("lag", max(0.0, time.monotonic() - run.start - intended))
        task = asyncio.create_task(_one(run, number, intended))
        running.add(task)
        task.add_done_callback(running.discard)
    run.measured.unfinished = len(running)
    await asyncio.gather(*running)


async def _closed_loop(run: _Run) -> None:
    """Keep a fixed number in flight for the duration of the test, however many transactions that takes."""
    numbers = iter(run.share.numbers)
    end = run.share.duration_s
    pause = run.start - time.monotonic()
    if pause > 0:
        await asyncio.sleep(pause)

    async def sender() -> None:
        for number in numbers:
            now = time.monotonic() - run.start
            if now >= end:
                return
            await _one(run, number, now)
            if time.monotonic() - run.start >= end:
                run.measured.unfinished += 1

    await asyncio.gather(*(sender() for _ in range(run.share.in_flight)))


async def _one(run: _Run, number: int, intended: float) -> None:
    measured, workloads = run.measured, run.share.workloads
    workload = workloads[number % len(workloads)]
    call = run.made.pop(number, None) or workload.request(number // len(workloads))
    started = time.monotonic()
    measured.sent += 1
    measured.seconds[int(intended)][INTENDED] += 1
    contracts = run.contracts[workload.channel, call.sender]
    contract = contracts[number // len(workloads) // len(workload.senders) % len(contracts)]
    try:
        proposal = contract.new_proposal(
            call.transaction,
            arguments=(call.argument,),
            transient=call.transient,
            endorsing_organizations=workload.endorsers,
        )
        transaction = await proposal.endorse()
        endorsed = time.monotonic()
        code, ordered = await _committed(run, workload.channel, transaction)
    except ClientError as error:
        if run.away is None and exit_code(error) == NO_NETWORK:
            run.away = _Away(time.monotonic(), error)
        _failed(run, workload.channel, classify_error(error), str(error))
        return
    except TimeoutError:
        text = f"no block held the transaction within {run.share.timeout_s:g} s"
        _failed(run, workload.channel, TIMED_OUT, text)
        return
    outcome = classify_code(code)
    if outcome != COMMITTED:
        _failed(run, workload.channel, outcome, f"validation code {code.name}")
        return
    ended = time.monotonic()
    run.away = None
    measured.outcomes[workload.channel][COMMITTED] += 1
    if call.messages:
        measured.messages.update(json.loads(transaction.result)["results"])
    total_s = ended - run.start - intended
    measured.record("total", total_s)
    measured.record("endorse", endorsed - started)
    measured.record("order", ordered - endorsed)
    measured.record("commit", ended - ordered)
    row = measured.seconds[int(intended)]
    row[LONGEST_MS] = max(row[LONGEST_MS], round(total_s * 1000))
    measured.seconds[int(ended - run.start)][COMMITTED_THEN] += 1


async def _committed(
    run: _Run, channel: str, transaction: EndorsedTransaction
) -> tuple[ValidationCode, float]:
    """Submit a transaction; its validation code, and when the orderer had taken it.

    Raises:
        ClientError: it was not taken, or its fate cannot be heard of.
        TimeoutError: it came in no block in time.
    """
    if run.share.ask_status:
        commit = await transaction.submit()
        ordered = time.monotonic()
        return (await commit.status()).code, ordered
    witnesses = run.notices[channel]
    noticed = [one.expect(transaction.transaction_id) for one in witnesses]
    try:
        await transaction.submit()
        ordered = time.monotonic()
        for witness, notice in zip(witnesses, noticed, strict=True):
            code = await witness.heard(notice, run.share.timeout_s)
        return code, ordered
    finally:
        for witness in witnesses:
            witness.forget(transaction.transaction_id)


def _failed(run: _Run, channel: str, outcome: str, text: str) -> None:
    run.measured.outcomes[channel][outcome] += 1
    run.measured.first_errors.setdefault(outcome, text)
    run.measured.seconds[max(0, int(time.monotonic() - run.start))][FAILED_THEN] += 1
