# SPDX-License-Identifier: Apache-2.0
"""Three organisations, each in a namespace of its own as `org render` wrote it, reached at load balancers.

    COMMONWATT_TEST_KUBE_CONTEXT=CONTEXT pytest -m long -s tests/acceptance/test_kubernetes_consortium.py

The cluster needs a default storage class, load balancers with addresses that are reached from here, and the images that
the default topology names. Where its machines have Fabric 3.1.4 too, the organisations begin with that. The namespaces
are new ones; nodes of different organisations meet at the load balancers and nowhere else.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from commonwatt_network.model.topology import default_topology
from commonwatt_network.programs.ports import choose_first_port

from tests.acceptance.cluster import Pods, balances, kubectl, require_cluster
from tests.acceptance.engine import until
from tests.acceptance.test_compose_consortium import CHANNEL, HOMES, LATER, agree_on_ledger, first_trade, load
from tests.acceptance.trading import Trading
from tests.support.organisations import CLOCK, PORTS, Member, found, wait_until

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]
FOUNDERS = ("newtown", "glebe", "grid")
NODES = ("orderer0", "peer0")
CLIENT = Path(__file__).with_name("consortium_client.py")
FORMER = "3.1.4"
LONGEST_PAUSE_S = 5.0
LITTLE = {"requests": {"cpu": "10m", "memory": "64Mi"}, "limits": {"cpu": "2", "memory": "1Gi"}}


@dataclass
class InNamespace(Member):
    """An organisation whose nodes are the pods of one namespace."""

    addresses: dict[str, str] = field(default_factory=dict)
    images: dict[str, str] = field(default_factory=dict)

    @property
    def namespace(self) -> str:
        return f"commonwatt-{os.getpid()}-{self.name}"

    @property
    def manifests(self) -> Path:
        return self.folder / "manifests"

    @property
    def block(self) -> str:
        """The first block of the channel."""
        return str(self.exchange / f"{CHANNEL}.block")

    def settle(self) -> None:
        """Load balancers first: their addresses stand in `organization.yaml`, and in certificates."""
        kubectl("create", "namespace", self.namespace)
        for node in NODES:
            service = {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": {"name": f"{node}-outside"},
                "spec": {
                    "type": "LoadBalancer",
                    "selector": {"app.kubernetes.io/name": node},
                    "ports": [{"name": "grpc", "port": self.port(node.rstrip("0")), "targetPort": "grpc"}],
                },
            }
            self.kubectl("apply", "--filename", "-", stdin=json.dumps(service))
        wait_until(lambda: all(self.given().values()), 60)
        self.addresses = self.given()
        self.redescribe()

    def given(self) -> dict[str, str]:
        """Node -> the address that its load balancer has now."""
        words = ("--output", "jsonpath={.status.loadBalancer.ingress[0].ip}")
        return {node: self.kubectl("get", "service", f"{node}-outside", *words) for node in NODES}

    def redescribe(self) -> None:
        """`organization.yaml`, with the images as they are now."""
        users: dict[str, Any] = {"operator": {"role": "grid" if self.name == "grid" else "operator"}}
        if self.name in HOMES:
            users["house"] = {"role": "home", "attributes": {"home.id": HOMES[self.name]}}
        self.describe(
            "",
            orderers=[self.orderer(self.addresses["orderer0"])],
            peers=[self.peer(self.addresses["peer0"])],
            users=users,
            images=self.images,
        )

    def kubectl(self, *words: str, stdin: str | None = None) -> str:
        return kubectl("--namespace", self.namespace, *words, stdin=stdin)

    def render(self) -> None:
        values = self.folder / "values.yaml"
        kinds = ("orderer", "peer", "chaincode")
        content = {
            "resources": dict.fromkeys(kinds, LITTLE),
            "storage": {"size": "1Gi"},
            "outside": {"addresses": self.addresses},
        }
        values.write_text(yaml.safe_dump(content))
        words = ("--out", str(self.manifests), "--namespace", self.namespace, "--values", str(values))
        self.run("org", "render", "--backend", "kubernetes", *words)

    def start(self) -> None:
        """Render what is to run now, apply it, and wait until it answers."""
        self.render()
        self.apply()
        for workload in self.workloads():
            self.wait(workload)

    def roll(self) -> None:
        """The same, with one node after the other."""
        self.render()
        for workload in self.workloads():
            self.apply("--selector", f"app.kubernetes.io/name={workload.partition('/')[2]}")
            self.wait(workload)
        self.apply()

    def apply(self, *words: str) -> None:
        files = [self.manifests / f"{self.name}.yaml", self.manifests / f"{self.name}-secrets.yaml"]
        self.kubectl("apply", *(word for file in files for word in ("--filename", str(file))), *words)

    def wait(self, workload: str) -> None:
        self.kubectl("rollout", "status", workload, "--timeout=170s")

    def workloads(self) -> list[str]:
        """`statefulset/orderer0` and so on, of the manifests."""
        documents = yaml.safe_load_all((self.manifests / f"{self.name}.yaml").read_bytes())
        kinds = ("StatefulSet", "Deployment")
        return [f"{each['kind']}/{each['metadata']['name']}" for each in documents if each["kind"] in kinds]

    def run(self, *words: str, code: int = 0) -> str:
        if words[:2] != ("org", "join") or code:
            return super().run(*words, code=code)
        with self.administration():
            return super().run(*words)

    @contextlib.contextmanager
    def administration(self) -> Iterator[None]:
        """The orderer's administration port is forwarded to this machine."""
        command = ["kubectl", "--namespace", self.namespace, "port-forward", "service/orderer0"]
        command.append(str(self.port("admin")))
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as forwarding:
            try:
                assert forwarding.stdout
                assert "Forwarding" in forwarding.stdout.readline()
                yield
            finally:
                forwarding.terminate()

    def traded(self) -> dict[str, int]:
        """The totals of all trades, as its own peer tells them."""
        answer = json.loads(self.run("org", "evaluate", CHANNEL, "list_trades"))
        return dict(answer["totals"])

    def client(self, verb: str, *arguments: str) -> list[str]:
        network = str(self.directory / "network.json")
        return [sys.executable, str(CLIENT), verb, network, self.name, CHANNEL, *arguments]

    def has_all(self, transactions: list[str]) -> bool:
        """Whether its own peer has every one of them as valid."""
        words = {"input": " ".join(transactions), "capture_output": True, "text": True, "timeout": 120}
        answer: subprocess.CompletedProcess[str] = subprocess.run(self.client("find"), **words)
        return answer.returncode == 0 and int(answer.stdout) == len(transactions)

    def images_that_run(self) -> set[str]:
        return {pod["spec"]["containers"][0]["image"] for pod in Pods(self.namespace).all()}

    def burn(self) -> None:
        """The namespace is lost with its volumes, and so is the organisation's folder."""
        kubectl("delete", "namespace", self.namespace)
        shutil.rmtree(self.folder)


