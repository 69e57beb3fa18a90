# SPDX-License-Identifier: Apache-2.0
"""What can go wrong with a network, as the person at the keyboard meets it.

- `NetworkError`: it ran and failed: says which process, what it said last, what to do next
  - `UsageError`: wrong use or configuration: nothing was changed
    - `TopologyError`: a topology or another file with mistakes, each with its line
    - `NotThereError`: a thing that the command needs was not made, or does not run (exit code 3)
      - `NoNetworkError`: the folder holds no network
"""

from __future__ import annotations

from pathlib import Path

import commonwatt_client
from commonwatt_client import exit_codes


class NetworkError(exit_codes.CommandError):
    """Something failed; the message says what, where and what to do next."""


class UsageError(NetworkError, exit_codes.UsageError):
    """Wrong use or configuration: refused before anything was changed."""


class TopologyError(UsageError):
    """The topology cannot be used; the message names file, line, what is wrong and what would be right."""


class NotThereError(UsageError, commonwatt_client.NoNetworkError):
    """A network or an organisation was not made, or does not run; the message says how to start it."""


class NoNetworkError(NotThereError):
    """The folder holds no network: none was started there, or it was deleted."""

    def __init__(self, directory: Path) -> None:
        super().__init__(f"there is no network in {directory}; start one with `make network-up`")
