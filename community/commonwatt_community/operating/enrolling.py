# SPDX-License-Identifier: Apache-2.0
"""Homes that enrol: the operator checks each one's code, and sets its first key; as grid, it confirms the home."""

import json
import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

from commonwatt_chaincode.messages.keys import thumbprint
from commonwatt_chaincode.messages.message import read
from commonwatt_chaincode.messages.refusals import MessageRefused

from commonwatt_community.founding.codes import CodeRefused, check_code
from commonwatt_community.founding.confirming import confirm, ready
from commonwatt_community.market.forward import ForwardMarket
from commonwatt_community.market.refused import DATA_NOT_HERE, Refused
from commonwatt_community.market.results import Home
from commonwatt_community.secret_file import write_secret

from .reading import Ledger
from .telling import Telling

SET, REFUSED = "set", "refused"
LARGEST_FILE = 16_384
MOST_FILES = 1_000
EVERY_S = 3

HOMES_A_PASS = 50
"""Homes without a key that one pass asks about."""

KEY_TAKEN = "key_taken"
PASSES = frozenset({DATA_NOT_HERE, "clock_differs"})

Json = dict[str, Any]


class Enrolments(Protocol):
    """A source of homes' requests: the service, or a folder."""

    async def list_enrolments(self, state: str = "waiting") -> list[Json]:
        """Requests, each with ``home``, ``code`` and ``possession``."""
        ...

    async def answer_enrolment(self, home: str, state: str, reason: str = "") -> None:
        """Say what became of one: ``set``, or ``refused`` and why."""
        ...


class FolderOfEnrolments:
    """Requests as files ``<name>.json`` with ``code`` and ``possession``; the answer is ``<name>.result.json``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[str, Path] = {}

    async def list_enrolments(self, state: str = "waiting") -> list[Json]:
        """The requests without an answer; a file that holds none is answered at once."""
        if not self._folder.is_dir():
            return []
        found = []
        for file in sorted(self._folder.glob("*.json"))[:MOST_FILES]:
            if file.name.endswith(".result.json") or _result(file).exists():
                continue
            said = _said(file)
            if said is None:
                _answer(
                    file, REFUSED, "the file holds no JSON object with code and possession, in 16 kB at most"
                )
                continue
            self._files[file.stem] = file
            found.append({"home": file.stem, **said})
        return found

    async def answer_enrolment(self, home: str, state: str, reason: str = "") -> None:
        """Write the answer beside the request."""
        _answer(self._files.pop(home), state, reason)


def _said(file: Path) -> Json | None:
    try:
        if file.stat().st_size > LARGEST_FILE:
            return None
        content = json.loads(file.read_text("utf-8"))
        said = {name: content[name] for name in ("code", "possession")}
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return said if all(isinstance(value, str) for value in said.values()) else None


def _result(file: Path) -> Path:
    return file.with_name(f"{file.stem}.result.json")


def _answer(file: Path, state: str, reason: str) -> None:
    write_secret(_result(file), json.dumps({"state": state, "reason": reason}).encode())


class Enrolling:
    """A code is good once: a home that has a key takes no second first one."""

    def __init__(
        self,
        ledger: Ledger,
        sources: Sequence[Enrolments],
        codes_key: bytes,
        grid: ForwardMarket | None,
        telling: Telling,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`grid` confirms homes that have a key, where the operator holds the grid's identity, too."""
        self._ledger = ledger
        self._sources = sources
        self._codes_key = codes_key
        self._grid = grid
        self._telling = telling
        self._clock = clock
        self._enrolled: set[str] = set()
        self._place = 0

    async def run(self) -> int | None:
        """Answer all that waits, and confirm."""
        for source in self._sources:
            for request in await source.list_enrolments():
                await self._answer(source, request)
        community, now_s = await self._ledger.community()
        if self._grid is not None:
            waiting = await ready(self._ledger.market, self._some(community.homes))
            if waiting:
                await confirm(self._grid, waiting, lambda line: self._telling.did("confirm_home", line))
                self._ledger.homes_changed()
        return now_s + EVERY_S

    def _some(self, homes: Sequence[Home]) -> list[Home]:
        """The homes to confirm: those that have a key for sure, and some of those that may have one by now."""
        changed = [home for home in homes if home.versions]
        new = [home for home in homes if not home.versions]
        self._place = self._place + HOMES_A_PASS if self._place + HOMES_A_PASS < len(new) else 0
        enrolled = [home for home in new if home.home in self._enrolled]
        self._enrolled.clear()
        return [
            *changed,
            *enrolled,
            *(one for one in new[self._place :][:HOMES_A_PASS] if one not in enrolled),
        ]

    async def _answer(self, source: Enrolments, request: Json) -> None:
        named = str(request.get("home", ""))
        try:
            home = check_code(self._codes_key, str(request.get("code", "")), self._clock())
            possession = str(request.get("possession", "")).encode("ascii", "replace")
            await self._ledger.market.set_key("home", home, possession)
        except (CodeRefused, MessageRefused) as refused:
            await source.answer_enrolment(named, REFUSED, str(refused))
            self._telling.say(f"home {_shown(named)} is not enrolled: {refused}")
            return
        except Refused as refused:
            if refused.code in PASSES:
                raise
            if refused.code == KEY_TAKEN and await self._has_this_key(home, possession):
                await source.answer_enrolment(
                    named, SET
                )  # another operator was faster, or this one before it fell
                return
            await source.answer_enrolment(named, REFUSED, f"{refused.code}: {refused.sentence}")
            self._telling.say(f"home {_shown(named)} is not enrolled: {refused}")
            return
        self._ledger.homes_changed()
        self._enrolled.add(home)
        await source.answer_enrolment(named, SET)
        self._telling.did("set_key", f"home {home} is enrolled: its first key is set")

    async def _has_this_key(self, home: str, possession: bytes) -> bool:
        """Whether the key that the home has is the one of this request."""
        stored = await self._ledger.market.get_keys("home", home)
        return thumbprint(stored.versions[0].jwk) == read(possession).kid


def _shown(name: str) -> str:
    """A stranger's name, safe on a terminal."""
    return re.sub(r"[^A-Za-z0-9_.-]", "?", name)[:64]
