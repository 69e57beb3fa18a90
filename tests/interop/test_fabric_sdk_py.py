# SPDX-License-Identifier: Apache-2.0
"""The older fabric-sdk-py on our networks, from the profile written in its dialect: a query and an invoke."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any

import pytest

from ..behaviour.conftest import network  # noqa: F401
from ..behaviour.probe_network import COLLECTIONS, MEMBERS, PROBE, Probe
from .fabric_sdk_py.installed import fabric_sdk_py, query_and_invoke


@pytest.mark.timeout(600)
@pytest.mark.long
async def test_query_and_invoke(network: Any, tmp_path: Path) -> None:  # noqa: F811
    fabric_sdk_py()
    network.deploy(PROBE, "probe", endorsement_policy=MEMBERS, collections=COLLECTIONS)
    key = f"s{secrets.token_hex(6)}"
    async with network.connect() as gateway:
        ours = Probe(gateway, gateway.get_network("trials").get_contract("probe"))
        await ours.answers()
        answer = query_and_invoke(network, tmp_path, "probe", key)
        assert answer["queried"] == "by fabric-sdk-py"
        assert await ours.evaluate("get", f"{key}0") == "by fabric-sdk-py"
