# SPDX-License-Identifier: Apache-2.0
"""Other people's clients on a network that is named as their tutorials name it, each from files that the kit writes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ..behaviour.conftest import BACKENDS, RunningNetwork
from .foreign import foreign_network, run_client
from .node_2_2.installed import old_node_client

pytestmark = pytest.mark.long
ENDORSEMENT_POLICY_FAILURE = 10


@pytest.fixture(scope="module", params=BACKENDS)
def foreign(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningNetwork]:
    with foreign_network(request.param, tmp_path_factory.mktemp(f"foreign-{request.param}")) as network:
        yield network


@pytest.mark.parametrize("as_localhost", [True, False])
def test_the_node_sdk_of_fabric_2_2_enrols_and_trades(
    foreign: RunningNetwork, tmp_path: Path, as_localhost: bool
) -> None:
    seen = run_client(["node", old_node_client()], foreign, tmp_path, asLocalhost=as_localhost)
    assert (seen["submitted"], seen["evaluated"], seen["event"]) == ("1", "1", "12 kWh")
    assert seen["who"]["mspid"] == "Org1MSP"
    assert_policies_held(seen)
    assert "not_today" in seen["refused"]["message"]
    assert seen["blocksHeard"]
    assert seen["privateHeard"] == ["agreed"]


def assert_policies_held(seen: dict[str, Any]) -> None:
    """What one organisation alone may not do, and both together may."""
    assert seen["private"] == "hidden"
    for alone in ("agreedByOne", "keyByOne"):
        assert seen[alone]["code"] == "ENDORSEMENT_POLICY_FAILURE", seen[alone]
    assert seen["keyByBoth"] == "2"
