# SPDX-License-Identifier: Apache-2.0
"""Neighbourhoods to settle."""

import pytest

from ..audit.forward.judging import judged
from .neighbourhood import Neighbourhood

__all__ = ["judged"]


@pytest.fixture
async def street() -> Neighbourhood:
    """Three homes with panels: a, b and c."""
    street = await Neighbourhood().found()
    await street.add("a", "b", "c", pv_w=5_000)
    return street
