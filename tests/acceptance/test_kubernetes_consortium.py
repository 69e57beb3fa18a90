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
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml
from commonwatt_network.model.topology import default_topology
from commonwatt_network.programs.ports import choose_first_port

from tests.acceptance.cluster import Pods, balances, kubectl, require_cluster
from tests.acceptance.test_compose_consortium import CHANNEL, HOMES, LATER, agree_on_ledger, first_trade, load
from tests.acceptance.trading import CLIENT, Trading
from tests.support.organisations import CLOCK, PORTS, Member, found, wait_until

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]
FOUNDERS = ("newtown", "glebe", "grid")
TWO_PEERS = "newtown"  # so that its clients have another one while a pod is made anew
FORMER = "3.1.4"
LONGEST_PAUSE_S = 5.0
SETTLES_S = 10  # for orderers to meet the one that came back and to elect a leader, before the next pod goes
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
    def nodes(self) -> dict[str, tuple[str, int]]:
        """Name -> its kind, and its number among these."""
        peers = 2 if self.name == TWO_PEERS else 1
        return {"orderer0": ("orderer", 0)} | {f"peer{n}": ("peer", n) for n in range(peers)}

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
        for node, place in self.nodes.items():
            service = {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": {"name": f"{node}-outside"},
                "spec": {
                    "type": "LoadBalancer",
                    "selector": {"app.kubernetes.io/name": node},
                    "ports": [{"name": "grpc", "port": self.port(*place), "targetPort": "grpc"}],
                },
            }
            self.kubectl("apply", "--filename", "-", stdin=json.dumps(service))
        wait_until(lambda: all(self.given().values()), 60)
        self.addresses = self.given()
        self.redescribe()

    def given(self) -> dict[str, str]:
        """Node -> the address that its load balancer has now."""
        words = ("--ignore-not-found", "--output", "jsonpath={.status.loadBalancer.ingress[0].ip}")
        return {node: self.kubectl("get", "service", f"{node}-outside", *words) for node in self.nodes}

    def redescribe(self) -> None:
        """`organization.yaml`, with the images as they are now."""
        users: dict[str, Any] = {"operator": {"role": "grid" if self.name == "grid" else "operator"}}
        if self.name in HOMES:
            users["house"] = {"role": "home", "attributes": {"home.id": HOMES[self.name]}}
        self.describe(
            "",
            orderers=[self.node("orderer0")],
            peers=[self.node(name) for name, (kind, _) in self.nodes.items() if kind == "peer"],
            users=users,
            images=self.images,
        )

    def node(self, name: str) -> dict[str, Any]:
        """What `organization.yaml` says of it."""
        kind, number = self.nodes[name]
        described = {"orderer": self.orderer, "peer": self.peer}[kind]
        return described(self.addresses[name], number)

    def kubectl(self, *words: str, stdin: str | None = None) -> str:
        return kubectl("--namespace", self.namespace, *words, stdin=stdin)

    def render(self) -> None:
        values = self.folder / "values.yaml"
        kinds = ("orderer", "peer", "chaincode")
        content = {
            "resources": dict.fromkeys(kinds, LITTLE),
            "storage": {"size": "1Gi"},
            "outside": self.outside(),
        }
        values.write_text(yaml.safe_dump(content))
        words = ("--out", str(self.manifests), "--namespace", self.namespace, "--values", str(values))
        self.run("org", "render", "--backend", "kubernetes", *words)

    def outside(self) -> dict[str, Any]:
        """How others reach its nodes, among the values of its manifests."""
        return {"addresses": self.addresses}

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
            time.sleep(SETTLES_S if workload.startswith("StatefulSet") else 0)
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
        if code or words[:2] == ("org", "submit"):
            return super().run(*words, code=code)
        with self.administration() if words[:2] == ("org", "join") else contextlib.nullcontext():
            try:
                return super().run(*words)
            except AssertionError as error:
                if "Connection refused" not in str(error):
                    raise
                time.sleep(
                    10
                )  # a busy cluster rewires its Services and policies; every command can be repeated
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

    def client(self, verb: str, *arguments: str) -> list[str]:
        network = str(self.directory / "network.json")
        return [sys.executable, str(CLIENT), verb, network, self.name, CHANNEL, *arguments]

    def has_all(self, transactions: list[str]) -> bool:
        """Whether its own peer has every one of them as valid."""
        answer = subprocess.run(
            self.client("find"), input=" ".join(transactions), capture_output=True, text=True, timeout=120
        )
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


def traded_on(trading: Trading, *members: InNamespace) -> tuple[int, float]:
    """How many transactions were committed, of which none of the members lacks any, and the longest pause in s."""
    committed, pause_s = trading.end()
    for member in members:
        wait_until(partial(member.has_all, committed), 120)
    return len(committed), pause_s


