# SPDX-License-Identifier: Apache-2.0
"""What a simulation makes sure of before it trades: that it can write its report, and that no other one runs."""

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from commonwatt_client.exit_codes import UsageError


def require_writable(folder: Path) -> None:
    """Make the folder for the report.

    Raises:
        UsageError: it cannot be made, or written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"\0")
    except OSError as error:
        raise UsageError(
            f"--out {folder}: the report cannot be written there: {os.strerror(error.errno or 0)}"
        ) from error


@contextmanager
def only_simulation(network_file: Path) -> Iterator[None]:
    """Hold the network for one simulation of this machine; the lock goes with the process, however it ends.

    Raises:
        UsageError: another simulation holds it.
    """
    with network_file.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise UsageError(
                f"{network_file}: another simulation trades on this network; wait for its end, or stop it with Ctrl-C"
            ) from error
        yield
