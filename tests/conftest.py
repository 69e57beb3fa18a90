# SPDX-License-Identifier: Apache-2.0
"""What every kind of test may use."""

from __future__ import annotations

import os
from pathlib import Path

import hypothesis  # at first: its plugin else imports it at last, among threads that tests left behind
import pytest
from commonwatt_network.programs.ports import FIRST, LAST, RANGE

from .softhsm import softhsm

__all__ = ["softhsm"]

# One profile for every folder: no deadlines (a busy machine is no failure), no database beside the checkout.
hypothesis.settings.register_profile("commonwatt", deadline=None, database=None)
hypothesis.settings.load_profile("commonwatt")

# Tests that run at the same time start networks at the same time: each process has ports of its own.
WORKER, WORKERS = (os.environ.get(f"PYTEST_XDIST_WORKER{name}", "") for name in ("", "_COUNT"))
if WORKER:
    EACH = (LAST - FIRST) // int(WORKERS)
    LOWEST = FIRST + int(WORKER.removeprefix("gw")) * EACH
    os.environ[RANGE] = f"{LOWEST}-{LOWEST + EACH - 1}"


@pytest.fixture(scope="session")
def repository() -> Path:
    """The checkout's root."""
    return Path(__file__).parent.parent
