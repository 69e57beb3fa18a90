# SPDX-License-Identifier: Apache-2.0
"""Each save of files in a folder, as soon as it is over."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from commonwatt_network.errors import UsageError

if TYPE_CHECKING:
    from watchfiles import Change

OTHER_FOLDERS = (".commonwatt", ".ruff_cache", ".gradle", "venv")  # besides those that watchfiles passes over
STEP_MS, MOST_MS = 30, 150  # a save is over when nothing was written for so long, or after so long
PAUSE_S = 1.0


async def saves_in(folders: Iterable[Path]) -> AsyncGenerator[frozenset[Path]]:
    """The files that were changed, a set for each save; an empty one first, and every second without a save.

    Nothing is missed that is saved after the first. Raises UsageError where the system does not let us watch.
    """
    from watchfiles import DefaultFilter, awatch  # not for every verb

    class Sources(DefaultFilter):
        ignore_dirs = (*DefaultFilter.ignore_dirs, *OTHER_FOLDERS)

        def __call__(self, change: Change, path: str) -> bool:
            return super().__call__(change, path) and not os.path.isdir(path)

    watched = list(folders)
    watching = awatch(*watched, watch_filter=Sources(), step=STEP_MS, debounce=MOST_MS)
    coming = asyncio.ensure_future(anext(watching))
    try:
        await asyncio.sleep(0)  # let it begin
        yield frozenset()
        while True:
            await asyncio.wait([coming], timeout=PAUSE_S)
            if not coming.done():
                yield frozenset()
                continue
            changes = coming.result()
            coming = asyncio.ensure_future(anext(watching))
            yield frozenset(Path(path) for _, path in changes)
    except (OSError, RuntimeError) as error:
        raise UsageError(
            f"{', '.join(map(str, watched))} cannot be watched: {error}; with WATCHFILES_FORCE_POLLING=true "
            "every file is looked at now and then instead"
        ) from error
    finally:
        coming.cancel()
        await asyncio.gather(coming, return_exceptions=True)
        await watching.aclose()
