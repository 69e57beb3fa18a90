# SPDX-License-Identifier: Apache-2.0
"""Other people's clients on a network that is named as their tutorials name it, each from files that the kit writes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from ..behaviour.conftest import BACKENDS, RunningNetwork
from ..softhsm import SoftHsm
from .foreign import foreign_network, run_client, settings_of
from .go_client.installed import go_client
from .maven import java_program
from .node.installed import node_client
from .node_2_2.installed import old_node_client

pytestmark = pytest.mark.long
HERE = Path(__file__).parent


@pytest.fixture(scope="module", params=BACKENDS)
def foreign(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningNetwork]:
    with foreign_network(request.param, tmp_path_factory.mktemp(f"foreign-{request.param}")) as network:
        yield network


def command_of(client: str) -> Sequence[str | Path]:
    match client:
        case "go":
            return [go_client()]
        case "java":
            return java_program(HERE / "java_client", "interop.Client")
        case _:
            return ["node", node_client(), "scenarios"]


@pytest.mark.parametrize("client", ["node", "go", "java"])
def test_current_clients(foreign: RunningNetwork, tmp_path: Path, client: str) -> None:
    """Online and signed elsewhere, key-level and collection policies, blocks with private data."""
    assert_current(run_client(command_of(client), foreign, tmp_path))


def test_a_key_in_a_token_signs_for_the_go_client(
    foreign: RunningNetwork, tmp_path: Path, softhsm: SoftHsm
) -> None:
    key = Path(settings_of(foreign)["privateKey"])
    label = f"go-{foreign.backend}"
    softhsm.new_token(label, {"another": key, "user1": key})
    token = {"library": softhsm.library, "label": label, "pin": softhsm.pin, "identifier": "\u0001"}
    seen = run_client(command_of("go"), foreign, tmp_path, hsm=token, privateKey="nowhere")
    assert_current(seen)


@pytest.mark.parametrize("as_localhost", [True, False])
def test_the_node_sdk_of_fabric_2_2_enrols_and_trades(
    foreign: RunningNetwork, tmp_path: Path, as_localhost: bool
) -> None:
    seen = run_client(["node", old_node_client()], foreign, tmp_path, asLocalhost=as_localhost)
    assert seen["event"] == "12 kWh"
    assert seen["who"]["mspid"] == "Org1MSP"
    assert_policies_held(seen)
    assert "not_today" in seen["refused"]["message"]
    assert seen["blocksHeard"]
    assert seen["privateHeard"][:2] == [
        "agreed",
        "agreed",
    ]  # of the valid transaction and of the one that lost


def test_the_java_sdk_of_fabric_2_2_enrols_and_trades(foreign: RunningNetwork, tmp_path: Path) -> None:
    seen = run_client(java_program(HERE / "java_2_2", "interop.Client"), foreign, tmp_path)
    assert seen["event"] == "12 kWh"
    assert_policies_held(seen, refusal="rejected by peer")  # all that this SDK tells
    assert "not_today" in seen["refused"]["message"]


def assert_current(seen: dict[str, Any]) -> None:
    assert seen["offline"] == {"result": "2", "successful": True}
    event = seen["event"]
    assert (event["payload"], event["sameTransaction"]) == ("12 kWh", True)
    assert_policies_held(seen, "3")
    assert seen["refused"]["code"].upper() == "ABORTED"
    assert any("not_today" in detail for detail in seen["refused"]["details"])
    assert seen["privateHeard"] == ["agreed"]
    assert seen["sameBlock"] is True


def assert_policies_held(
    seen: dict[str, Any], increments: str = "2", refusal: str = "ENDORSEMENT_POLICY_FAILURE"
) -> None:
    """What one organisation alone may not do, and both together may."""
    assert (seen["submitted"], seen["evaluated"], seen["private"]) == ("1", "1", "hidden")
    for alone in ("agreedByOne", "keyByOne"):
        assert refusal in seen[alone]["code"], seen[alone]
    assert seen["keyByBoth"] == increments
