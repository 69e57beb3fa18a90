# SPDX-License-Identifier: Apache-2.0
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
from commonwatt_network.model.layout import Layout, write_atomically

COMMAND = "kubectl"
LABEL = "commonwatt-network"
NAMESPACES = "/api/v1/namespaces"
TIMEOUT_S = 200
FIELDS = ("--server-side", "--force-conflicts", "--field-manager", "commonwatt")
"""How manifests are applied: a configuration may be larger than what kubectl would keep of it in an annotation."""
INSTEAD = "or render the manifests with `commonwatt network render --backend kubernetes --out DIR`"


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

    def fetch_bytes(self, *arguments: str) -> bytes:
        """Run `kubectl` in this context; the bytes that it wrote. Raises KubectlError when it failed."""
        return self._pipe(b"", arguments)

    def send_bytes(self, content: bytes, *arguments: str) -> None:
        """Run `kubectl` in this context with `content` as its input. Raises KubectlError when it failed."""
        self._pipe(content, arguments)

    def _pipe(self, content: bytes, arguments: tuple[str, ...]) -> bytes:
        command = (COMMAND, "--context", self.context, *arguments)
        try:
            answer = subprocess.run(command, capture_output=True, timeout=TIMEOUT_S, input=content)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise KubectlError(f"kubectl {arguments[0]}: {error}") from error
        if answer.returncode != 0:
            said = last_line(answer.stderr.decode(errors="replace"))
            raise KubectlError(f"kubectl failed in context {self.context}: {said}")
        return answer.stdout


@dataclass(frozen=True)
class Namespace:
    """A namespace that is there, and whether it is the network's own."""

    uid: str
    ours: bool


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
    found = _look(layout, cluster, organizations)
    for name in organizations:
        namespace = found.get(name)
        if namespace and not namespace.ours:
            raise _foreign(layout, cluster, name)
        if not namespace and cluster.namespaces.get(name):
            raise ForeignNamespaceError(
                f"namespace {name} of this network is gone from context {cluster.context}, and its ledgers with it; "
                "bring it back, or delete this network with `make network-reset`"
            )
    uids = {name: found[name].uid if name in found else "" for name in organizations}
    return replace(cluster, namespaces={**cluster.namespaces, **uids})


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
    found = _look(layout, cluster, [*cluster.namespaces])
    for name, namespace in found.items():
        if not namespace.ours and cluster.namespaces[name]:
            raise _foreign(layout, cluster, name)
    return {name: namespace.uid for name, namespace in found.items() if namespace.ours}


def delete_namespace(cluster: Cluster, name: str, uid: str) -> None:
    """Delete the namespace of this UID, and wait until it is gone: the cluster refuses when it has another by now."""
    options = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"uid": uid}}
    cluster.do("delete", "--raw", f"{NAMESPACES}/{name}", "--filename", "-", stdin=json.dumps(options))
    cluster.do("wait", "--for=delete", f"namespace/{name}", f"--timeout={TIMEOUT_S - 20}s")


def _look(layout: Layout, cluster: Cluster, names: list[str]) -> dict[str, Namespace]:
    """Those of the namespaces that are there."""
    answer = cluster.ask("get", "namespace", *names, "--ignore-not-found", "--output", "json")
    if answer.returncode != 0:
        raise KubectlError(
            f"kubectl cannot look up namespaces in context {cluster.context}: {_said(answer)}; bring that "
            f"cluster back, or, if it is gone for good, delete {_file(layout)}"
        )
    content = json.loads(answer.stdout or '{"items": []}')
    found = {}
    for item in content.get("items", [content]):
        metadata = item["metadata"]
        name, uid = str(metadata["name"]), str(metadata["uid"])
        ours = uid == cluster.namespaces.get(name)
        if not cluster.namespaces.get(name) and layout.tls_ca_certificate(name).exists():
            ours = metadata.get("labels", {}).get(LABEL) == mark(layout, name)
        found[name] = Namespace(uid, ours)
    return found


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
    return last_line(answer.stderr)


def last_line(text: str) -> str:
    """The end of what a command said."""
    lines = text.strip().splitlines()
    return lines[-1] if lines else "it said nothing"
