# SPDX-License-Identifier: Apache-2.0
"""The official Node client on our networks: it connects from the standard profile and sees what ours sees."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ..behaviour.conftest import network  # noqa: F401
from ..behaviour.probe_network import COLLECTIONS, MEMBERS, PROBE, Probe
from .node.installed import node_client, run_node_client

GRPC_ABORTED, GRPC_UNKNOWN, GRPC_FAILED_PRECONDITION = 10, 2, 9


@pytest.fixture
async def deployed(network: Any) -> Any:  # noqa: F811
    node_client()
    network.deploy(PROBE, "probe", endorsement_policy=MEMBERS, collections=COLLECTIONS)
    async with network.connect("newtown", "operator") as gateway:
        await Probe(gateway, gateway.get_network("trials").get_contract("probe")).answers()
    return network


def test_tour(deployed: Any, tmp_path: Path) -> None:
    seen = run_node_client("tour", deployed, tmp_path, "probe")
    assert (seen["submitted"], seen["evaluated"], seen["resultBeforeCommit"]) == ("1", "1", "2")
    assert seen["status"] == {"code": 0, "successful": True}
    assert seen["event"] == {"name": "Sunny", "payload": "12 kWh", "sameTransaction": True}
    assert seen["afterCheckpoint"] == "Cloudy"
    assert seen["block"] == seen["filteredBlock"] == seen["blockAndPrivateData"] == seen["blockNumber"]

    refused = seen["endorseError"]
    assert (refused["kind"], refused["code"]) == ("EndorseError", GRPC_ABORTED)
    assert refused["transactionId"]
    assert {detail["mspId"] for detail in refused["details"]} <= {"NewtownMSP", "GridMSP"}
    assert all(
        "not_today: this transaction always refuses" in detail["message"] for detail in refused["details"]
    )
    assert seen["evaluateError"]["code"] == GRPC_UNKNOWN
    assert "chaincode response 400, not_today" in seen["evaluateError"]["message"]
    assert seen["unknownChaincode"]["code"] == GRPC_FAILED_PRECONDITION