def test_three_namespaces_trade_and_share_nothing_but_addresses(everyone: dict[str, InNamespace]) -> None:
    founders = [everyone[name] for name in FOUNDERS]
    agree_on_ledger(*founders)
    for member in founders:
        assert "waiting" not in member.run("org", "status")
        assert len(Pods(member.namespace).all()) == len(member.nodes) + 1
    for member in founders:
        sizes = {pod.partition("-")[0]: round(size / 1e6) for pod, size in memory(member).items()}
        print(f"{member.name}, MB of each pod: {sizes}")


def memory(member: InNamespace) -> dict[str, int]:
    """Pod -> the bytes that it works with, as its machine tells them."""
    [machine] = {pod["spec"]["nodeName"] for pod in Pods(member.namespace).all()}
    summary = json.loads(kubectl("get", "--raw", f"/api/v1/nodes/{machine}/proxy/stats/summary"))
    return {
        pod["podRef"]["name"]: pod["memory"]["workingSetBytes"]
        for pod in summary["pods"]
        if pod["podRef"]["namespace"] == member.namespace and "workingSetBytes" in pod.get("memory", {})
    }


def test_a_pod_that_goes_is_a_retry_for_clients(everyone: dict[str, InNamespace]) -> None:
    newtown, glebe, grid = (everyone[name] for name in FOUNDERS)
    with Trading(newtown.exchange, partial(newtown.client, "trade"), CLOCK + 1_000_000) as trading:
        trading.wait_for_more(3)
        for member, node in ((grid, "peer0"), (grid, "orderer0"), (newtown, "peer0"), (glebe, "orderer0")):
            member.kubectl("delete", "pod", f"{node}-0")
            member.kubectl("wait", "pod", f"{node}-0", "--for=create", "--timeout=60s")
            member.kubectl("wait", "pod", f"{node}-0", "--for=condition=Ready", "--timeout=170s")
            time.sleep(SETTLES_S)
            trading.wait_for_more(3)
        count, pause_s = traded_on(trading, newtown, glebe, grid)
    print(f"\nfour pods gone: {count} transactions, longest pause {pause_s:.1f} s, {load()}")


def test_fabrics_next_patch_comes_pod_after_pod_while_they_trade(everyone: dict[str, InNamespace]) -> None:
    newtown, glebe, grid = founders = [everyone[name] for name in FOUNDERS]
    if newtown.images == current():
        pytest.skip(f"the cluster's machines have no images of Fabric {FORMER}")
    began = time.monotonic()
    with Trading(newtown.exchange, partial(newtown.client, "trade"), CLOCK + 2_000_000) as trading:
        trading.wait_for_more(3)
        for member in founders:
            assert set(member.images.values()) < member.images_that_run()
            member.images = current()
            member.redescribe()
            member.init()
            member.roll()
            trading.wait_for_more(3)
            assert set(member.images.values()) < member.images_that_run()
        count, pause_s = traded_on(trading, newtown, glebe, grid)
    took_s = time.monotonic() - began
    print(
        f"\n{FORMER} -> next: {took_s:.1f} s, {count} transactions, longest pause {pause_s:.1f} s, {load()}"
    )
    agree_on_ledger(*founders)
    assert pause_s <= LONGEST_PAUSE_S


def test_a_lost_namespace_comes_back_from_its_backup(everyone: dict[str, InNamespace]) -> None:
    newtown, glebe, grid = (everyone[name] for name in FOUNDERS)
    safe = newtown.exchange.parent / "safe"
    safe.mkdir()
    (safe / "passphrase.txt").write_text("correct horse battery staple\n")
    secret = ("--passphrase-file", str(safe / "passphrase.txt"))
    glebe.run("org", "backup", str(safe / "glebe.backup"), *secret)
    newtown.trades()  # which the backup does not know
    with Trading(newtown.exchange, partial(newtown.client, "trade"), CLOCK + 3_000_000) as trading:
        trading.wait_for_more(3)
        glebe.burn()
        trading.wait_for_more(3)
        assert "waiting for the orderer of GlebeMSP" in newtown.run("org", "status")
        began = time.monotonic()
        glebe.folder.mkdir()
        glebe.run("org", "restore", str(safe / "glebe.backup"), *secret)
        glebe.start()
        assert {workload.partition("/")[2] for workload in glebe.workloads()} == {"peer0", "market"}
        try:
            wait_until(lambda: glebe.given()["peer0"] == glebe.addresses["peer0"], 20)
        except AssertionError:
            pytest.skip("the cluster gives a load balancer no address that its Service asks for")
        glebe.run("org", "export", str(glebe.exchange))
        for member in (newtown, grid):
            member.run("consortium", "readmit", "glebe", "--exchange", str(glebe.exchange))
        newest = str(glebe.exchange / f"glebe.{CHANNEL}.block")
        said = glebe.run("org", "join", glebe.block, "--newest", newest, code=1)
        assert "the channels have readmitted orderer0.glebe" in said
        glebe.start()
        glebe.run("org", "join", glebe.block, "--newest", newest)
        glebe.run("org", "install")
        wait_until(lambda: "waiting" not in newtown.run("org", "status"), 120)
        took_s = time.monotonic() - began
        count, pause_s = traded_on(trading, newtown, grid, glebe)
    agree_on_ledger(newtown, glebe, grid)
    print(
        f"\na lost namespace is back: {took_s:.1f} s, {count} transactions, longest pause {pause_s:.1f} s, {load()}"
    )
    Pods(grid.namespace).delete("orderer0-0")  # now glebe's vote counts
    newtown.trades()
    grid.wait("statefulset/orderer0")


