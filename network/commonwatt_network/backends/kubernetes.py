# SPDX-License-Identifier: Apache-2.0
"""The backend kubernetes: one namespace per organisation, driven by `kubectl` in the context of its first start.

The Service `peer0` in the namespace `newtown` is dialled as `peer0.newtown` from every other namespace, which is the
peer's own name. This machine reaches the nodes through `kubectl port-forward`, at the ports that the topology settled.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from commonwatt_network.backends import cluster as clusters
from commonwatt_network.backends import pods
from commonwatt_network.backends.backend import (
    COMPLETED,
    Condition,
    Files,
    LogCommand,
    Phase,
    refuse_couchdb,
    refuse_determinism_guard,
    refuse_programs_outside_images,
)
from commonwatt_network.backends.cluster import COMMAND, FIELDS, Cluster
from commonwatt_network.backends.containers import (
    LEDGER,
    Container,
    InContainers,
    containers,
    service_host,
    write_files,
)
from commonwatt_network.backends.manifests import (
    SERVER_PORT,
    kind_of,
    namespace_in,
    organizations_of,
    refuse_machines,
    render,
    workload,
)
from commonwatt_network.errors import UsageError
from commonwatt_network.model.layout import Layout
from commonwatt_network.model.nodes import AuthorityServer, ChaincodeServer, Node, Nodes, Orderer, Peer
from commonwatt_network.model.topology import Topology
from commonwatt_network.programs import readiness
from commonwatt_network.programs.processes import Program

PATIENCE_S = 60
AGAIN = ("sh", "-c", 'while :; do "$@"; sleep 1; done', "sh")
"""The words before a command that is to run again each time it ends."""
RECEIVED = LEDGER / "received"  # where a peer finds the snapshots that it begins with


class Kubernetes(InContainers):
    """One namespace per organisation, driven by `kubectl`."""

    name = "kubernetes"

    def require(self, nodes: Nodes) -> None:
        """Raise KubectlNotFoundError or ForeignNamespaceError where no cluster runs this network, with what to do."""
        refuse_determinism_guard(nodes.topology)
        refuse_couchdb(nodes.topology)
        refuse_programs_outside_images(nodes.topology)
        refuse_machines(nodes)
        dotted = [name for name in organizations_of(nodes) if "." in name]
        if dotted:
            raise UsageError(
                f"a namespace of Kubernetes takes no dots, and each organisation has one: give {', '.join(dotted)} "
                "another name"
            )
        clusters.find_cluster(nodes.layout, organizations_of(nodes))

    @contextmanager
    def started(self, nodes: Nodes, phase: Phase, *, change: bool = False) -> Iterator[tuple[str, ...]]:
        """Apply the manifests and wait until all is ready; scale to nothing again if the body fails, but in a change.

        Pods that run stay in a change; else those of former manifests are made anew, one after the other.
        """
        cluster = clusters.find_cluster(nodes.layout, organizations_of(nodes))
        before = running(nodes.layout)
        everyone = containers(nodes)
        missing = [entry for entry in everyone if entry.name not in before]
        try:
            with phase("containers"):
                cluster = self._apply(nodes, cluster)
                pods.wait_serving(cluster, {_place(entry): entry.name for entry in everyone})
                if not change:
                    _renew_pods(cluster, everyone)
            yield tuple(entry.name for entry in missing)
        except BaseException:
            for entry in [] if change else missing:
                _scale(cluster, entry, 0)
            raise

    def fetch(self, nodes: Nodes, topology: Topology) -> None:
        """Let the cluster fetch each image that is new. Raises KubectlError for one that it cannot have."""
        cluster = clusters.settled(nodes.layout)
        old, new = nodes.topology.images, topology.images
        member = next(iter(nodes.topology.organizations))
        orders = next(iter(nodes.topology.orderers.organizations))
        for image, former, namespace in (
            (new.peer, old.peer, member),
            (new.orderer, old.orderer, orders),
            (new.chaincode, old.chaincode, member),
        ):
            if image != former:
                pods.fetch_image(cluster, namespace, image)

    def snapshots(self, nodes: Nodes, peer: Peer, channel: str) -> list[int]:
        cluster = clusters.settled(nodes.layout)
        folder = LEDGER / COMPLETED / channel
        answer = cluster.ask(*_inside(peer), "ls", str(folder))
        return [int(name) for name in answer.stdout.split() if name.isdigit()]

    def handed(self, nodes: Nodes, giver: Peer, channel: str, number: int, peer: Peer) -> str:
        """A copy on the peer's own volume, brought there by way of this machine."""
        cluster = clusters.settled(nodes.layout)
        source, target = LEDGER / COMPLETED / channel / str(number), RECEIVED / channel
        packed = cluster.fetch_bytes(*_inside(giver), "tar", "--create", "--directory", str(source), ".")
        cluster.do(*_inside(peer), "mkdir", "--parents", str(target))
        cluster.send_bytes(packed, *_inside(peer, "--stdin"), "tar", "--extract", "--directory", str(target))
        return str(target)

    def end(self, nodes: Nodes, names: Collection[str]) -> None:
        """End their pods; volumes and keys stay."""
        cluster = clusters.settled(nodes.layout)
        ended = [entry for entry in containers(nodes) if entry.name in names]
        for entry in ended:
            _scale(cluster, entry, 0)
        for entry in ended:
            _wait_gone(cluster, entry)

    def begin_anew(self, nodes: Nodes, name: str) -> None:
        """Delete its pod once the cluster knows the next one, so that the node is away only for its own start."""
        cluster = self._apply(nodes, clusters.settled(nodes.layout))
        [entry] = [entry for entry in containers(nodes) if entry.name == name]
        if isinstance(entry.node, ChaincodeServer):
            cluster.do(
                "--namespace", entry.node.organization, "rollout", "restart", f"deployment/{workload(entry)}"
            )
        else:
            pod = f"{workload(entry)}-0"
            cluster.do("--namespace", entry.node.organization, "delete", "pod", pod, "--ignore-not-found")

    def end_others(self, nodes: Nodes) -> None:
        """Delete the workloads that are not of `nodes`, with their keys; the volumes of their ledgers stay."""
        cluster = clusters.settled(nodes.layout)
        known = {_place(entry) for entry in containers(nodes)}
        others = [each for each in _workloads(cluster) if f"{each.namespace}/{each.name}" not in known]
        for each in others:
            targets = [f"{kind}/{each.name}" for kind in (each.kind, "configmap", "secret")]
            if each.kind == "statefulset":
                targets += [f"service/{each.name}", f"service/{each.name}-outside"]
            cluster.do("--namespace", each.namespace, "delete", *targets, "--ignore-not-found")
        if others:
            self._apply(nodes, cluster)  # Services lead to former chaincode servers no more

    def stop(self, layout: Layout, *, delete: bool) -> tuple[str, ...]:
        """Scale everything to nothing: the ledgers stay. `delete`: delete the network's own namespaces and all in them.

        Raises ForeignNamespaceError before anything is changed when one of its namespaces is now another's.
        """
        cluster = clusters.pinned(layout)
        if cluster is None:
            return ()
        own = clusters.own_namespaces(layout, cluster)
        names = tuple(sorted(running(layout)))
        for namespace, uid in own.items():
            if delete:
                clusters.delete_namespace(cluster, namespace, uid)
            else:
                cluster.do(
                    "--namespace", namespace, "scale", "statefulset,deployment", "--all", "--replicas=0"
                )
        for namespace in [] if delete else own:
            cluster.do(
                *("--namespace", namespace, "wait", "--for=delete", "pod", "--selector", pods.NODE),
                f"--timeout={PATIENCE_S}s",
            )
        return names

    def write(self, directory: Path, files: Files) -> None:
        """Write what `render` gave."""
        write_files(directory, files)

    def programs(self, nodes: Nodes) -> list[Program]:
        return forwarders(nodes)

    async def wait_ready(self, nodes: Nodes, pids: Mapping[str, int]) -> None:
        reached = replace(nodes, chaincode_servers=())  # dialled inside the cluster alone
        await readiness.wait_listening(reached, pids)
        await readiness.wait_healthy(reached, pids)

    def for_clients(self, nodes: Nodes) -> Nodes:
        """The nodes at their load balancers, where the topology has any. Raises KubectlError for want of an address."""
        if not nodes.topology.kubernetes.load_balanced:
            return nodes
        cluster = clusters.settled(nodes.layout)
        hosts = {node.name: _balancer(cluster, node) for node in nodes.fabric_nodes}
        return replace(
            nodes,
            orderers=tuple(replace(node, host=hosts[node.name]) for node in nodes.orderers),
            peers=tuple(replace(node, host=hosts[node.name]) for node in nodes.peers),
        )

    def monitored_host(self, node: Orderer | Peer) -> str:
        return service_host(node)

    def running(self, nodes: Nodes, alive: Collection[str]) -> set[str]:
        return running(nodes.layout)

    def conditions(self, nodes: Nodes) -> Mapping[str, Condition]:
        cluster = clusters.pinned(nodes.layout)
        return pods.conditions(cluster) if cluster and shutil.which(COMMAND) else {}

    def holding_ports(self, nodes: Nodes, alive: Collection[str]) -> set[str]:
        forwarded = (*nodes.fabric_nodes, *nodes.authorities)  # each by a program of its name
        return {node.name for node in forwarded if node.name in alive}

    def log_command(
        self, nodes: Nodes, node: Node | AuthorityServer, lines: int, *, follow: bool
    ) -> LogCommand | None:
        if isinstance(node, AuthorityServer):
            return None
        service = service_host(node).split(".")[0]
        server = isinstance(node, ChaincodeServer)
        workload = f"deployment/{service}-{node.port}" if server else f"statefulset/{service}"
        words = [
            COMMAND,
            "--context",
            clusters.settled(nodes.layout).context,
            "--namespace",
            node.organization,
        ]
        words += ["logs", f"--tail={lines}", *(["--follow"] if follow else []), workload]
        return LogCommand(words, {**os.environ})  # KUBECONFIG and what a cloud's login plugin reads

    def render(self, nodes: Nodes) -> Files:
        return render(nodes)

    def _apply(self, nodes: Nodes, cluster: Cluster) -> Cluster:
        """Make what the manifests say, in the network's own namespaces."""
        folder = directory(nodes.layout)
        files = render(nodes)
        names = organizations_of(nodes)
        cluster = clusters.make_namespaces(
            nodes.layout, cluster, {name: namespace_in(files[f"{name}.yaml"]) for name in names}
        )
        files = render(nodes, _former_ports(nodes, cluster))
        self.write(folder, files)
        paths = [str(folder / f"{name}{part}.yaml") for name in names for part in ("", "-secrets")]
        cluster.do("apply", *FIELDS, *(word for path in paths for word in ("--filename", path)))
        return cluster


