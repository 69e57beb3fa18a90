# SPDX-License-Identifier: Apache-2.0
"""Headless Chromium, driven through its debugging protocol: what a person's browser would make of a page."""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--remote-debugging-port=0",
)  # fmt: skip
WAIT_S = 20.0
_CUT = """[...document.querySelectorAll('table')].filter((table) => {
  for (let box = table.parentElement; box; box = box.parentElement)
    if (getComputedStyle(box).overflowX !== 'visible' && box.scrollWidth > box.clientWidth + 1) return true;
  return false;
}).map((table) => table.innerText.split('\\n')[0])"""


def find_chromium() -> str:
    """The browser's program; skips the test where there is none."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    return found or pytest.skip("chromium is not on PATH")


class Page:
    """One tab. `problems` collects exceptions and errors that the page wrote to its console."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self.problems: list[str] = []

    async def read(self) -> None:
        async for message in self._socket:
            content = json.loads(message.data)
            if "id" in content:
                self._answers.pop(content["id"]).set_result(content)
            elif content["method"] == "Runtime.exceptionThrown":
                self.problems.append(json.dumps(content["params"]["exceptionDetails"]))
            elif content["method"] == "Runtime.consoleAPICalled" and content["params"]["type"] == "error":
                self.problems.append(json.dumps(content["params"]["args"]))
            elif content["method"] == "Log.entryAdded" and content["params"]["entry"]["level"] == "error":
                self.problems.append(content["params"]["entry"]["text"])

    async def call(self, method: str, wait_s: float = WAIT_S, **parameters: Any) -> dict[str, Any]:
        number = next(self._numbers)
        self._answers[number] = asyncio.get_running_loop().create_future()
        await self._socket.send_json({"id": number, "method": method, "params": parameters})
        async with asyncio.timeout(wait_s):
            answer = await self._answers[number]
        result: dict[str, Any] = answer["result"]
        return result

    async def evaluate(self, expression: str) -> Any:
        """A JavaScript expression's value."""
        answer = await self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        return answer["result"].get("value")

    async def promised(self, expression: str, wait_s: float = WAIT_S) -> Any:
        """What a JavaScript promise comes to."""
        answer = await self.call(
            "Runtime.evaluate", wait_s, expression=expression, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    async def until(self, expression: str) -> None:
        """Wait until a JavaScript expression is true."""
        async with asyncio.timeout(WAIT_S):
            while not await self.evaluate(expression):  # noqa: ASYNC110  the page is asked, it does not tell
                await asyncio.sleep(0.1)

    async def resize(self, width: int, height: int = 900) -> None:
        await self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )

    async def prefer(self, scheme: str) -> None:
        """Be a browser whose user wants `light` or `dark`."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        await self.call("Emulation.setEmulatedMedia", features=features)

    async def press(self, key: str, text: str = "") -> None:
        """A key of the keyboard, as Tab or Enter; `text` is what it types."""
        code = {"Tab": 9, "Enter": 13, " ": 32}.get(key, 0)
        pressed = {"key": key, "code": "Space" if key == " " else key, "windowsVirtualKeyCode": code}
        await self.call("Input.dispatchKeyEvent", type="keyDown", text=text, **pressed)
        await self.call("Input.dispatchKeyEvent", type="keyUp", **pressed)

    async def write(self, text: str) -> None:
        """Type into what has the focus."""
        await self.call("Input.insertText", text=text)

    async def cut_tables(self) -> list[str]:
        """Each table of which one has to scroll sideways to see the last column; all that can be opened is opened."""
        await self.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
        found: list[str] = await self.evaluate(_CUT)
        return found

    async def print(self) -> bytes:
        """The page as PDF on the sheet that it asks for."""
        answer = await self.call("Page.printToPDF", preferCSSPageSize=True, printBackground=True)
        return base64.b64decode(answer["data"])

    async def screenshot(self) -> bytes:
        """The whole page as PNG, also what one would have to scroll to."""
        answer = await self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        return base64.b64decode(answer["data"])


def _written(path: Path) -> str:
    return path.read_text() if path.exists() else ""


@asynccontextmanager
async def browse(address: str, *flags: str) -> AsyncIterator[Page]:
    """A page in a browser of its own, which takes further flags."""
    program = find_chromium()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        process = await asyncio.create_subprocess_exec(
            program, *FLAGS, *flags, f"--user-data-dir={profile}", "about:blank",
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        try:
            port_file = Path(profile) / "DevToolsActivePort"
            async with asyncio.timeout(WAIT_S):
                while not _written(port_file):  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
            port = int(_written(port_file).split()[0])
            async with aiohttp.ClientSession() as session:
                async with session.get(f"http://127.0.0.1:{port}/json") as answer:
                    target = next(entry for entry in await answer.json() if entry["type"] == "page")
                async with session.ws_connect(target["webSocketDebuggerUrl"], max_msg_size=1 << 26) as socket:
                    page = Page(socket)
                    reader = asyncio.create_task(page.read())
                    try:
                        for domain in ("Runtime", "Log", "Page"):
                            await page.call(f"{domain}.enable")
                        await page.call("Page.navigate", url=address)
                        yield page
                    finally:
                        reader.cancel()
        finally:
            process.terminate()
            await process.wait()
