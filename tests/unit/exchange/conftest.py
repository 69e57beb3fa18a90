# SPDX-License-Identifier: Apache-2.0
"""Regions to try the exchange on."""

import pytest

from .region import Region


@pytest.fixture
async def region() -> Region:
    """An exchange of newtown, enmore and glebe."""
    return await Region().begin()


@pytest.fixture
def bare() -> Region:
    """A channel on which nobody has founded an exchange."""
    return Region()
