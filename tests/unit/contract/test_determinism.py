"""Each peer must compute the same bytes, whatever its hash seed, clock, time zone and locale are."""

import asyncio
import os
import sys
from pathlib import Path

from commonwatt_chaincode.contract import Market

from .scenario import every_transaction

ROOT = Path(__file__).resolve().parents[3]
PEERS = (
    ["0", {"PYTHONHASHSEED": "0", "TZ": "UTC", "LC_ALL": "C"}],
    ["-400000000", {"PYTHONHASHSEED": "4242", "TZ": "Pacific/Auckland", "LC_ALL": "de_DE.UTF-8"}],
)


async def _run(lie_s: str, environment: dict[str, str]) -> list[bytes]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", f"{__package__ or 'tests.unit.contract'}.scenario", lie_s),
        cwd=ROOT,
        env={**os.environ, **environment},
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate()
    assert process.returncode == 0
    return output.splitlines()


async def test_two_peers_read_and_write_the_same() -> None:
    one, other = await asyncio.gather(*(_run(lie_s, environment) for lie_s, environment in PEERS))
    assert len(one) == len(other) > 40
    assert one == other


async def test_the_scenario_covers_every_transaction() -> None:
    names = [name for name, entry in Market().transactions().items() if entry.writes]
    events = {invocation.event[0] for invocation in await every_transaction() if invocation.event}
    assert len(events) == len(names) + 1  # submit_request has two, one for each way to buy
