# SPDX-License-Identifier: Apache-2.0
"""The backend kubernetes: one namespace per organisation, driven by `kubectl` in the context of its first start.

The Service `peer0` in the namespace `newtown` is dialled as `peer0.newtown` from every other namespace, which is the
peer's own name. This machine reaches the nodes through `kubectl port-forward`, at the ports that the topology settled.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from commonwatt_network.backends import cluster as clusters
from commonwatt_network.backends.backend import (
    Condition,
    File,
    Files,
    LogCommand,
    Phase,
    refuse_couchdb,
    refuse_determinism_guard,
    refuse_programs_outside_images,
)
from commonwatt_network.backends.cluster import COMMAND, Cluster
from commonwatt_network.backends.configuration import templates
from commonwatt_network.backends.containers import (
    CONFIGURATION,
    LEDGER,
    Container,
    InContainers,
    containers,
    host_of,
    service_host,
    write_files,
)
from commonwatt_network.errors import UsageError
from commonwatt_network.model.layout import Layout
from commonwatt_network.model.nodes import AuthorityServer, Node, Nodes, Orderer, Peer
from commonwatt_network.programs import readiness
from commonwatt_network.programs.processes import Program

USER = 10001
START_TIMEOUT_S = 180


class Kubernetes(InContainers):
    """One namespace per organisation, driven by `kubectl`."""

    name = "kubernetes"

    def require(self, nodes: Nodes) -> None:
        """Raise KubectlNotFoundError or ForeignNamespaceError where no cluster runs this network, with what to do."""
        refuse_determinism_guard(nodes.topology)
        refuse_couchdb(nodes.topology)
        refuse_programs_outside_images(nodes.topology)
        _refuse_machines(nodes)
        dotted = [name for name in _organizations(nodes) if "." in name]
        if dotted:
            raise UsageError(
                f"a namespace of Kubernetes takes no dots, and each organisation has one: give {', '.join(dotted)} "
                "another name"
            )
        clusters.find_cluster(nodes.layout, _organizations(nodes))

    @contextmanager
    def started(self, nodes: Nodes, phase: Phase, *, change: bool = False) -> Iterator[tuple[str, ...]]:
        """Apply the manifests and wait until all is ready; scale to nothing again if the body fails."""
        cluster = clusters.find_cluster(nodes.layout, _organizations(nodes))
        before = running(nodes.layout)
        folder = directory(nodes.layout)
        files = render(nodes)
        self.write(folder, files)
        everyone = containers(nodes)
        missing = tuple(entry.name for entry in everyone if entry.name not in before)
        try:
            with phase("containers"):
                manifests = {name: _namespace(files[f"{name}.yaml"]) for name in _organizations(nodes)}
                cluster = clusters.make_namespaces(nodes.layout, cluster, manifests)
                cluster.do("apply", *_files(nodes, folder), "--wait")
                for entry in everyone:
                    cluster.do(
                        *("--namespace", entry.node.organization),
                        *("rollout", "status", f"{_kind(entry)}/{entry.service}"),
                        f"--timeout={START_TIMEOUT_S}s",
                    )
            yield missing
        except BaseException:
            _scale(cluster, [entry for entry in everyone if entry.name in missing])
            raise

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

    def monitored_host(self, node: Orderer | Peer) -> str:
        return service_host(node)

    def running(self, nodes: Nodes, alive: Collection[str]) -> set[str]:
        return running(nodes.layout)

    def conditions(self, nodes: Nodes) -> Mapping[str, Condition]:
        return {name: Condition("running") for name in running(nodes.layout)}

    def holding_ports(self, nodes: Nodes, alive: Collection[str]) -> set[str]:
        forwarded = (*nodes.fabric_nodes, *nodes.authorities)  # each by a program of its name
        return {node.name for node in forwarded if node.name in alive}

    def log_command(
        self, nodes: Nodes, node: Node | AuthorityServer, lines: int, *, follow: bool
    ) -> LogCommand | None:
        if isinstance(node, AuthorityServer):
            return None
        kind = "statefulset" if isinstance(node, Orderer | Peer) else "deployment"
        workload = f"{kind}/{service_host(node).split('.')[0]}"
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


def render(nodes: Nodes) -> dict[str, File]:
    """Two files per organisation: what it runs, and the keys of that."""
    _refuse_machines(nodes)
    everyone = containers(nodes)
    network = nodes.topology.name
    rendered: dict[str, File] = {}
    for organization in _organizations(nodes):
        known = {
            "organization": organization,
            "namespace": organization,
            "network": network,
            "label": clusters.LABEL,
            "mark": clusters.mark(nodes.layout, organization),
            "containers": [entry for entry in everyone if entry.node.organization == organization],
            "key": key_of,
        }
        text = (
            templates()
            .get_template("kubernetes.yaml.j2")
            .render(
                **known,
                value=None,
                text=quoted_text,
                **SETTLED,
            )
        )
        secrets = templates().get_template("kubernetes-secrets.yaml.j2").render(**known, base64=in_base64)
        rendered[f"{organization}.yaml"] = File(text.encode())
        rendered[f"{organization}-secrets.yaml"] = File(secrets.encode(), 0o600)
    return rendered


def directory(layout: Layout) -> Path:
    """Where the manifests lie."""
    return layout.directory / "kubernetes"


def forwarders(nodes: Nodes) -> list[Program]:
    """The programs that bring every node's ports to this machine, each under its node's name."""
    programs = []
    cluster = clusters.settled(nodes.layout)
    for node in nodes.fabric_nodes:
        ports = [node.port, node.operations_port, *([node.admin_port] if isinstance(node, Orderer) else [])]
        service = service_host(node).split(".")[0]
        command = [COMMAND, "--context", cluster.context, "--namespace", node.organization]
        command += ["port-forward", f"service/{service}"]
        programs.append(
            Program(
                node.name,
                [*command, *(f"{port}:{port}" for port in ports)],
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
    found = set()
    for namespace in cluster.namespaces:
        answer = cluster.ask("--namespace", namespace, "get", "pods", "--output", "json", timeout_s=30)
        for pod in json.loads(answer.stdout)["items"] if answer.returncode == 0 else []:
            conditions = {entry["type"]: entry["status"] for entry in pod["status"].get("conditions", [])}
            labels = pod["metadata"]["labels"]
            if conditions.get("Ready") == "True" and "app.kubernetes.io/component" in labels:
                service = labels["app.kubernetes.io/name"]
                orderer = labels["app.kubernetes.io/component"] == "orderer"
                found.add(service if orderer else f"{service}.{namespace}")
    return found


def _namespace(manifests: File) -> dict[str, Any]:
    """The Namespace among an organisation's rendered manifests."""
    documents = yaml.safe_load_all(manifests.content)
    return next(manifest for manifest in documents if manifest["kind"] == "Namespace")