def test_a_member_joins_from_a_namespace_of_its_own(everyone: dict[str, InNamespace]) -> None:
    newtown, _, grid, ferry = everyone.values()
    ferry.images = current()
    ferry.redescribe()
    began = time.monotonic()
    ferry.init()
    ferry.run("org", "export", str(ferry.exchange))
    ferry.start()
    update, newest = str(ferry.exchange / "ferry.update"), str(ferry.exchange / "newest.block")
    newtown.run("consortium", "propose", CHANNEL, str(ferry.bundle), "--out", update)
    for member in (newtown, grid):
        member.run("consortium", "sign", update)
    newtown.run("consortium", "submit", update, "--out", newest)
    said = ferry.run("org", "join", ferry.block, "--newest", newest, code=2)
    assert "port-forward service/orderer0" in said
    ferry.run("org", "join", ferry.block, "--newest", newest)
    ferry.run("org", "install")
    ferry.run("org", "approve", CHANNEL, "--wait", "120")
    agree_on_ledger(*everyone.values())
    print(f"\na member came: {time.monotonic() - began:.1f} s, {load()}")


def test_certificates_are_renewed_pod_after_pod(everyone: dict[str, InNamespace]) -> None:
    newtown = everyone["newtown"]
    before = {pod["metadata"]["uid"] for pod in Pods(newtown.namespace).all()}
    began = time.monotonic()
    glebe = everyone["glebe"]  # whose users trade on while newtown's pods are made anew
    with Trading(glebe.exchange, partial(glebe.client, "trade"), CLOCK + 4_000_000) as trading:
        trading.wait_for_more(3)
        said = newtown.run("org", "renew", "--before-days", "365")
        assert "orderer0.newtown: renewed" in said
        assert "repeat `commonwatt org render`" in said
        newtown.roll()
        newtown.run("org", "install")
        newtown.run("org", "approve", CHANNEL, "--wait", "120")
        newtown.run("org", "export", str(newtown.exchange))
        words = ("consortium", "agree", "newtown", "--exchange", str(newtown.exchange))
        assert "certificate" in [member.run(*words) for member in everyone.values()][-1]
        count, pause_s = traded_on(trading, *everyone.values())
    took_s = time.monotonic() - began
    assert not before & {pod["metadata"]["uid"] for pod in Pods(newtown.namespace).all()}
    agree_on_ledger(*everyone.values())
    print(
        f"\ncertificates renewed: {took_s:.1f} s, {count} transactions, longest pause {pause_s:.1f} s, {load()}"
    )


def test_strangers_reach_what_others_dial_and_nothing_more(everyone: dict[str, InNamespace]) -> None:
    grid = everyone["grid"]
    services = json.loads(grid.kubectl("get", "services", "--output", "json"))["items"]
    ports = {
        f"{each['metadata']['name']} {port['name']}": (each["spec"]["clusterIP"], port["port"])
        for each in services
        for port in each["spec"]["ports"]
    }
    asked = "; ".join(
        f"(timeout 3 bash -c 'exec 3<>/dev/tcp/{address}/{port}' && echo '{name}') 2> /dev/null"
        for name, (address, port) in ports.items()
    )
    stranger = f"{grid.namespace}-stranger"
    kubectl("create", "namespace", stranger)
    try:
        words = ("run", "stranger", f"--image={current()['peer']}", "--restart=Never", "--command", "--")
        kubectl("--namespace", stranger, *words, "bash", "-c", f"{asked}; true")
        ended = ("wait", "pod/stranger", "--for=jsonpath={.status.phase}=Succeeded", "--timeout=150s")
        kubectl("--namespace", stranger, *ended)
        reached = set(kubectl("--namespace", stranger, "logs", "stranger").splitlines())
    finally:
        kubectl("delete", "namespace", stranger, "--wait=false")
    if reached == set(ports):
        pytest.skip("this cluster enforces no network policies")
    assert reached == {"orderer0 grpc", "orderer0-outside grpc", "peer0 grpc", "peer0-outside grpc"}
