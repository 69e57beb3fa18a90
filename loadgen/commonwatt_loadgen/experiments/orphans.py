# SPDX-License-Identifier: Apache-2.0
"""No process outlives the one that it works for, however that one ends."""

import contextlib
import functools
import os
import threading

import psutil


@functools.cache
def end_with(parent: int) -> None:
    """End this process as soon as the process `parent` has ended, in the middle of whatever it does."""
    if parent != os.getpid():
        threading.Thread(target=_end_after, args=(parent,), daemon=True).start()


def _end_after(parent: int) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        psutil.Process(parent).wait()
    os._exit(1)
