# SPDX-License-Identifier: Apache-2.0
"""What one organisation runs in containers: its own part of a consortium, with its own keys and nobody else's.

For its own machine (Compose), or its own cluster: manifests, or a Helm chart that takes the keys from Secrets.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from pathlib import Path

from commonwatt_network.backends import manifests
from commonwatt_network.backends.backend import File
from commonwatt_network.backends.compose import Compose, organization_files
from commonwatt_network.backends.configuration import templates
from commonwatt_network.backends.containers import (
    Container,
    chaincode_container,
    orderer_container,
    peer_container,
    refuse_foreign,
    write_files,
)
from commonwatt_network.consortium.expressions import Functions, as_helm, for_helm, refusal, settled
from commonwatt_network.consortium.host import (
    NETWORK,
    OwnHost,
    chaincode_program,
    keep_description,
    open_host,
    settle_host,
)
from commonwatt_network.consortium.organization import IN_CONTAINERS
from commonwatt_network.consortium.values import INGRESS, Values, settle_values
from commonwatt_network.errors import UsageError
from commonwatt_network.model.addresses import is_name
from commonwatt_network.model.state import exclusive
from commonwatt_network.programs import processes

CHART = "chart"
LEDGERS = "ledgers"  # of an earlier rendering, which has run since
COMPOSE, KUBERNETES = IN_CONTAINERS
HELM = "helm"
NAMESPACE = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
WAYS = (*IN_CONTAINERS, HELM)
# What the controllers of nginx, HAProxy and the HAProxy community call it; each passes over the others' words.
PASSTHROUGH = {
    f"{prefix}/ssl-passthrough": "true"
    for prefix in ("nginx.ingress.kubernetes.io", "haproxy.org", "haproxy-ingress.github.io")
}
EXTERNAL_DNS = "external-dns.alpha.kubernetes.io/hostname"  # a cluster without ExternalDNS passes over it


def render_host(
    directory: Path, way: str, output: Path, values_file: Path | None = None, namespace: str | None = None
) -> list[Path]:
    """Write what the organisation in `directory` runs, as `way` has it: compose, kubernetes or helm; the paths.

    `namespace`: of the manifests for Kubernetes, by default the organisation's name.

    From now on the organisation's nodes run there, and its own commands dial them where the others do. Raises
    UsageError, also for an `output` that holds anything else, and while its nodes run as programs of this machine.
    """
    if way not in WAYS:
        raise UsageError(f"--backend {way}: {', '.join(WAYS)} are rendered")
    if values_file and way != KUBERNETES:
        raise UsageError(
            f"--values is for --backend kubernetes; with {way}, "
            + ("give them to Helm" if way == HELM else "Compose takes none")
        )
    if namespace and way != KUBERNETES:
        raise UsageError(
            f"--namespace is for --backend kubernetes; with {way}, "
            + ("give it to Helm" if way == HELM else "Compose has none")
        )
    host = open_host(directory)
    running = processes.running(host.layout)
    if running:
        raise UsageError(
            f"{', '.join(sorted(running))} runs as a program of this machine; stop it with `commonwatt org stop`, or "
            "two nodes would have one key"
        )
    backend = COMPOSE if way == COMPOSE else KUBERNETES
    host = settle_host(host.description.model_copy(update={"backend": backend}), directory)
    with exclusive(host.layout):
        everyone = containers_of(host)
        if way == COMPOSE:
            files = _compose(host, everyone)
        else:
            values = settle_values(containers_of(host, waiting=True), values_file)
            files = (
                _kubernetes(host, everyone, values, namespace or host.name)
                if way == KUBERNETES
                else _chart(host, everyone, values)
            )
        refuse_foreign(output, [*files, LEDGERS])
        if way == COMPOSE:
            _refuse_former_logs(host, output)
        keep_description(host)
        if way == COMPOSE:
            Compose().write_machine(output, files)
        else:
            write_files(output, files)
    return [output / name for name in files]


def containers_of(host: OwnHost, *, waiting: bool = False) -> list[Container]:
    """The organisation's containers, with or without orderers that wait; reads its own keys alone."""
    description, layout, images = host.description, host.layout, host.description.images
    if description.chaincode.module is None:
        raise UsageError(
            f"chaincode {description.chaincode.name} is no Python module; in containers the image {images.chaincode} "
            "serves it, so run others with `commonwatt org start`"
        )
    authorities = {host.name: layout.tls_ca_certificate(host.name)}
    orderers = host.orderers if waiting else host.working.orderers
    return [
        *(orderer_container(orderer, images.orderer, authorities) for orderer in orderers),
        *(peer_container(peer, images.peer, host.peers[0].address, NETWORK) for peer in host.peers),
        *(
            chaincode_container(
                layout, server, chaincode_program(host, server), images.chaincode, description.chaincode
            )
            for server in host.chaincode_servers
        ),
    ]


def _refuse_former_logs(host: OwnHost, output: Path) -> None:
    """An orderer that waits for readmission begins without a log: its former one may lack what it acknowledged."""
    for orderer in host.waiting_orderers:
        log = output / LEDGERS / orderer.name
        if log.is_dir() and any(log.iterdir()):
            raise UsageError(
                f"{log} holds a former log of {orderer.name}, which comes back without one; delete that folder"
            )


