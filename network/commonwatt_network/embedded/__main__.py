# SPDX-License-Identifier: Apache-2.0
"""`python -m commonwatt_network.embedded CONFIG.json`: run an embedded network until SIGTERM or SIGINT.

On SIGHUP it reads its configuration again and starts the nodes that have come to it.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import resource
import signal
import sys
from pathlib import Path

from commonwatt_network.embedded.config import ConfigurationError, EmbeddedConfig, read_config
from commonwatt_network.embedded.process import EmbeddedNetwork, StartError, write_ready_file

USAGE = "usage: python -m commonwatt_network.embedded CONFIG.json"


async def run(path: Path, config: EmbeddedConfig) -> None:
    """Start, say that it is ready, wait for the signal, stop. Raises StartError."""
    stopped, changed = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    loop.add_signal_handler(signal.SIGHUP, changed.set)
    network = EmbeddedNetwork(config)
    await network.start()
    if config.ready_file:
        write_ready_file(config.ready_file)
    gc.freeze()  # what start-up made stays; collections need not look at it again
    gc.set_threshold(20_000, 20, 50)
    growing = asyncio.create_task(_grow(network, path, changed))
    await stopped.wait()
    growing.cancel()
    await network.stop()


async def _grow(network: EmbeddedNetwork, path: Path, changed: asyncio.Event) -> None:
    """Take in new nodes whenever asked; what cannot be started is said, and the others go on."""
    while True:
        await changed.wait()
        changed.clear()
        try:
            await network.grow(read_config(path))
        except (ConfigurationError, StartError) as error:
            logging.error("new nodes were not started: %s", error)
        except Exception:  # the next time it is asked must not find nobody
            logging.exception("new nodes were not started")


def _allow_open_files() -> None:
    """Raise the limit of open files as far as the system lets us: each client is one."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):  # macOS refuses more than a limit of its own
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def main(arguments: list[str]) -> int:
    """The exit code: 0 stopped as asked, 1 could not start, 2 wrong use or configuration."""
    if len(arguments) != 1:
        print(USAGE, file=sys.stderr)
        return 2
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        path = Path(arguments[0])
        os.umask(0o077)  # ledgers are their owner's alone, whoever starts this
        _allow_open_files()
        asyncio.run(run(path, read_config(path)))
    except ConfigurationError as error:
        print(error, file=sys.stderr)
        return 2
    except StartError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
