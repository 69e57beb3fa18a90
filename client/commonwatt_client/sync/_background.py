# SPDX-License-Identifier: Apache-2.0
"""One event loop in a thread of its own, for what the sync client does through the async one: administration."""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from typing import Any, TypeVar

T = TypeVar("T")

_lock = threading.Lock()
_loop: asyncio.AbstractEventLoop | None = None


def run(work: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine, run in the background while the caller waits; cancelled where the caller gives up."""
    future = asyncio.run_coroutine_threadsafe(work, _background_loop())
    try:
        return future.result()
    except BaseException:
        future.cancel()
        raise


def made(make: Callable[[], T]) -> T:
    """What `make` gives, called where the background's event loop runs."""

    async def called() -> T:
        return make()

    return run(called())


def iterate(open_stream: Callable[[], AsyncIterator[T]]) -> Iterator[T]:
    """The values of an asynchronous stream; closing the iterator closes the stream."""
    stream = made(open_stream)

    async def following() -> tuple[T, ...]:
        try:
            return (await anext(stream),)
        except StopAsyncIteration:
            return ()

    try:
        while value := run(following()):
            yield value[0]
    finally:
        close = getattr(stream, "aclose", None)
        if close is not None:
            run(close())


def awaited(function: Callable[[], T]) -> Callable[[], Awaitable[T]]:
    """A blocking function for a coroutine to await: it runs in a further thread, as it may wait for the background."""
    return lambda: asyncio.to_thread(function)


def _background_loop() -> asyncio.AbstractEventLoop:
    global _loop
    with _lock:
        if _loop is None:
            _loop = asyncio.new_event_loop()
            threading.Thread(target=_loop.run_forever, name="commonwatt-client", daemon=True).start()
        return _loop
