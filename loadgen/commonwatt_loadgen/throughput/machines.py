# SPDX-License-Identifier: Apache-2.0
"""Generators on several machines through Dask distributed: one task per generator, each on a worker of its own.

Dask would quietly repeat a task whose worker was lost, and so send its transactions twice; here that fails the run.
Every machine needs the network file and the keys it names at the same place, and a clock that is in step (NTP).
"""

import asyncio
import os
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from commonwatt_client.exit_codes import NO_NETWORK, UsageError, exit_code

from commonwatt_loadgen.errors import IncompleteRun, LostNetwork
from commonwatt_loadgen.throughput.generator import Share, generate
from commonwatt_loadgen.throughput.measure import Progress, Report
from commonwatt_loadgen.throughput.processes import Started, Told

_CONNECT_TIMEOUT_S = 10.0
_LEAD_S = 3.0  # for every machine to connect its users; who needs longer shows it as lag
_LOOK_EVERY_S = 0.5
_TOPIC = "commonwatt-load"


@dataclass(frozen=True)
class _Worker:
    address: str
    pid: int


def run_on_machines(
    scheduler: str, shares: Sequence[Share], longest_s: float, started: Started, told: Told
) -> list[Report]:
    """Do the shares on the workers of the scheduler at `scheduler`; see `run_in_processes`.

    Raises:
        UsageError: Dask is not installed, there is no such scheduler, or it has fewer workers than there are shares.
        IncompleteRun: a worker was lost, a task failed, or took longer than `longest_s`.
    """
    try:
        from distributed import Client
    except ImportError as error:
        raise UsageError("--dask needs Dask: pip install 'commonwatt-loadgen[dask]'") from error
    try:
        client = Client(scheduler, timeout=_CONNECT_TIMEOUT_S)
    except (OSError, ValueError, TimeoutError) as error:
        raise UsageError(f"--dask {scheduler}: no scheduler answers there ({error})") from error
    with client:
        workers = _workers(client, scheduler, len(shares))

        def heard(event: tuple[float, Any]) -> None:
            told(event[1]["generator"], Progress(**event[1]["progress"]))

        client.subscribe_topic(_TOPIC, heard)
        start_epoch_s = time.time() + _LEAD_S
        futures = [
            client.submit(
                generate_here,
                share,
                place,
                worker.pid,
                start_epoch_s,
                pure=False,
                retries=0,
                workers=[worker.address],
                allow_other_workers=False,
            )
            for place, (share, worker) in enumerate(zip(shares, workers, strict=True))
        ]
        try:
            time.sleep(max(0.0, start_epoch_s - time.time()))
            started()
            _await_all(client, futures, workers, longest_s)
            reports: list[Report] = client.gather(futures)
            return reports
        finally:
            client.cancel(futures, force=True)


def _workers(client: Any, scheduler: str, needed: int) -> list[_Worker]:
    pids = client.run(process_here)
    if len(pids) < needed:
        raise UsageError(
            f"--dask {scheduler}: it has {len(pids)} workers, {needed} generators need one each; "
            "start more with `dask worker`, or lower --workers"
        )
    return [_Worker(address, pids[address]) for address in sorted(pids)[:needed]]


def _await_all(client: Any, futures: Sequence[Any], workers: Sequence[_Worker], longest_s: float) -> None:
    """Look after the workers until every task has ended well."""
    deadline = time.monotonic() + longest_s
    while True:
        for place, (future, worker) in enumerate(zip(futures, workers, strict=True), 1):
            if future.status in ("error", "cancelled", "lost"):
                what = future.exception() if future.status == "error" else future.status
                lost = isinstance(what, BaseException) and exit_code(what) == NO_NETWORK
                kind = LostNetwork if lost else IncompleteRun
                raise kind(f"generator {place} ({worker.address}) failed: {what}")
        if all(future.status == "finished" for future in futures):
            return
        alive = client.scheduler_info(n_workers=-1)["workers"]
        for place, (future, worker) in enumerate(zip(futures, workers, strict=True), 1):
            if worker.address not in alive and future.status != "finished":
                raise IncompleteRun(
                    f"generator {place}: Dask's worker {worker.address} (process {worker.pid}) was lost; "
                    "its transactions are unaccounted for"
                )
        if time.monotonic() > deadline:
            raise IncompleteRun(f"the generators did not end within {longest_s:.0f} s")
        time.sleep(_LOOK_EVERY_S)


def process_here() -> int:
    """The worker's process; asking for it also makes the worker import all that a generator needs."""
    return os.getpid()


class Restarted(Exception):
    """This task was already begun in a process that is gone."""


def generate_here(share: Share, place: int, pid: int, start_epoch_s: float) -> Report:
    """What runs on a worker: the share, in the process that was chosen for it and in no other."""
    from distributed import get_worker

    if os.getpid() != pid:
        raise Restarted(f"process {pid} is gone, and with it what became of its transactions")
    worker = get_worker()
    start = time.monotonic() + start_epoch_s - time.time()

    def tell(progress: Progress) -> None:
        worker.log_event(_TOPIC, {"generator": place, "progress": asdict(progress)})

    return asyncio.run(generate(share, lambda: start, tell))
