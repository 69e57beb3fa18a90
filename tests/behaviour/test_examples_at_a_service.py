# SPDX-License-Identifier: Apache-2.0
"""examples/hems and examples/auditor: two managers trade by the service, and the auditor's script proves the price."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import os
import shutil
import sys
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from .forward_network import CHANNEL, OPERATOR
from .served import town

EXAMPLES = Path(__file__).parents[2] / "examples"
PROGRAMS = {"hems.py": [sys.executable], "hems.mjs": ["node"]}
pytestmark = [pytest.mark.long, pytest.mark.timeout(300)]


@asynccontextmanager
async def started(program: str, folder: Path, environment: dict[str, str]) -> Any:
    """A manager in a folder of its own, until the block ends."""
    process = await asyncio.create_subprocess_exec(
        *PROGRAMS[program],
        str(EXAMPLES / "hems" / program),
        cwd=folder,
        env={**os.environ, **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def said(process: asyncio.subprocess.Process, wanted: str) -> None:
    """Wait for a line."""
    assert process.stdout is not None
    lines = []
    async with asyncio.timeout(90):
        while line := (await process.stdout.readline()).decode():
            lines.append(line)
            if line.strip() == wanted:
                return
    raise AssertionError(f"it ended without the line {wanted}: {''.join(lines)}")


def metered(folder: Path, import_wh: int, export_wh: int) -> None:
    """The meter's program writes its totals anew."""
    new = folder / "meter.json.new"
    new.write_text(json.dumps({"import_wh": import_wh, "export_wh": export_wh}))
    new.replace(folder / "meter.json")


async def test_a_seller_in_python_and_a_buyer_in_javascript(tmp_path: Path) -> None:
    if shutil.which("node") is None:
        pytest.skip("node is not on PATH")
    with town("embedded", tmp_path, homes=2) as street:
        begins = await street.next_period()
        await street.network.set_clock(begins * 60 + 10)
        async with street.serving() as running, AsyncExitStack() as stack:
            assert running.certificate is not None
            processes, folders = {}, {}
            for number, program in enumerate(PROGRAMS):
                folder = folders[program] = tmp_path / program
                folder.mkdir()
                shutil.copy(running.certificate, folder / "service.crt")
                shutil.copy(street.network.keys / f"{number}.pem", folder / "home.pem")
                metered(folder, 1_000, 1_000)
                environment = {
                    "SERVICE": running.url,
                    "HOME_ID": street.network.homes[number],
                    "NET": street.network.net,
                    "CHANNEL": CHANNEL,
                    "NODE_EXTRA_CA_CERTS": "service.crt",
                }
                processes[program] = await stack.enter_async_context(started(program, folder, environment))
            await asyncio.gather(*(said(process, f"period {begins}") for process in processes.values()))
            metered(folders["hems.py"], 1_000, 1_300)
            metered(folders["hems.mjs"], 1_200, 1_000)
            await street.network.set_clock((begins + 5) * 60 + 10)
            await asyncio.gather(
                *(said(process, "reading written") for process in processes.values()),
            )
            await asyncio.gather(
                said(processes["hems.py"], "offer written"), said(processes["hems.mjs"], "request written")
            )
        period = begins + 15
        await street.network.close(period)
        cleared = await street.network.submit(OPERATOR, "clear_period", {"period": period})
        assert cleared["traded_wh"] == 200
        assert 60_000 <= cleared["price_uaud_per_kwh"] <= 300_000
        audit = await asyncio.create_subprocess_exec(
            sys.executable,
            str(EXAMPLES / "auditor" / "prices.py"),
            *(str(street.network.path), CHANNEL, "newtown", "operator"),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        table, words = await audit.communicate()
    assert audit.returncode == 0, words.decode()
    assert "all as the rules give it" in words.decode()
    [row] = csv.DictReader(io.StringIO(table.decode()))
    assert int(row["period"]) == period
    assert (int(row["traded_wh"]), int(row["price_uaud_per_kwh"])) == (200, cleared["price_uaud_per_kwh"])
