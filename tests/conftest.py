"""What every kind of test may use."""

from __future__ import annotations

from pathlib import Path

import pytest

from .softhsm import softhsm

__all__ = ["softhsm"]


@pytest.fixture(scope="session")
def repository() -> Path:
    """The checkout's root."""
    return Path(__file__).parent.parent
