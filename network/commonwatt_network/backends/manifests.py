# SPDX-License-Identifier: Apache-2.0
"""A network's Kubernetes manifests: two files per organisation, what it runs and the keys of that."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Collection, Mapping
from typing import Any

import yaml

from commonwatt_network.backends import cluster as clusters
from commonwatt_network.backends.backend import File
from commonwatt_network.backends.configuration import templates
from commonwatt_network.backends.containers import (
    CONFIGURATION,
    LEDGER,
    Container,
    asking_health,
    chaincode_probe,
    containers,
    host_of,
)
from commonwatt_network.errors import UsageError
from commonwatt_network.model.nodes import Nodes, Orderer, Peer

USER = 10001
SERVER_PORT = "commonwatt-port"
"""The label with the port of a chaincode server: those of two versions run under one Service."""

FormerPorts = Mapping[tuple[str, str], Collection[int]]
"""Organisation and Service -> the ports of chaincode servers that run there and are not among the network's nodes."""


def render(nodes: Nodes, former: FormerPorts | None = None) -> dict[str, File]:
    """The manifests of each organisation, `newtown.yaml`, and its keys, `newtown-secrets.yaml`.

    Services go on leading to the chaincode servers at the `former` ports. Raises UsageError where a topology names
    machines.
    """
    refuse_machines(nodes)
    everyone = containers(nodes)
    network = nodes.topology.name
    rendered: dict[str, File] = {}
    for organization in organizations_of(nodes):
        known = {
            "organization": organization,
            "namespace": organization,
            "network": network,
            "label": clusters.LABEL,
            "mark": clusters.mark(nodes.layout, organization),
            "containers": [entry for entry in everyone if entry.node.organization == organization],
            "key": key_of,
            "workload": workload,
        }
        text = (
            templates()
            .get_template("kubernetes.yaml.j2")
            .render(
                **known,
                value=None,
                text=quoted_text,
                apart=True,
                served=lambda container: _served(container, former or {}),
                load_balanced=nodes.topology.kubernetes.load_balanced,
                **SETTLED,
            )
        )
        secrets = templates().get_template("kubernetes-secrets.yaml.j2").render(**known, base64=in_base64)
        rendered[f"{organization}.yaml"] = File(text.encode())
        rendered[f"{organization}-secrets.yaml"] = File(secrets.encode(), 0o600)
    return rendered


def workload(container: Container) -> str:
    """The name of the StatefulSet or Deployment, and of its ConfigMap and Secret."""
    return (
        f"{container.service}-{container.node.port}" if container.kind == "chaincode" else container.service
    )


def kind_of(container: Container) -> str:
    """What kubectl calls the container's workload."""
    return "statefulset" if isinstance(container.node, Orderer | Peer) else "deployment"


def namespace_in(manifests: File) -> dict[str, Any]:
    """The Namespace among an organisation's rendered manifests."""
    documents = yaml.safe_load_all(manifests.content)
    return next(manifest for manifest in documents if manifest["kind"] == "Namespace")


def organizations_of(nodes: Nodes) -> list[str]:
    """Those that run a node, each in a namespace of its name."""
    return [*nodes.topology.orderers.organizations, *nodes.topology.organizations]


def refuse_machines(nodes: Nodes) -> None:
    """Raise UsageError where the topology places organisations on machines."""
    placed = [name for name in organizations_of(nodes) if host_of(nodes.topology, name)]
    if placed:
        raise UsageError(
            f"a cluster chooses the machines of its pods: take `host` from {', '.join(placed)} in the topology, or "
            "use the backend compose"
        )


def key_of(path: str) -> str:
    """A key of a ConfigMap or Secret, which takes no slashes."""
    return path.replace("/", "_")


def in_base64(content: bytes) -> str:
    return base64.b64encode(content).decode()


def quoted_text(file: File) -> str:
    """The file's text as a YAML string of one line."""
    return json.dumps(file.content.decode(), ensure_ascii=False)


def _served(container: Container, former: FormerPorts) -> list[tuple[str, int]]:
    """Name and number of each port of the container's Service."""
    if container.kind != "chaincode":
        return [*container.ports.items()]
    own = container.ports["grpc"]
    others = former.get((container.node.organization, container.service), ())
    return [("grpc", port) for port in sorted({own, *others})]


def _digest(container: Container) -> str:
    digest = hashlib.sha256()
    for path, file in sorted(container.files.items()):
        digest.update(path.encode() + b"\0" + file.content + b"\0")
    return digest.hexdigest()[:16]


def _ready(container: Container) -> str:
    """The command by which a peer or orderer is found ready: one that is about to leave is not."""
    assert container.operations_port is not None
    return json.dumps(
        ["bash", "-c", f"cd /tmp && [[ ! -e {LEAVING} ]] && {asking_health(container.operations_port)}"]
    )


# A Service with one pod leads there until the pod is not ready, also while it ends. A dial to a pod that is gone waits
# for gRPC's 20 s, and one to a Service without a pod fails at once. So the pod is out of its Service before it ends.
LEAVING = "leaving"  # in a folder that begins empty with each pod
LEAVE_S = 9  # two looks at whether it is ready, and the time for the cluster to heed that
SETTLED = {
    "ready": _ready,
    "leave": json.dumps(["bash", "-c", f"cd /tmp && touch {LEAVING}; sleep {LEAVE_S}"]),
    "digest": _digest,
    "user": USER,
    "configuration_folder": CONFIGURATION,
    "ledger_folder": LEDGER,
    "handshake": lambda container: json.dumps(chaincode_probe(container.node.port)),
}
