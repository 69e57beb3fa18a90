# SPDX-License-Identifier: Apache-2.0
"""Fabric's next version under a network in containers, while homes trade and `commonwatt load` runs.

    COMMONWATT_TEST_OLDER_FABRIC=3.1.4 pytest -m long -s tests/acceptance/test_compose_upgrade.py

The engine must have Fabric's images of the version that COMMONWATT_TEST_OLDER_FABRIC names; without it the programs
stay the same, and only the containers are replaced. Organisations that upgrade each its own nodes are in
test_compose_consortium.py.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml
from commonwatt_network.down import reset
from commonwatt_network.model.topology import Topology, default_topology, sample_topologies

from tests.acceptance.engine import older, require_engine, until
from tests.acceptance.test_compose_changes import images_that_run
from tests.acceptance.test_plan_apply import LONGEST_PAUSE_S, Running, edited, running

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]
WITHIN_S = 300.0
LOAD_S, RATE = 90, 5
ONE, THREE = "default", "three-orderers"


def topology(sample: str) -> Topology:
    """With an older Fabric."""
    content = yaml.safe_load(sample_topologies()[sample].replace("homes: 60", "homes: 4"))
    images = default_topology(homes=1).images
    return edited(
        Topology.model_validate(content),
        images__peer=older(images.peer),
        images__orderer=older(images.orderer),
    )


@contextmanager
def loaded(directory: Path) -> Iterator[None]:
    """`commonwatt load` meanwhile, from its first blocks to its end.

    Its transactions are each sent once: some fail, and none vanishes.
    """
    before = height(directory)
    words = (
        "load",
        "--rate",
        f"constant:{RATE}",
        "--duration",
        str(LOAD_S),
        "--p95",
        "60",
        "--errors",
        "100",
    )
    loading = subprocess.Popen(
        [Path(sys.executable).with_name("commonwatt"), *words, "--json", "--out", directory.parent / "load"],
        env={**os.environ, "COMMONWATT_DIRECTORY": str(directory)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        until(lambda: height(directory) > before + 3, 120, "the load to be on the ledger")
        yield
        printed, said = loading.communicate(timeout=LOAD_S + 120)
    finally:
        loading.kill()
    assert loading.returncode == 0, said
    summary = json.loads(printed)
    outcomes = {name: count for name, count in summary["outcomes"].items() if count}
    without = longest_without(summary)
    print(f"load of {summary['planned']} transactions: {outcomes}, at most {without} s without a commit")
    assert sum(outcomes.values()) == summary["planned"]
    assert without <= LONGEST_PAUSE_S


def height(directory: Path) -> int:
    """The blocks of the longest chain that a peer tells of."""
    words = (Path(sys.executable).with_name("commonwatt"), "network", "status", "--json")
    environment = {**os.environ, "COMMONWATT_DIRECTORY": str(directory)}
    answer = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=60, check=True)
    channels = json.loads(answer.stdout)["channels"]
    return max(blocks or 0 for channel in channels.values() for blocks in channel["heights"].values())


def longest_without(summary: dict[str, object]) -> int:
    """The most whole seconds, one after the other, in which no transaction of the load was committed."""
    rows = summary["seconds"]
    assert isinstance(rows, list)
    longest = now = 0
    for _, _, committed, *_ in rows[:LOAD_S]:
        now = 0 if committed else now + 1
        longest = max(longest, now)
    return longest


@pytest.fixture(params=[THREE, ONE])
def network(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Running]:
    """A network of three Raft orderers, or of one, with an older Fabric."""
    require_engine()
    directory = tmp_path / "network"
    try:
        with running(directory, topology(request.param), "compose") as network:
            yield network
    finally:
        reset(directory)


async def test_fabrics_next_version_comes_node_after_node(network: Running) -> None:
    images = default_topology(homes=1).images
    wanted = edited(network.topology, images__peer=images.peer, images__orderer=images.orderer)
    with loaded(network.directory):
        [words] = await network.become(wanted, WITHIN_S)
    assert words.startswith("change images: orderers from hyperledger/fabric-orderer")
    ran = images_that_run(network)
    assert {ran[orderer.name] for orderer in network.nodes.orderers} == {images.orderer}
    assert {ran[peer.name] for peer in network.nodes.peers} == {images.peer}
