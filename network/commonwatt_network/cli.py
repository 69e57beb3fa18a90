"""The command `commonwatt`: each distribution adds its verbs through the entry-point group `commonwatt.commands`.

Exit codes: 0 done, 1 ran and failed, 2 wrong use or configuration. Errors are one line on standard error.
"""

from __future__ import annotations

import os
import sys
from importlib.metadata import entry_points

import typer
from commonwatt_client import ClientError, ConfigurationError
from rich.console import Console

from commonwatt_network.errors import NetworkError, UsageError

DONE, FAILED, MISUSED, INTERRUPTED = 0, 1, 2, 130


def build_app(wanted: str | None = None) -> typer.Typer:
    """The command with the verbs of every distribution that is installed.

    Entry points are loaded, the network's own first, until one offers the verb `wanted`: starting a network does not
    wait for the load generator's libraries.
    """
    app = typer.Typer(
        help="Neighbours trade solar power on Hyperledger Fabric.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode="rich",
    )
    for entry in sorted(entry_points(group="commonwatt.commands"), key=lambda entry: entry.name != "network"):
        entry.load()(app)
        if wanted is not None and wanted in typer.main.get_group(app).commands:
            break
    return app


def main() -> None:
    """Run the command line; errors that a person can act on come as one line, not as a traceback."""
    try:
        build_app(wanted=sys.argv[1] if sys.argv[1:] else None)()
    except (UsageError, ConfigurationError) as error:
        _exit(error, MISUSED)
    except (NetworkError, ClientError) as error:
        _exit(error, FAILED)
    except KeyboardInterrupt:
        _exit("interrupted; what this command had started was ended again", INTERRUPTED)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(FAILED)


def _exit(error: object, code: int) -> None:
    Console(stderr=True, soft_wrap=True, highlight=False).print(f"commonwatt: {error}", markup=False)
    sys.exit(code)