@dataclass(frozen=True)
class Workload:
    """A StatefulSet or Deployment of the network that is in the cluster.

    `port`: of a chaincode server. `revision`: of the pods to come. `observed`: the cluster saw the newest manifest.
    """

    kind: str
    name: str
    namespace: str
    service: str
    port: int | None
    revision: str
    observed: bool


def directory(layout: Layout) -> Path:
    """Where the manifests lie."""
    return layout.directory / "kubernetes"


def forwarders(nodes: Nodes) -> list[Program]:
    """The programs that bring every node's ports to this machine, each under its node's name.

    `kubectl port-forward` ends with the pod that it leads to; each program then leads to the next pod.
    """
    programs = []
    cluster = clusters.settled(nodes.layout)
    for node in nodes.fabric_nodes:
        ports = [node.port, node.operations_port, *([node.admin_port] if isinstance(node, Orderer) else [])]
        service = service_host(node).split(".")[0]
        command = [COMMAND, "--context", cluster.context, "--namespace", node.organization]
        command += ["port-forward", f"service/{service}", *(f"{port}:{port}" for port in ports)]
        programs.append(
            Program(
                node.name,
                [*AGAIN, *command],
                {**os.environ},  # KUBECONFIG, proxies and all that a cloud's login plugin reads
                nodes.layout.configuration / node.name,
                (node.name,),
            )
        )
    return programs


