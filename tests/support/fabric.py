# SPDX-License-Identifier: Apache-2.0
"""Tests that need Fabric's own programs."""

import pytest
from commonwatt_network.programs.fabric import FabricNotFoundError, find_fabric


def require_backend(backend: str) -> str:
    """The version of Fabric behind a backend; skips the test, with the reason, where the machine lacks it."""
    if backend == "embedded":
        return "embedded"
    try:
        return find_fabric().version_text
    except FabricNotFoundError as error:
        pytest.skip(f"native: {error}")