def _files(nodes: Nodes, folder: Path) -> list[str]:
    names = [
        f"{organization}{part}.yaml" for organization in _organizations(nodes) for part in ("", "-secrets")
    ]
    return [argument for name in names for argument in ("--filename", str(folder / name))]


def _organizations(nodes: Nodes) -> list[str]:
    return [*nodes.topology.orderers.organizations, *nodes.topology.organizations]


def _scale(cluster: Cluster, entries: list[Container]) -> None:
    for entry in entries:
        target = f"{_kind(entry)}/{entry.service}"
        cluster.ask("--namespace", entry.node.organization, "scale", target, "--replicas=0")


def _refuse_machines(nodes: Nodes) -> None:
    placed = [name for name in _organizations(nodes) if host_of(nodes.topology, name)]
    if placed:
        raise UsageError(
            f"a cluster chooses the machines of its pods: take `host` from {', '.join(placed)} in the topology, or "
            "use the backend compose"
        )


def _kind(entry: Container) -> str:
    return "statefulset" if isinstance(entry.node, Orderer | Peer) else "deployment"


def key_of(path: str) -> str:
    """A key of a ConfigMap or Secret, which takes no slashes."""
    return path.replace("/", "_")


def in_base64(content: bytes) -> str:
    return base64.b64encode(content).decode()


def quoted_text(file: File) -> str:
    """The file's text as a YAML string of one line."""
    return json.dumps(file.content.decode(), ensure_ascii=False)


def _digest(container: Container) -> str:
    digest = hashlib.sha256()
    for path, file in sorted(container.files.items()):
        digest.update(path.encode() + b"\0" + file.content + b"\0")
    return digest.hexdigest()[:16]


SETTLED = {
    "digest": _digest,
    "user": USER,
    "configuration_folder": CONFIGURATION,
    "ledger_folder": LEDGER,
}
