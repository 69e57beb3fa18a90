"""One generator process: sends its share of the schedule on time and measures each phase."""

import asyncio
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

from commonwatt_client import ClientError, Connection, Contract, Timeouts, connect
from commonwatt_client.profile import network_file_peers, network_file_user

from commonwatt_loadgen.simulate.latency import new_histogram
from commonwatt_loadgen.throughput.outcomes import COMMITTED, classify_code, classify_error
from commonwatt_loadgen.throughput.workload import TRANSACTION, Workload

_READY_TIMEOUT_S = 60.0
_LEAD_S = 0.1
PHASES = ("total", "endorse", "order", "commit", "lag")


@dataclass(frozen=True)
class Share:
    """What one worker is to do: numbers and intended times of its transactions."""

    network_file: Path
    workload: Workload
    numbers: tuple[int, ...]
    times_s: tuple[float, ...]
    timeout_s: float
    in_flight: int = 0  # above 0: closed loop, so many at once, without intended times


@dataclass
class Report:
    """What one worker measured; histograms are encoded, of microseconds."""

    outcomes: dict[str, int]
    histograms: dict[str, bytes]
    seconds: dict[int, tuple[int, int, int]]  # second of the run: intended, committed, longest in ms
    first_errors: dict[str, str]
    cpu_s: float
    ended_s: float


@dataclass
class _Measured:
    outcomes: Counter[str] = field(default_factory=Counter)
    histograms: dict[str, Any] = field(default_factory=lambda: {name: new_histogram() for name in PHASES})
    seconds: dict[int, list[int]] = field(default_factory=lambda: defaultdict(lambda: [0, 0, 0]))
    first_errors: dict[str, str] = field(default_factory=dict)

    def phase(self, name: str, elapsed_s: float) -> None:
        self.histograms[name].record_value(max(1, round(elapsed_s * 1_000_000)))


_start: list[Barrier] = []  # where this process waits until all workers are ready


def enter(barrier: Barrier) -> None:
    """Prepare a worker process."""
    _start.append(barrier)


def work(share: Share) -> Report:
    """Do a share of the load; run in a process of its own."""
    return asyncio.run(_work(share))


async def _work(share: Share) -> Report:
    cpu_before = time.process_time()
    measured = _Measured()
    organization = share.workload.organization
    peers = network_file_peers(share.network_file, organization)
    timeouts = Timeouts(endorse_s=share.timeout_s, submit_s=share.timeout_s, commit_status_s=share.timeout_s)
    async with Connection(peers) as connection:
        contracts: dict[str, Contract] = {}
        for _, user in share.workload.users:
            identity, signer = network_file_user(share.network_file, organization, user)
            gateway = connect(connection, identity=identity, signer=signer, timeouts=timeouts)
            contracts[user] = gateway.get_network(share.workload.channel).get_contract("market")
        await asyncio.to_thread(_start[0].wait, _READY_TIMEOUT_S)
        offset = time.monotonic() + _LEAD_S
        if share.in_flight:
            await _closed_loop(share, contracts, measured, offset)
        else:
            await _open_loop(share, contracts, measured, offset)
    return Report(
        dict(measured.outcomes),
        {name: histogram.encode() for name, histogram in measured.histograms.items()},
        {second: (row[0], row[1], row[2]) for second, row in measured.seconds.items()},
        measured.first_errors,
        time.process_time() - cpu_before,
        time.monotonic() - offset,
    )


async def _open_loop(
    share: Share, contracts: dict[str, Contract], measured: _Measured, offset: float
) -> None:
    """Send each transaction at its time whether or not earlier ones have come back."""
    running: set[asyncio.Task[None]] = set()
    for number, intended in zip(share.numbers, share.times_s, strict=True):
        pause = offset + intended - time.monotonic()
        if pause > 0:
            await asyncio.sleep(pause)
        measured.phase("lag", max(0.0, time.monotonic() - offset - intended))
        task = asyncio.create_task(_one(share, contracts, measured, number, offset, intended))
        running.add(task)
        task.add_done_callback(running.discard)
    await asyncio.gather(*running)


async def _closed_loop(
    share: Share, contracts: dict[str, Contract], measured: _Measured, offset: float
) -> None:
    """Keep a fixed number in flight for as long as the open-loop schedule would have lasted."""
    numbers = iter(share.numbers)
    end = share.times_s[-1] if share.times_s else 0.0

    async def sender() -> None:
        for number in numbers:
            now = time.monotonic() - offset
            if now >= end:
                return
            await _one(share, contracts, measured, number, offset, now)

    await asyncio.gather(*(sender() for _ in range(share.in_flight)))


async def _one(
    share: Share,
    contracts: dict[str, Contract],
    measured: _Measured,
    number: int,
    offset: float,
    intended: float,
) -> None:
    user, argument = share.workload.request(number)
    started = time.monotonic()
    row = measured.seconds[int(intended)]
    row[0] += 1
    try:
        transaction = await contracts[user].new_proposal(TRANSACTION, arguments=(argument,)).endorse()
        endorsed = time.monotonic()
        commit = await transaction.submit()
        ordered = time.monotonic()
        status = await commit.status()
        ended = time.monotonic()
        outcome = classify_code(status.code)
    except ClientError as error:
        outcome = classify_error(error)
        measured.first_errors.setdefault(outcome, str(error))
        measured.outcomes[outcome] += 1
        return
    measured.outcomes[outcome] += 1
    if outcome != COMMITTED:
        measured.first_errors.setdefault(outcome, f"validation code {status.code.name}")
        return
    total_s = ended - offset - intended
    for name, elapsed_s in (
        ("total", total_s),
        ("endorse", endorsed - started),
        ("order", ordered - endorsed),
        ("commit", ended - ordered),
    ):
        measured.phase(name, elapsed_s)
    row[2] = max(row[2], round(total_s * 1000))
    measured.seconds[int(ended - offset)][1] += 1
