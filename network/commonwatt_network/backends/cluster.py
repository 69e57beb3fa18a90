"""The Kubernetes cluster a network runs in, and the namespaces that are its own there. Only these are ever touched.

The first `network-up` writes down kubectl's context and the UID of each namespace that it makes. A namespace of the
same name with another UID, or one made by others, is refused. A label, drawn from the organisation's authority, tells
the namespace of a start that was cut off before it wrote down the UID.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from commonwatt_network.errors import NetworkError, UsageError
from commonwatt_network.layout import Layout, write_atomically

COMMAND = "kubectl"
LABEL = "commonwatt-network"
NAMESPACES = "/api/v1/namespaces"
TIMEOUT_S = 200
INSTEAD = "or render the manifests with `commonwatt network render --backend kubernetes --output DIR`"


class KubectlNotFoundError(UsageError):
    """There is no `kubectl` here, or its cluster does not answer."""


class KubectlError(NetworkError):
    """`kubectl` failed; the message carries what it said."""


class ForeignNamespaceError(UsageError):
    """A namespace of this network's name belongs to somebody else; nothing in it was changed."""


@dataclass(frozen=True)
class Cluster:
    """A context of kubectl's, and the UID of each of the network's namespaces there; empty for one not made yet."""

    context: str
    namespaces: Mapping[str, str] = field(default_factory=dict)

    def ask(
        self, *arguments: str, timeout_s: float = TIMEOUT_S, stdin: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """Run `kubectl` in this context."""
        return _run("--context", self.context, *arguments, timeout_s=timeout_s, stdin=stdin)

    def do(self, *arguments: str, stdin: str = "") -> str:
        """Run `kubectl` in this context; what it wrote. Raises KubectlError when it failed."""
        answer = self.ask(*arguments, stdin=stdin)
        if answer.returncode != 0:
            raise KubectlError(f"kubectl {arguments[0]} failed in context {self.context}: {_said(answer)}")
        return answer.stdout


def mark(layout: Layout, organization: str) -> str:
    """The value of LABEL on the organisation's namespace: nobody else has this authority."""
    return hashlib.sha256(layout.tls_ca_certificate(organization).read_bytes()).hexdigest()[:32]


def pinned(layout: Layout) -> Cluster | None:
    """The cluster that the network was brought up in, None when it was in none. Raises UsageError when unreadable."""
    file = _file(layout)
    try:
        content = json.loads(file.read_bytes())
        return Cluster(str(content["context"]), {**content["namespaces"]})
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(
            f"{file} is damaged, so this network's namespaces are not known; put it back from a backup, or delete "
            "the file and the namespaces yourself"
        ) from error


def pin(layout: Layout, cluster: Cluster) -> None:
    """Write down where the network is."""
    content = {"context": cluster.context, "namespaces": dict(cluster.namespaces)}
    write_atomically(_file(layout), json.dumps(content, indent=2) + "\n")


def settled(layout: Layout) -> Cluster:
    """The network's cluster; for a network that is in none yet, that of kubectl's current context."""
    return pinned(layout) or Cluster(_current_context())


def find_cluster(layout: Layout, organizations: list[str]) -> Cluster:
    """The settled cluster, once it answers and no namespace of `organizations` there is another's.

    Raises KubectlNotFoundError, ForeignNamespaceError.
    """
    if shutil.which(COMMAND) is None:
        raise KubectlNotFoundError(f"kubectl is not on PATH; install it, {INSTEAD}")
    cluster = settled(layout)
    answer = cluster.ask("get", "--raw", "/readyz", timeout_s=15)
    if answer.returncode != 0:
        raise KubectlNotFoundError(
            f"kubectl reaches no cluster in context {cluster.context}: {_said(answer)}; give it one, {INSTEAD}"
        )
    found = {}
    for name in organizations:
        uid, ours = _look(layout, cluster, name)
        if uid and not ours:
            raise _foreign(layout, cluster, name)
        if not uid and cluster.namespaces.get(name):
            raise ForeignNamespaceError(
                f"namespace {name} of this network is gone from context {cluster.context}, and its ledgers with it; "
                "bring it back, or delete this network with `make network-reset`"
            )
        found[name] = uid
    return replace(cluster, namespaces=found)


def make_namespaces(layout: Layout, cluster: Cluster, manifests: Mapping[str, Mapping[str, Any]]) -> Cluster:
    """Make each namespace that is not there yet, and write down its UID. Never takes over one that is there."""
    pin(layout, cluster)
    for name, manifest in manifests.items():
        if not cluster.namespaces[name]:
            made = cluster.do("create", "--raw", NAMESPACES, "--filename", "-", stdin=json.dumps(manifest))
            uid = json.loads(made)["metadata"]["uid"]
            cluster = replace(cluster, namespaces={**cluster.namespaces, name: uid})
            pin(layout, cluster)
    return cluster


def own_namespaces(layout: Layout, cluster: Cluster) -> dict[str, str]:
    """Name and UID of each of the network's namespaces that is there. Raises ForeignNamespaceError."""
    found = {}
    for name, pinned_uid in cluster.namespaces.items():
        uid, ours = _look(layout, cluster, name)
        if uid and ours:
            found[name] = uid
        elif uid and pinned_uid:
            raise _foreign(layout, cluster, name)
    return found


def delete_namespace(cluster: Cluster, name: str, uid: str) -> None:
    """Delete the namespace of this UID, and wait until it is gone: the cluster refuses when it has another by now."""
    options = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"uid": uid}}
    cluster.do("delete", "--raw", f"{NAMESPACES}/{name}", "--filename", "-", stdin=json.dumps(options))
    cluster.do("wait", "--for=delete", f"namespace/{name}", f"--timeout={TIMEOUT_S - 20}s")


