# SPDX-License-Identifier: Apache-2.0
"""COMMONWATT_BACKEND=kubernetes on a cluster; skipped with the reason where no cluster is lent.

    COMMONWATT_TEST_KUBE_CONTEXT=CONTEXT pytest -m long -s tests/acceptance/test_kubernetes_network.py

The cluster needs a default storage class, and the images that the default topology names. Where it balances loads, its
balancers' addresses must be reachable from here.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from commonwatt_network.down import reset
from commonwatt_network.model.topology import sample_topologies
from commonwatt_network.programs import processes

from tests.acceptance.cluster import Pods, balances, kubectl, require_cluster
from tests.acceptance.engine import until
from tests.acceptance.test_compose_network import Town
from tests.acceptance.test_plan_apply import Running, Trade

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]
PREFIX = "kit-"  # of every organisation, so that namespaces of others' do not stand in the way
ORDERERS, NEWTOWN, GRID = NAMESPACES = ("kit-orderers", "kit-newtown", "kit-grid")
NAMES = {"orderer0", "peer0.kit-newtown", "peer0.kit-grid", "market.kit-newtown", "market.kit-grid"}
PEER = Pods(NEWTOWN)


class ClusterTown(Town):
    """A folder with a network in a cluster."""

    backend = "kubernetes"

    def topology(self, sample: str, **more: Any) -> str:
        """The file of a sample with organisations of other names and few homes. `more`: further parts of it."""
        content = yaml.safe_load(sample_topologies()[sample].replace("homes: 60", "homes: 4"))
        for place in (content, content["orderers"]):
            place["organizations"] = {PREFIX + name: entry for name, entry in place["organizations"].items()}
        for channel in content["channels"].values():
            channel["organizations"] = [PREFIX + name for name in channel["organizations"]]
        path = self.shell.folder / f"{sample}.yaml"
        path.write_text(yaml.safe_dump(content | more, sort_keys=False))
        return str(path)


@pytest.fixture(scope="module", autouse=True)
def lent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The lent context is kubectl's current one, for the tests and for the commands that they run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KUBECONFIG", str(require_cluster(tmp_path_factory.mktemp("kube"))))
        taken = [name for name in NAMESPACES if Pods(name).exists()]
        if taken:
            pytest.skip(f"the cluster has namespaces {', '.join(taken)} already")
        yield


@pytest.fixture(scope="module")
def town(lent: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterTown]:
    """One network for the tests that leave it running; at load balancers where the cluster has any."""
    town = ClusterTown(tmp_path_factory.mktemp("cluster"))
    try:
        more = {"kubernetes": {"outside": "LoadBalancer"}} if balances() else {}
        town.up("--topology", town.topology("default", **more))
        yield town
    finally:
        reset(town.shell.directory)


def addresses(town: Town) -> list[str]:
    """Where clients dial peers."""
    network = json.loads((town.shell.directory / "network.json").read_text())
    return [peer["address"] for entry in network["organizations"].values() for peer in entry["peers"]]


def test_every_node_runs_with_no_more_rights_than_it_needs(town: ClusterTown) -> None:
    assert town.states() == dict.fromkeys(NAMES, "running")
    for namespace in NAMESPACES:
        pods = Pods(namespace).all()
        assert pods
        for pod in pods:
            [container] = pod["spec"]["containers"]
            assert container["securityContext"]["readOnlyRootFilesystem"]
            assert pod["spec"]["securityContext"]["runAsNonRoot"]


def test_a_day_is_traded_and_found_in_order(town: ClusterTown) -> None:
    begin = time.monotonic()
    assert "saved" in town.run("simulate", "--homes", "4", "--no-figures")
    print(f"a day of 4 homes: {time.monotonic() - begin:.1f} s, load {os.getloadavg()[0]:.1f}")
    town.run("verify")


async def test_a_pod_that_goes_costs_clients_a_retry(town: ClusterTown) -> None:
    balanced = not any(address.startswith("127.0.0.1") for address in addresses(town))
    print(f"clients dial {', '.join(addresses(town))}")
    network = Running(town.shell.directory)
    if balanced:  # then nothing of this machine is in between
        processes.stop(found for group in processes.running(network.nodes.layout).values() for found in group)
    async with network.trade() as trade:
        for namespace, pod in ((NEWTOWN, "peer0-0"), (ORDERERS, "orderer0-0")):
            took_s = await asyncio.to_thread(goes_on_without, Pods(namespace), pod, trade)
            print(f"{pod} of {namespace}: trade goes on {took_s:.1f} s after its end")
    print(f"{len(trade.committed)} transactions, pause {trade.pause_s:.1f} s, load {os.getloadavg()[0]:.1f}")
    town.up()
    await network.holds(trade.committed)


def goes_on_without(pods: Pods, pod: str, trade: Trade) -> float:
    """Delete the pod; how many seconds later the next one is there and twenty more transactions are committed."""
    before, former = len(trade.committed), pods.uid(pod)
    pods.delete(pod)
    began = time.monotonic()
    until(lambda: pods.uid(pod) not in (former, None), 60, f"the next {pod}")
    until(lambda: len(trade.committed) > before + 20, 120, "trade to go on")
    return time.monotonic() - began


def test_a_peer_that_stands_still_is_noticed_and_started_again(town: ClusterTown) -> None:
    os.kill(PEER.pid("peer0-0"), signal.SIGSTOP)
    took_s = until(
        lambda: town.states()["peer0.kit-newtown"] == "unhealthy", 180, "peer0.kit-newtown to be unhealthy"
    )
    print(f"peer0.kit-newtown is found standing still after {took_s:.0f} s")
    assert "peer0.kit-newtown is unhealthy; it runs but does not answer" in town.run("network", "status")
    took_s = until(
        lambda: town.states()["peer0.kit-newtown"] == "running", 180, "the cluster to start it again"
    )
    print(f"the cluster started it again after {took_s:.0f} s more")
    town.up()
    town.trade()


def test_a_network_goes_down_and_comes_up_with_its_ledgers(town: ClusterTown) -> None:
    town.up()
    height = town.height()
    town.run("network", "down")
    assert set(town.states().values()) == {"stopped"}
    assert not [pod for namespace in NAMESPACES for pod in Pods(namespace).all()]
    town.up()
    assert town.height() >= height
    town.trade()
    town.run("verify")


def test_strangers_pods_reach_no_node(town: ClusterTown) -> None:
    """Where the cluster enforces network policies: a pod of another namespace asks for metrics."""
    namespace = f"stranger-{os.getpid()}"
    kubectl("create", "namespace", namespace)
    try:
        ports = json.loads(kubectl("--namespace", NEWTOWN, "get", "service", "peer0", "--output", "json"))
        port = next(each["port"] for each in ports["spec"]["ports"] if each["name"] == "operations")
        image = PEER.image("peer0")
        ask = f"exec 3<>/dev/tcp/peer0.kit-newtown/{port} && echo reached || echo shut out"
        overrides = {"spec": {"terminationGracePeriodSeconds": 1}}
        words = (
            "run",
            "stranger",
            f"--image={image}",
            "--restart=Never",
            f"--overrides={json.dumps(overrides)}",
        )
        kubectl("--namespace", namespace, *words, "--command", "--", "timeout", "20", "bash", "-c", ask)
        until(lambda: phase(namespace) in ("Succeeded", "Failed"), 90, "the stranger to end")
        said = kubectl("--namespace", namespace, "logs", "stranger")
        if "reached" in said:
            pytest.skip("this cluster enforces no network policies")
    finally:
        kubectl("delete", "namespace", namespace)


def phase(namespace: str) -> str:
    words = ("get", "pod", "stranger", "--output", "jsonpath={.status.phase}")
    return kubectl("--namespace", namespace, *words)


def test_another_network_of_that_name_leaves_it_alone(town: ClusterTown, tmp_path: Path) -> None:
    other = ClusterTown(tmp_path / "other")
    said = other.up(code=2)
    assert "was not made by this network, so it stays as it is" in said
    other.run("network", "reset", "--yes", code=0)
    assert set(town.states().values()) == {"running"}


def test_a_container_that_fails_is_named_with_its_own_cause(town: ClusterTown, tmp_path: Path) -> None:
    town.run("network", "reset", "--yes")
    assert not any(Pods(namespace).exists() for namespace in NAMESPACES)
    other = ClusterTown(tmp_path / "other")
    topology = other.topology("default", images={"peer": "hyperledger/fabric-peer:3.1.98"})
    try:
        said = other.up("--topology", topology, code=1)
        assert "peer0.kit-newtown does not start: " in said or "peer0.kit-grid does not start: " in said
        assert "ImagePull" in said
        assert set(other.states().values()) == {"stopped"}, "nothing is left half started"
    finally:
        reset(other.shell.directory)


@pytest.mark.parametrize(("sample", "count"), [("three-orderers", 3), ("bft", 4)])
def test_orderers_go_on_without_one(lent: None, tmp_path: Path, sample: str, count: int) -> None:
    namespace = f"{PREFIX}transmission"  # it runs orderer0
    town = ClusterTown(tmp_path / "town")
    try:
        town.up("--topology", town.topology(sample))
        assert len([name for name in town.states() if "orderer" in name]) == count
        kubectl("--namespace", namespace, "scale", "statefulset/orderer0", "--replicas=0")
        town.trade()
        town.up()
        town.trade()
    finally:
        reset(town.shell.directory)
