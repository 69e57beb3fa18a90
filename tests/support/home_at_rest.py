# SPDX-License-Identifier: Apache-2.0
"""A home's agent that has counted once, and whose market is not there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from commonwatt_community.home.book import Book, Trade
from commonwatt_community.home.lines import Lines
from commonwatt_community.home.living import LivingHome
from commonwatt_community.home.meter import meter_of
from commonwatt_community.home.routes import Routes
from commonwatt_community.messages.author import Author
from commonwatt_community.messages.journal import Journal
from commonwatt_community.messages.signing_key import make_key
from commonwatt_community.meters.clock import Clock
from commonwatt_community.meters.counted import Counted

from .living_homes import home_settings, write_trace


@asynccontextmanager
async def home_at_rest(folder: Path) -> AsyncIterator[LivingHome]:
    """A home that has counted, and whose market is not there."""
    write_trace(folder / "h1.csv", 500, 0)
    settings = home_settings(folder, "h1", "n1")
    with Journal(folder / "h1.journal") as journal, Book(folder / "h1.db") as book:
        author = Author(make_key(folder / "h1.pem"), journal, "n1", "newtown", "h1")
        lines = Lines(Clock(), lambda line: None)
        book.add(Counted(1_000.0, 1_234.5, 6.0, 700), [])
        book.add_trade(Trade(30, 10, 0, 180_000, "", "because"))
        meter = meter_of(settings, folder / "home.yaml", book, Clock(), lines)
        yield LivingHome(settings, Routes([], author, journal), author, journal, book, meter, lines, Clock())