def _look(layout: Layout, cluster: Cluster, name: str) -> tuple[str, bool]:
    """The UID of the namespace of this name, empty when there is none, and whether it is this network's."""
    answer = cluster.ask("get", "namespace", name, "--ignore-not-found", "--output", "json")
    if answer.returncode != 0:
        raise KubectlError(
            f"kubectl cannot look up namespace {name} in context {cluster.context}: {_said(answer)}; bring that "
            f"cluster back, or, if it is gone for good, delete {_file(layout)}"
        )
    if not answer.stdout.strip():
        return "", False
    metadata = json.loads(answer.stdout)["metadata"]
    uid, label = str(metadata["uid"]), metadata.get("labels", {}).get(LABEL)
    if cluster.namespaces.get(name):
        return uid, uid == cluster.namespaces[name]
    return uid, layout.tls_ca_certificate(name).exists() and label == mark(layout, name)


def _foreign(layout: Layout, cluster: Cluster, name: str) -> ForeignNamespaceError:
    known = f", or take {name} out of {_file(layout)}" if cluster.namespaces.get(name) else ""
    return ForeignNamespaceError(
        f"namespace {name} in kubectl's context {cluster.context} was not made by this network, so it stays as it is; "
        f"give the organisation another name, use another cluster{known}"
    )


def _file(layout: Layout) -> Path:
    return layout.directory / "kubernetes" / "cluster.json"


def _current_context() -> str:
    answer = _run("config", "current-context", timeout_s=15)
    context = answer.stdout.strip()
    if answer.returncode != 0 or not context:
        raise KubectlNotFoundError(
            f"kubectl has no current context ({_said(answer)}); choose one with `kubectl config use-context`, {INSTEAD}"
        )
    return context


def _run(*arguments: str, timeout_s: float, stdin: str = "") -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            (COMMAND, *arguments), capture_output=True, text=True, timeout=timeout_s, input=stdin
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise KubectlError(f"kubectl {' '.join(arguments[:4])}: {error}") from error


def _said(answer: subprocess.CompletedProcess[str]) -> str:
    lines = answer.stderr.strip().splitlines()
    return lines[-1] if lines else "it said nothing"