def running(layout: Layout) -> set[str]:
    """The names of the nodes whose pods are ready."""
    cluster = clusters.pinned(layout)
    if cluster is None or shutil.which(COMMAND) is None:
        return set()
    return {pod.node for pod in pods.pods_of(cluster) if pod.ready and not pod.leaving}


def _place(entry: Container) -> str:
    return f"{entry.node.organization}/{workload(entry)}"


def _workloads(cluster: Cluster) -> list[Workload]:
    """The network's workloads in the cluster, those of former nodes and chaincode servers among them."""
    found = []
    for namespace in cluster.namespaces:
        words = ("--namespace", namespace, "get", "statefulset,deployment", "--selector", pods.NODE)
        for item in json.loads(cluster.do(*words, "--output", "json"))["items"]:
            labels = item["metadata"]["labels"]
            port = labels.get(SERVER_PORT)
            found.append(
                Workload(
                    item["kind"].lower(),
                    item["metadata"]["name"],
                    namespace,
                    labels["app.kubernetes.io/name"],
                    int(port) if port else None,
                    item["status"].get("updateRevision", ""),
                    item["status"].get("observedGeneration") == item["metadata"]["generation"],
                )
            )
    return found


def _former_ports(nodes: Nodes, cluster: Cluster) -> dict[tuple[str, str], set[int]]:
    """The ports of the chaincode servers in the cluster, by organisation and Service."""
    found: dict[tuple[str, str], set[int]] = {}
    for each in _workloads(cluster):
        if each.port is not None:
            found.setdefault((each.namespace, each.service), set()).add(each.port)
    return found