@pytest.fixture(scope="module")
def everyone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, InNamespace]]:
    """The founders trade on one channel; a fourth organisation has addresses and nothing more."""
    folder = tmp_path_factory.mktemp("namespaces")
    (folder / "exchange").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KUBECONFIG", str(require_cluster(folder)))
        if not balances():
            pytest.skip("the cluster balances no loads, so nodes of different organisations could not meet")
        room = 3 * len(PORTS)
        names = (*FOUNDERS, LATER)
        first = choose_first_port(room * len(names), folder)
        members = {
            name: InNamespace(name, folder / name, folder / "exchange", first + n * room, images=former())
            for n, name in enumerate(names)
        }
        try:
            for member in members.values():
                member.settle()
            began = time.monotonic()
            founders = {name: members[name] for name in FOUNDERS}
            found(founders)
            first_trade(founders)
            print(f"\nfrom nothing to the first trade: {time.monotonic() - began:.1f} s, {load()}")
            yield members
        finally:
            for member in members.values():
                kubectl("delete", "namespace", member.namespace, "--ignore-not-found", "--wait=false")


def current() -> dict[str, str]:
    """Fabric's images of the default topology."""
    images = default_topology(homes=1).images
    return {"peer": images.peer, "orderer": images.orderer}


def former() -> dict[str, str]:
    """Images of the patch before, where the cluster's machines have them; else the current ones."""
    nodes = json.loads(kubectl("get", "nodes", "--output", "json"))["items"]
    there = [name for node in nodes for image in node["status"]["images"] for name in image["names"]]
    wanted = {kind: f"{image.rpartition(':')[0]}:{FORMER}" for kind, image in current().items()}
    known = all(any(name.endswith(image) for name in there) for image in wanted.values())
    return wanted if known else current()


def test_three_namespaces_trade_and_share_nothing_but_addresses(everyone: dict[str, InNamespace]) -> None:
    founders = [everyone[name] for name in FOUNDERS]
    agree_on_ledger(*founders)  # type: ignore[arg-type]
    for member in founders:
        assert "waiting" not in member.run("org", "status")
        assert len(Pods(member.namespace).all()) == 3
    for member, pod in ((member, pod) for member in founders for pod in memory(member).items()):
        print(f"{member.name} {pod[0]}: {pod[1] / 1e6:.0f} MB")


def memory(member: InNamespace) -> dict[str, int]:
    """Pod -> the bytes that it works with, as its machine tells them."""
    [machine] = {pod["spec"]["nodeName"] for pod in Pods(member.namespace).all()}
    summary = json.loads(kubectl("get", "--raw", f"/api/v1/nodes/{machine}/proxy/stats/summary"))
    return {
        pod["podRef"]["name"]: pod["memory"]["workingSetBytes"]
        for pod in summary["pods"]
        if pod["podRef"]["namespace"] == member.namespace and "workingSetBytes" in pod.get("memory", {})
    }
