# SPDX-License-Identifier: Apache-2.0
"""A log's last lines, and each line that comes: cut lines, logs that begin anew, programs that print them."""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import aclosing
from pathlib import Path

import pytest
from commonwatt_network.backends.backend import LogCommand
from commonwatt_network.errors import NetworkError
from commonwatt_network.logs import LogFile, last_lines, merged, read


@pytest.mark.parametrize("count", [0, 1, 3, 1000, 100_000])
def test_the_last_lines_are_those_of_the_whole_file(tmp_path: Path, count: int) -> None:
    path = tmp_path / "a.log"
    for lines in (0, 1, 2, 5000):
        path.write_text("".join(f"line {number} {'x' * 50}\n" for number in range(lines)))
        found, at = last_lines(path, count)
        assert found == (path.read_text().splitlines()[-count:] if count else [])
        assert at == path.stat().st_size


def test_a_line_that_is_still_being_written_comes_later(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(b"whole\nbegun \xff")
    assert last_lines(path, 5) == (["whole"], 6)


async def test_following_gives_each_line_once(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    async with asyncio.timeout(20), aclosing(read(LogFile(path), 5, follow=True)) as lines:
        first = asyncio.ensure_future(anext(lines))
        await asyncio.sleep(0.1)
        path.write_bytes(b"one\ntw")  # it has just started
        assert await first == "one"
        with path.open("ab") as file:
            file.write(b"o\r\nthree\n")
        assert [await anext(lines), await anext(lines)] == ["two", "three"]
        path.replace(tmp_path / "a.log.old")
        path.write_bytes(b"a new log\n")
        assert await anext(lines) == "a new log"
        os.truncate(path, 0)
        second = asyncio.ensure_future(anext(lines))
        await asyncio.sleep(0.5)
        path.write_bytes(b"cut\n")
        assert await second == "cut"


async def test_several_logs_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("one\n")
    command = LogCommand([sys.executable, "-c", "print('two')"], os.environ)
    logs = {"a": LogFile(tmp_path / "a"), "b": command, "c": LogFile(tmp_path / "nowhere")}
    assert [line async for line in merged(logs, 5, follow=False)] == [("a", "one"), ("b", "two")]
    async with asyncio.timeout(20), aclosing(merged(logs, 5, follow=True)) as lines:
        assert {await anext(lines), await anext(lines)} == {("a", "one"), ("b", "two")}


@pytest.mark.parametrize("follow", [False, True])
async def test_a_program_that_cannot_print_a_log_is_heard(follow: bool) -> None:
    failing = LogCommand([sys.executable, "-c", "import sys; sys.exit('no such container')"], os.environ)
    with pytest.raises(NetworkError, match="no such container"):
        assert [line async for line in merged({"a": failing}, 5, follow=follow)]
    with pytest.raises(NetworkError, match="nowhere-at-all"):
        assert [line async for line in merged({"a": LogCommand(["nowhere-at-all"], {})}, 5, follow=follow)]
