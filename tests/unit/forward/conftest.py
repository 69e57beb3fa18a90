# SPDX-License-Identifier: Apache-2.0
"""Communities to try the forward contract on."""

import pytest

from ..audit.forward.judging import judged
from .neighbourhood import Neighbourhood, neighbourhood

__all__ = ["judged"]


@pytest.fixture
async def newtown() -> Neighbourhood:
    """A live community of two consumers, h1 and h2, and two prosumers, p1 and p2."""
    return await neighbourhood("h1", "h2", "p1", "p2")


@pytest.fixture
def bare() -> Neighbourhood:
    """A channel that nobody has configured."""
    return Neighbourhood()