def _compose(host: OwnHost, everyone: list[Container]) -> dict[str, File]:
    dialled = Counter(node.host for node in host.fabric_nodes)

    def aliases(container: Container) -> list[str]:
        """Its names among the containers: the one that the others dial too, where that is this node's alone."""
        node = container.node
        names = [container.host, container.service]
        own = container.kind != "chaincode" and dialled[node.host] == 1 and is_name(node.host)
        if own and container.ports["grpc"] == node.port:
            names.append(node.host)
        return names

    return organization_files(host.name, everyone, host.layout.directory, aliases)


def _kubernetes(host: OwnHost, everyone: list[Container], values: Values, namespace: str) -> dict[str, File]:
    if not NAMESPACE.fullmatch(namespace):
        raise UsageError(
            f"{namespace} is no name of a namespace: lower-case letters, digits, hyphens; 63 characters at most"
        )
    if values.outside.type == INGRESS:
        for entry in everyone:
            if mistake := _unknown_to_ingress(everyone, entry):
                raise UsageError(mistake)
    functions = settled(values.model_dump(by_alias=True))
    text = _manifests(host, everyone, namespace, functions, _name_in_tls, with_namespace=True)
    return {
        f"{host.name}.yaml": File(text.encode()),
        f"{host.name}-secrets.yaml": _secrets(host, everyone, values),
    }


def _chart(host: OwnHost, everyone: list[Container], values: Values) -> dict[str, File]:
    """A chart, and the Secrets that it refers to, which are no part of it."""

    def name_in_tls(entry: Container) -> str:
        mistake = _unknown_to_ingress(everyone, entry)
        return refusal(mistake) if mistake else _name_in_tls(entry)

    text = _manifests(
        host, everyone, "\x02.Release.Namespace\x03", for_helm(), name_in_tls, with_namespace=False
    )
    about = {
        "apiVersion": "v2",
        "name": f"commonwatt-{host.name}",
        "description": f"Peers, orderers and chaincode of {host.name} ({host.mspid})",
        "type": "application",
        "version": version("commonwatt-network"),
        "appVersion": host.description.images.peer.rpartition(":")[2],
    }
    schema = Values.model_json_schema(by_alias=True)
    return {
        f"{CHART}/Chart.yaml": File((json.dumps(about, indent=2) + "\n").encode()),
        f"{CHART}/values.yaml": File(values.to_yaml().encode()),
        f"{CHART}/values.schema.json": File((json.dumps(schema, indent=2) + "\n").encode()),
        f"{CHART}/templates/{host.name}.yaml": File(as_helm(text).encode()),
        f"{host.name}-secrets.yaml": _secrets(host, everyone, values),
    }


def _to_be_named(everyone: list[Container], entry: Container) -> dict[str, str]:
    """The annotation by which ExternalDNS leads the node's DNS name, if it has one of its own, to its load balancer."""
    host = entry.node.host
    own = [other for other in everyone if other.kind != "chaincode" and other.node.host == host] == [entry]
    return {EXTERNAL_DNS: host} if own and is_name(host) else {}


def _name_in_tls(entry: Container) -> str:
    return json.dumps(entry.node.host.lower())


def _unknown_to_ingress(everyone: list[Container], entry: Container) -> str | None:
    """Why an Ingress cannot tell the node apart from the others by the name in TLS, with what to do; None: it can."""
    host = entry.node.host
    if entry.kind == "chaincode":
        return None
    if not is_name(host):
        return (
            f"outside.type {INGRESS}: TLS names no addresses, so {entry.name} at {host} cannot be told apart; give it "
            "a DNS name as its `host` in organization.yaml, or take another outside.type"
        )
    same = [other.name for other in everyone if other.kind != "chaincode" and other.node.host == host]
    if len(same) > 1:
        return (
            f"outside.type {INGRESS}: {' and '.join(same)} share the name {host}, by which an Ingress tells nodes "
            "apart; give each a `host` of its own in organization.yaml, or take another outside.type"
        )
    return None


def _manifests(
    host: OwnHost,
    everyone: list[Container],
    namespace: str,
    functions: Functions,
    name_in_tls: Callable[[Container], str],
    *,
    with_namespace: bool,
) -> str:
    return (
        templates()
        .get_template("kubernetes-organization.yaml.j2")
        .render(
            organization=host.name,
            namespace=namespace,
            with_namespace=with_namespace,
            network=NETWORK,
            containers=everyone,
            name_in_tls=name_in_tls,
            passthrough=PASSTHROUGH,
            to_be_named=partial(_to_be_named, everyone),
            text=manifests.quoted_text,
            key=manifests.key_of,
            apart=False,
            load_balanced=False,
            workload=lambda container: container.service,
            served=lambda container: container.ports.items(),
            **functions,
            **manifests.SETTLED,
        )
    )


def _secrets(host: OwnHost, everyone: list[Container], values: Values) -> File:
    """Kubernetes' Secrets of the keys, for the cluster that the organisation itself chooses: no namespace is named."""
    documents = [
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {
                "name": values.secrets[entry.service],
                "labels": {"app.kubernetes.io/name": entry.service, "app.kubernetes.io/part-of": NETWORK},
            },
            "type": "Opaque",
            "data": {
                manifests.key_of(path): manifests.in_base64(file.content)
                for path, file in entry.files.items()
                if file.mode == 0o600
            },
        }
        for entry in everyone
    ]
    title = f"# Private keys of {host.name}: for its own cluster, and nobody else.\n"
    return File(
        (title + "".join(f"---\n{json.dumps(each, indent=2)}\n" for each in documents)).encode(), 0o600
    )
