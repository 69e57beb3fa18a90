# SPDX-License-Identifier: Apache-2.0
"""`make live`: a network, operator, service and 20 homes; the portal within seconds, and a trade soon after."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import ssl
import sys
import time
from pathlib import Path

import httpx
import pytest
from commonwatt_network.down import down

from ..support.mosquitto import free_port

COMMONWATT = str(Path(sys.executable).with_name("commonwatt"))
PORTAL_S, TRADE_S, MOST_MB = 30, 120, 400


@pytest.mark.long
@pytest.mark.timeout(400)
async def test_a_community_lives_and_trades_soon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, repository: Path
) -> None:
    monkeypatch.setenv("COMMONWATT_DIRECTORY", str(tmp_path / "network"))
    began = time.monotonic()
    try:
        code = await (
            await asyncio.create_subprocess_exec(COMMONWATT, "network", "up", "--topology", "live")
        ).wait()
        assert code == 0
        live = await asyncio.create_subprocess_exec(
            *(COMMONWATT, "live", "--port", str(free_port())),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            address = (await said(live, r"the portal: (https://\S+)"))[1]
            portal_s = time.monotonic() - began
            resident = (await said(live, r"as a resident of home \w+: (\S+)"))[1]
            invited = (await said(live, r"as an operator: (\S+)"))[1]
            certificate = tmp_path / "network" / "community" / "service" / "service.crt"
            context = ssl.create_default_context(cafile=str(certificate))
            async with httpx.AsyncClient(verify=context, trust_env=False) as browser:
                for page in (address, resident, invited):
                    assert (await browser.get(page)).status_code == 200
            traded = await said(live, r"neighbours trade ([\d,]+) Wh at ([\d.]+) c/kWh")
            trade_s = time.monotonic() - began - portal_s
            assert int(traded[1].replace(",", "")) > 0
            assert 6.0 < float(traded[2]) < 54.11
        finally:
            live.send_signal(signal.SIGINT)
        memory = await said(live, r"at most (\d+) MB of memory")
        assert await asyncio.wait_for(live.wait(), 30) == 0
        assert live.stderr is not None
        assert b"lacks the key" not in await live.stderr.read()  # of the service's receipts: it is set before
    finally:
        down(tmp_path / "network")
    load = os.getloadavg()[0]
    print(f"portal {portal_s:.0f} s, first trade {trade_s:.0f} s later, {memory[1]} MB; load {load:.1f}")
    busy = max(1.0, load / (os.cpu_count() or 1))
    assert int(memory[1]) <= MOST_MB * min(2.0, busy), "work that waits takes memory, too, but not so much"
    assert portal_s <= PORTAL_S * busy, "much more than a busy machine explains"
    assert trade_s <= TRADE_S * busy, "much more than a busy machine explains"


async def said(process: asyncio.subprocess.Process, pattern: str) -> re.Match[str]:
    """The next line that matches."""
    assert process.stdout is not None
    async with asyncio.timeout(240):
        while line := (await process.stdout.readline()).decode():
            if found := re.search(pattern, line):
                return found
    raise AssertionError(f"it ended without a line such as {pattern}")
