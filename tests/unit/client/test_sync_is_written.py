# SPDX-License-Identifier: Apache-2.0
"""The synchronous client is what `make sync` writes: it has no logic of its own."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[3]
GENERATOR = ROOT / "tools" / "write_sync.py"


def load_generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("write_sync", GENERATOR)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


WRITER = load_generator()


def test_what_is_written_is_current() -> None:
    done = subprocess.run([sys.executable, GENERATOR, "--check"], capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr


def test_nothing_but_what_is_written_and_the_transport() -> None:
    """Every module of the synchronous half is written, but for what performs the effects and runs coroutines."""
    folder = ROOT / "client" / "commonwatt_client" / "sync"
    by_hand = {path for path in folder.rglob("*.py") if "# Written by `make sync`" not in path.read_text()}
    assert {path.name for path in by_hand} == {"_threads.py", "_background.py"}


@pytest.mark.parametrize("module", WRITER.REWRITTEN)
def test_nothing_asynchronous_is_left(module: str) -> None:
    text = WRITER.rewritten(module)
    assert not [word for word in ("await ", "async ", "asyncio", "aenter") if word in text]


def test_brackets_around_an_await_go_with_it() -> None:
    assert WRITER.without_await("print((await peer.get_chain_info('c')).height)") == (
        "print(peer.get_chain_info('c').height)"
    )
