# SPDX-License-Identifier: Apache-2.0
"""Each peer must compute the same bytes, whatever its hash seed, clock, time zone and locale are."""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

from commonwatt_chaincode.contract import Market

from .scenario import every_transaction

ROOT = Path(__file__).resolve().parents[3]
PEERS: tuple[tuple[int, dict[str, str]], ...] = (
    (0, {"PYTHONHASHSEED": "0", "TZ": "UTC", "LC_ALL": "C.UTF-8"}),
    (
        -400_000_000,
        {
            "PYTHONHASHSEED": "4242",
            "TZ": "Pacific/Auckland",
            "LC_ALL": "C",  # the one locale beside C.UTF-8 that every machine has: plain ASCII
            "PYTHONUTF8": "0",
            "PYTHONCOERCECLOCALE": "0",
        },
    ),
)

PROGRAM = """
import datetime, runpy, sys, time

lie_s = int(sys.argv[1])
honest_s, honest_ns, honest = time.time, time.time_ns, datetime.datetime

class Lying(honest):
    @classmethod
    def now(cls, tz=None):
        return honest.now(tz) + datetime.timedelta(seconds=lie_s)

time.time = lambda: honest_s() + lie_s
time.time_ns = lambda: honest_ns() + lie_s * 10**9
datetime.datetime = Lying
runpy.run_module(sys.argv[2], run_name="__main__")
"""
"""Lets every clock of a process lie before it imports the contract."""


async def _run(lie_s: int, environment: dict[str, str]) -> tuple[dict[str, Any], list[bytes]]:
    """A process's surroundings, and what it computed."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", PROGRAM, str(lie_s)),
        f"{__package__ or 'tests.unit.contract'}.scenario",
        cwd=ROOT,
        env={**os.environ, **environment},
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate()
    assert process.returncode == 0
    surroundings, *computed = output.splitlines()
    return json.loads(surroundings), computed


async def test_two_peers_read_and_write_the_same() -> None:
    (here, one), (there, other) = await asyncio.gather(
        *(_run(lie_s, environment) for lie_s, environment in PEERS)
    )
    assert here["hash"] != there["hash"]
    assert here["zone"] != there["zone"]
    assert all(abs(a - b) > 10**8 for a, b in zip(here["clock_s"], there["clock_s"], strict=True))
    assert all(a != b for a, b in zip(here["locale"], there["locale"], strict=True))
    assert len(one) == len(other) > 40
    assert one == other


async def test_the_scenario_covers_every_transaction() -> None:
    assert {name for name, _ in await every_transaction()} == set(Market().transactions())
