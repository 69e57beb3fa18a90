# SPDX-License-Identifier: Apache-2.0
"""A real MQTT broker for a test, on a port of its own; it can be stopped and started again."""

from __future__ import annotations

import asyncio
import shutil
import socket
from pathlib import Path

import pytest


class Mosquitto:
    """Mosquitto on 127.0.0.1, open to all."""

    def __init__(self, folder: Path, port: int) -> None:
        program = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
        if program is None:
            pytest.skip("mosquitto is not installed")
        self.port = port
        self._program = program
        self._file = folder / "mosquitto.conf"
        self._file.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\n")
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Mosquitto:
        await self.start()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.stop()

    async def start(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            self._program,
            "-c",
            str(self._file),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        async with asyncio.timeout(20):
            while True:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                except OSError:
                    await asyncio.sleep(0.05)
                else:
                    writer.close()
                    return

    async def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            await self._process.wait()
            self._process = None


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return int(bound.getsockname()[1])
