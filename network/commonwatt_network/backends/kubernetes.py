"""NETWORK=kubernetes: one namespace per organisation, driven by `kubectl` in its current context.

The Service `peer0` in the namespace `newtown` is dialled as `peer0.newtown` from every other namespace, which is the
peer's own name. This machine reaches the nodes through `kubectl port-forward`, at the ports that the topology settled.
"""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from commonwatt_network.backends.configuration import templates
from commonwatt_network.backends.containers import (
    CONFIGURATION,
    LEDGER,
    Container,
    File,
    Files,
    Phase,
    containers,
    service_host,
    write_files,
)
from commonwatt_network.errors import NetworkError, UsageError
from commonwatt_network.layout import Layout
from commonwatt_network.nodes import Nodes, Orderer, Peer
from commonwatt_network.processes import Program

COMMAND = "kubectl"
USER = 10001
START_TIMEOUT_S = 180


class KubectlNotFoundError(UsageError):
    """There is no `kubectl` here, or its cluster does not answer."""


class KubectlError(NetworkError):
    """`kubectl` failed; the message carries what it said."""


def render(nodes: Nodes) -> dict[str, File]:
    """Two files per organisation: what it runs, and the keys of that."""
    everyone = containers(nodes)
    network = nodes.topology.name
    rendered: dict[str, File] = {}
    for organization in _organizations(nodes):
        known = {
            "organization": organization,
            "network": network,
            "containers": [entry for entry in everyone if entry.node.organization == organization],
            "key": _key,
        }
        text = (
            templates()
            .get_template("kubernetes.yaml.j2")
            .render(
                **known,
                digest=_digest,
                user=USER,
                configuration_folder=CONFIGURATION,
                ledger_folder=LEDGER,
            )
        )
        secrets = (
            templates()
            .get_template("kubernetes-secrets.yaml.j2")
            .render(**known, base64=lambda content: base64.b64encode(content).decode())
        )
        rendered[f"{organization}.yaml"] = File(text.encode())
        rendered[f"{organization}-secrets.yaml"] = File(secrets.encode(), 0o600)
    return rendered


def directory(layout: Layout) -> Path:
    """Where the manifests lie."""
    return layout.directory / "kubernetes"


def write(directory: Path, files: Files) -> None:
    """Write what `render` gave."""
    write_files(directory, files)


def require(nodes: Nodes) -> None:
    """Raise KubectlNotFoundError where there is no cluster to run this network, with the reason and what to do."""
    instead = "or render the manifests with `commonwatt network render --backend kubernetes --output DIR`"
    if shutil.which(COMMAND) is None:
        raise KubectlNotFoundError(f"kubectl is not on PATH; install it, {instead}")
    answer = _run("get", "--raw", "/readyz", timeout_s=15)
    if answer.returncode != 0:
        raise KubectlNotFoundError(
            f"kubectl reaches no cluster: {_last_line(answer.stderr)}; give it a context, {instead}"
        )


@contextmanager
def started(nodes: Nodes, phase: Phase) -> Iterator[tuple[str, ...]]:
    """Apply the manifests and wait until all is ready; scale to nothing again if the body fails."""
    before = running(nodes.layout)
    folder = directory(nodes.layout)
    write(folder, render(nodes))
    everyone = containers(nodes)
    missing = tuple(entry.name for entry in everyone if entry.name not in before)
    try:
        with phase("containers"):
            _checked("apply", *_files(nodes, folder), "--wait")
            for entry in everyone:
                _checked(
                    *("--namespace", entry.node.organization),
                    *("rollout", "status", f"{_kind(entry)}/{entry.service}"),
                    f"--timeout={START_TIMEOUT_S}s",
                )
        yield missing
    except BaseException:
        _scale([entry for entry in everyone if entry.name in missing])
        raise


def forwarders(nodes: Nodes) -> list[Program]:
    """The programs that bring every node's ports to this machine, each under its node's name."""
    programs = []
    for node in nodes.fabric_nodes:
        ports = [node.port, node.operations_port, *([node.admin_port] if isinstance(node, Orderer) else [])]
        service = service_host(node).split(".")[0]
        command = [COMMAND, "--namespace", node.organization, "port-forward", f"service/{service}"]
        programs.append(
            Program(
                node.name,
                [*command, *(f"{port}:{port}" for port in ports)],
                {},
                nodes.layout.configuration / node.name,
                (node.name,),
            )
        )
    return programs


def running(layout: Layout) -> set[str]:
    """The names of the nodes whose pods are ready."""
    if not directory(layout).exists() or shutil.which(COMMAND) is None:
        return set()
    namespaces = _namespaces(layout)
    found = set()
    for namespace in namespaces:
        answer = _run("--namespace", namespace, "get", "pods", "--output", "json", timeout_s=30)
        for pod in json.loads(answer.stdout)["items"] if answer.returncode == 0 else []:
            conditions = {entry["type"]: entry["status"] for entry in pod["status"].get("conditions", [])}
            labels = pod["metadata"]["labels"]
            if conditions.get("Ready") == "True" and "app.kubernetes.io/component" in labels:
                service = labels["app.kubernetes.io/name"]
                orderer = labels["app.kubernetes.io/component"] == "orderer"
                found.add(service if orderer else f"{service}.{namespace}")
    return found


def stop(layout: Layout, *, delete: bool) -> tuple[str, ...]:
    """Scale everything to nothing: the ledgers stay. `delete`: delete the namespaces with all that is in them."""
    namespaces = _namespaces(layout)
    if not namespaces:
        return ()
    names = tuple(sorted(running(layout)))
    for namespace in namespaces:
        if delete:
            _checked("delete", "namespace", namespace, "--ignore-not-found", "--wait")
        else:
            _checked("--namespace", namespace, "scale", "statefulset,deployment", "--all", "--replicas=0")
    return names


def _namespaces(layout: Layout) -> list[str]:
    """The organisations that manifests were written for."""
    names = (path.stem for path in directory(layout).glob("*.yaml"))
    return sorted(name for name in names if not name.endswith("-secrets"))


def _files(nodes: Nodes, folder: Path) -> list[str]:
    names = [
        f"{organization}{part}.yaml" for organization in _organizations(nodes) for part in ("", "-secrets")
    ]
    return [argument for name in names for argument in ("--filename", str(folder / name))]


def _organizations(nodes: Nodes) -> list[str]:
    return [*nodes.topology.orderers.organizations, *nodes.topology.organizations]


def _scale(entries: list[Container]) -> None:
    for entry in entries:
        target = f"{_kind(entry)}/{entry.service}"
        _run("--namespace", entry.node.organization, "scale", target, "--replicas=0")


def _kind(entry: Container) -> str:
    return "statefulset" if isinstance(entry.node, Orderer | Peer) else "deployment"


def _key(path: str) -> str:
    """A key of a ConfigMap or Secret, which takes no slashes."""
    return path.replace("/", "_")


def _digest(container: Container) -> str:
    digest = hashlib.sha256()
    for path, file in sorted(container.files.items()):
        digest.update(path.encode() + b"\0" + file.content + b"\0")
    return digest.hexdigest()[:16]


def _checked(*arguments: str) -> None:
    answer = _run(*arguments)
    if answer.returncode != 0:
        raise KubectlError(f"kubectl {arguments[0]} failed: {answer.stderr.strip()}")


def _run(*arguments: str, timeout_s: float = START_TIMEOUT_S + 20) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            (COMMAND, *arguments), capture_output=True, text=True, timeout=timeout_s, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise KubectlError(f"kubectl {arguments[0]}: {error}") from error


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1] if lines else "it said nothing"
