# SPDX-License-Identifier: Apache-2.0
"""`commonwatt home run home.yaml`: everything that one home needs, opened in order and closed in the other one."""

from contextlib import AsyncExitStack
from pathlib import Path

from commonwatt_client.errors import ConfigurationError

from ..messages.author import Author
from ..messages.journal import Journal
from ..messages.signing_key import load_key
from ..meters.clock import Clock
from ..plugins import choose
from ..together import together
from .book import Book
from .lines import Lines
from .living import LivingHome
from .meter import extra, meter_of
from .page import page_of
from .routes import routes_of
from .settings import HomeSettings, beside
from .state import State


async def run_home(
    settings: HomeSettings, path: Path, clock: Clock | None = None, lines: Lines | None = None
) -> None:
    """Run the home of a home.yaml until it is cancelled.

    Raises:
        ConfigurationError: something that home.yaml names cannot be right; a second agent holds the journal.
        PluginError: there is no such forecast, plan or meter.
    """
    clock = clock or Clock()
    lines = lines or Lines(clock)
    async with AsyncExitStack() as stack:
        choose("forecasts", settings.forecast)
        choose("batteries", settings.plan)
        key = load_key(beside(path, settings.key))
        journal = stack.enter_context(Journal(beside(path, settings.journal)))
        book = stack.enter_context(Book(beside(path, settings.book)))
        author = Author(key, journal, settings.net, settings.channel, settings.home)
        meter = meter_of(settings, path, book, clock, lines)
        routes = await stack.enter_async_context(routes_of(settings, path, author, journal, clock))
        living = LivingHome(settings, routes, author, journal, book, meter, lines, clock)
        lines.tell(f"home {settings.home} lives on channel {settings.channel}")
        state = State(living)
        parts = [living.run(), state.watch()]
        if settings.page is not None:
            try:
                port = await stack.enter_async_context(page_of(living, state, settings.page.port))
                lines.tell(f"the page of this home is http://127.0.0.1:{port}/")
            except ConfigurationError as error:
                lines.tell(f"page: {error}; the home lives without its page until page.port names another")
        if settings.home_assistant is not None:
            with extra("mqtt"):
                from .home_assistant import Assistant
            assistant = Assistant(settings.home_assistant, path.parent, living, state, lines)
            parts.append(assistant.run())
        await together(*parts)