def _renew_pods(cluster: Cluster, everyone: Collection[Container]) -> None:
    """Make each peer's and orderer's pod anew whose manifest has changed: the cluster leaves that to us."""
    found = _workloads(cluster)
    deadline = time.monotonic() + PATIENCE_S
    while not all(each.observed for each in found) and time.monotonic() < deadline:
        time.sleep(pods.POLL_S)
        found = _workloads(cluster)
    wanted = {f"{each.namespace}/{each.name}": each.revision for each in found}
    names = {_place(entry): entry.name for entry in everyone}
    for pod in pods.pods_of(cluster):
        place = f"{pod.namespace}/{pod.workload}"
        if place in names and wanted.get(place) and pod.revision != wanted[place]:
            cluster.do("--namespace", pod.namespace, "delete", "pod", pod.name)
            pods.wait_serving(cluster, {place: names[place]})


def _scale(cluster: Cluster, entry: Container, replicas: int) -> None:
    target = f"{kind_of(entry)}/{workload(entry)}"
    cluster.ask("--namespace", entry.node.organization, "scale", target, f"--replicas={replicas}")


def _wait_gone(cluster: Cluster, entry: Container) -> None:
    selector = f"{pods.WORKLOAD}={workload(entry)}"
    cluster.do(
        *("--namespace", entry.node.organization, "wait", "--for=delete", "pod", "--selector", selector),
        f"--timeout={PATIENCE_S}s",
    )


def _inside(peer: Peer, *options: str) -> tuple[str, ...]:
    """The words of kubectl before a command that runs in the peer's container."""
    pod = f"{service_host(peer).split('.')[0]}-0"
    return ("--namespace", peer.organization, "exec", *options, pod, "--")


def _balancer(cluster: Cluster, node: Orderer | Peer) -> str:
    """The name or address that the cluster gave the node's load balancer."""
    service = f"{service_host(node).split('.')[0]}-outside"
    words = ("--namespace", node.organization, "get", "service", service, "--output", "json")
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        given = json.loads(cluster.do(*words))["status"]["loadBalancer"].get("ingress")
        if given:
            return str(given[0].get("hostname") or given[0]["ip"])
        time.sleep(pods.POLL_S)
    raise clusters.KubectlError(
        f"the cluster gave service {service} in namespace {node.organization} no address within {PATIENCE_S} s; "
        "does it have a load balancer? Otherwise take `outside` from `kubernetes` in the topology"
    )
