# SPDX-License-Identifier: Apache-2.0
"""What ends a run of the load generator, besides wrong use."""

from commonwatt_client import UnreachableError
from commonwatt_client.exit_codes import CommandError


class IncompleteRun(CommandError):
    """A generator was lost, or totals don't add up: the figures of the run cannot be trusted."""


class LostNetwork(IncompleteRun, UnreachableError):
    """The network went away while generators ran."""
