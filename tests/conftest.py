"""What every kind of test may use."""

from __future__ import annotations

from pathlib import Path

import hypothesis  # noqa: F401  at first: its plugin else imports it at last, among threads that tests left behind
import pytest

from .softhsm import softhsm

__all__ = ["softhsm"]


@pytest.fixture(scope="session")
def repository() -> Path:
    """The checkout's root."""
    return Path(__file__).parent.parent
