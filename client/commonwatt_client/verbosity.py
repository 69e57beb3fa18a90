# SPDX-License-Identifier: Apache-2.0
"""How much a command says: `-q` leaves out how it went, `-v` adds what the libraries log."""

import logging
import sys
from dataclasses import dataclass


@dataclass
class _Verbosity:
    quiet: bool = False
    verbose: int = 0


_asked = _Verbosity()


def forget() -> None:
    """Begin a command: neither `-q` nor `-v` is asked for yet."""
    _asked.quiet, _asked.verbose = False, 0


def ask_quiet(wanted: bool) -> None:
    """Leave out how it went, if `wanted`; results and errors stay."""
    _asked.quiet = _asked.quiet or wanted


def ask_verbose(times: int) -> None:
    """Log to standard error: warnings by default, all that happens (1), all details (2 or more)."""
    _asked.verbose = max(_asked.verbose, times)
    if times:
        level = logging.INFO if times == 1 else logging.DEBUG
        logging.basicConfig(stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
        logging.getLogger().setLevel(level)


def quiet() -> bool:
    """Whether the command leaves out how it went."""
    return _asked.quiet


def verbose() -> bool:
    """Whether the command also says on standard error how it came about."""
    return _asked.verbose > 0


def say(line: str) -> None:
    """A line about how it went, to standard output at once; `-q` leaves it out."""
    if not _asked.quiet:
        print(line, flush=True)
