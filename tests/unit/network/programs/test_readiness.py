# SPDX-License-Identifier: Apache-2.0
"""Waiting for programs that may end meanwhile."""

import asyncio
import gc
from contextlib import suppress
from pathlib import Path

import pytest
from commonwatt_network.model.layout import Layout
from commonwatt_network.programs.readiness import NotReadyError, while_alive


async def test_work_that_fails_as_a_program_ends_is_not_told_beside(tmp_path: Path) -> None:
    told: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
    process = await asyncio.create_subprocess_exec("true")
    await process.wait()

    async def work() -> None:
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(10)
        raise NotReadyError("peer0 cannot be reached")

    with pytest.raises(NotReadyError, match="peer0") as raised:
        await while_alive(work(), Layout(tmp_path), {"peer0": process.pid})
    assert "cannot be reached" not in str(raised.value)
    del raised  # its frames hold the work
    gc.collect()
    assert not told
