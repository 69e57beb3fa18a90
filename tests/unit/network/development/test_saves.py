# SPDX-License-Identifier: Apache-2.0
"""Saves are noticed at once, also those made before anybody asks; what belongs to no code is passed over."""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing
from pathlib import Path

import pytest
from commonwatt_network.development.saves import saves_in
from commonwatt_network.errors import UsageError


async def test_a_save_is_noticed_and_other_files_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / ".commonwatt").mkdir()
    async with asyncio.timeout(20), aclosing(saves_in([tmp_path])) as saves:
        assert await anext(saves) == frozenset()
        (tmp_path / "early.py").write_text("")
        await asyncio.sleep(0.5)
        assert await anext(saves) == {tmp_path / "early.py"}
        for noise in (".commonwatt/log", "a.py~", "a.pyc"):
            (tmp_path / noise).write_text("")
        assert await anext(saves) == frozenset()
        began_s = time.monotonic()
        (tmp_path / "late.py").write_text("")
        assert await anext(saves) == {tmp_path / "late.py"}
        assert time.monotonic() - began_s < 1


async def test_a_folder_that_cannot_be_watched_is_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be watched"):
        async with aclosing(saves_in([tmp_path / "nowhere"])) as saves:
            await anext(saves)
            await anext(saves)
