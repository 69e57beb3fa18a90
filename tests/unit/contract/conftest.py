# SPDX-License-Identifier: Apache-2.0
"""Communities to try the contract on."""

import pytest

from .community import Community, populated


@pytest.fixture
async def simulated() -> Community:
    """Paper-exact: one round per request, on a simulated clock."""
    return await populated("simulated")


@pytest.fixture
async def live() -> Community:
    """Fixed rounds on the clock of timestamps."""
    return await populated("live", auction="fixed_rounds")


@pytest.fixture
def bare() -> Community:
    """A channel that nobody has configured."""
    return Community("live")
