# SPDX-License-Identifier: Apache-2.0
"""A network with a key-value chaincode, made once for this folder; each test starts from the same state."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from commonwatt_client import Contract, Gateway
from commonwatt_network.testing import TestNetwork, run_embedded_network

CHAINCODE = Path(__file__).parent / "kv_chaincode.py"


@pytest.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[TestNetwork]:
    async with run_embedded_network(tmp_path / "network") as network:
        await network.deploy("kv", [sys.executable, str(CHAINCODE)])
        yield network


def kv_of(gateway: Gateway) -> Contract:
    return gateway.get_network("newtown").get_contract("kv")
