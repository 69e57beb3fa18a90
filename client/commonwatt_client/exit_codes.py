# SPDX-License-Identifier: Apache-2.0
"""Exit codes of every command of the kit, and the one table that leads from errors to them.

==== ==================================================================================
0    done
1    ran and failed: a threshold was missed, a ledger differs, the network refused
2    wrong use or configuration: nothing was changed
3    no network: none was ever started here, it is stopped, or it was lost on the way
130  interrupted with Ctrl-C
==== ==================================================================================
"""

import os
import sys
import traceback
from collections.abc import Callable

from commonwatt_client.errors import (
    ClientError,
    ConfigurationError,
    GatewayError,
    NoNetworkError,
    UnreachableError,
)
from commonwatt_client.retry import is_away
from commonwatt_client.verbosity import verbose

DONE, FAILED, MISUSED, NO_NETWORK, INTERRUPTED = 0, 1, 2, 3, 130


class CommandError(Exception):
    """A command ran and failed; the message says what failed, where, and what to do next."""


class InterruptedByUser(CommandError):
    """Ctrl-C ended the command; the message says what became of its work."""


class UsageError(CommandError):
    """Wrong use or configuration: the command changed nothing."""


# The first class that an error belongs to decides.
_EXIT_CODES: tuple[tuple[type[BaseException], int], ...] = (
    (KeyboardInterrupt, INTERRUPTED),
    (InterruptedByUser, INTERRUPTED),
    (NoNetworkError, NO_NETWORK),
    (UnreachableError, NO_NETWORK),
    (UsageError, MISUSED),
    (ConfigurationError, MISUSED),
    (CommandError, FAILED),
    (ClientError, FAILED),
)


def exit_code(error: BaseException) -> int | None:
    """The exit code of a command that ended with `error`; None where the error is a fault of the program."""
    if _lost_the_network(error):
        return NO_NETWORK
    return next((code for kind, code in _EXIT_CODES if isinstance(error, kind)), None)


def _lost_the_network(error: BaseException) -> bool:
    return isinstance(error, UnreachableError) or (isinstance(error, GatewayError) and is_away(error))


def run(name: str, command: Callable[[], object]) -> None:
    """Run a command; an error that a person can act on becomes one sentence on standard error and an exit code."""
    try:
        command()
    except BrokenPipeError:  # the reader of the output went away
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(FAILED)
    except (Exception, KeyboardInterrupt) as error:
        code = exit_code(error)
        if code is None:
            raise
        if verbose():
            traceback.print_exc()
        said = str(error) or "interrupted; the command ended what it had started"
        sys.stderr.write(f"{name}: {said}\n")
        if _lost_the_network(error):
            sys.stderr.write(
                "  The network is stopped or not whole; `make network-up` starts what is missing of one that this kit "
                "made.\n"
            )
        sys.exit(code)
