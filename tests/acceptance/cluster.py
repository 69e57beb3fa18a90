# SPDX-License-Identifier: Apache-2.0
"""The Kubernetes cluster that tests of COMMONWATT_BACKEND=kubernetes run in, and what it says of a network's pods."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

SERVICE = "app.kubernetes.io/name"  # the label with the name of a node's Service
CONTEXT = "COMMONWATT_TEST_KUBE_CONTEXT"
"""The context of kubectl that is lent to the tests: they make namespaces there and delete them."""


def require_cluster(folder: Path) -> Path:
    """A kubectl configuration with the lent context alone; skip with the reason where no context is lent."""
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl is not on PATH")
    context = os.environ.get(CONTEXT)
    if not context:
        pytest.skip(f"{CONTEXT} names no context of a cluster where tests may make namespaces")
    words = ("config", "view", "--raw", "--minify", "--flatten", "--context", context)
    configuration = folder / "kubeconfig"
    configuration.write_text(kubectl(*words))
    configuration.chmod(0o600)
    answer = subprocess.run(
        ["kubectl", "--kubeconfig", configuration, "get", "--raw", "/readyz"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    if answer.returncode:
        pytest.skip(f"no cluster answers in context {context}: {answer.stderr.strip()}")
    return configuration


def kubectl(*words: str, check: bool = True, stdin: str | None = None) -> str:
    """What kubectl says in the current environment."""
    answer = subprocess.run(["kubectl", *words], capture_output=True, text=True, timeout=180, input=stdin)
    assert not check or answer.returncode == 0, (words, answer.stderr)
    return answer.stdout


def balances(namespace: str = "default") -> bool:
    """Whether the cluster gives a Service of type LoadBalancer an address within half a minute."""
    name = f"commonwatt-probe-{os.getpid()}"
    kubectl("--namespace", namespace, "create", "service", "loadbalancer", name, "--tcp=1:1")
    try:
        words = ("--namespace", namespace, "wait", f"service/{name}", "--timeout=30s")
        found = kubectl(*words, "--for=jsonpath={.status.loadBalancer.ingress}", check=False)
        return "condition met" in found
    finally:
        kubectl("--namespace", namespace, "delete", "service", name)


@dataclass(frozen=True)
class Pods:
    """The pods of one namespace."""

    namespace: str

    def all(self) -> list[dict[str, Any]]:
        found = json.loads(kubectl("--namespace", self.namespace, "get", "pods", "--output", "json"))
        return [dict(item) for item in found["items"]]

    def image(self, service: str) -> str:
        [pod] = [pod for pod in self.all() if pod["metadata"]["labels"].get(SERVICE) == service]
        return str(pod["spec"]["containers"][0]["image"])

    def uid(self, pod: str) -> str | None:
        """What tells the pod from the next one of its name; None while there is none."""
        found = [each["metadata"]["uid"] for each in self.all() if each["metadata"]["name"] == pod]
        return found[0] if found else None

    def pid(self, pod: str) -> int:
        """The process of the pod's container on this machine; skip with the reason where the pod runs elsewhere."""
        uid, found = self.uid(pod), []
        for cgroup in Path("/proc").glob("[0-9]*/cgroup"):
            with contextlib.suppress(OSError):
                if f"pod{uid}" in cgroup.read_text().replace("_", "-"):
                    found.append(int(cgroup.parent.name))
        own = [pid for pid in found if "pause" not in Path(f"/proc/{pid}/cmdline").read_text()]
        if not own:
            pytest.skip(f"the pod {pod} of namespace {self.namespace} runs on another machine")
        return min(own)

    def delete(self, pod: str) -> None:
        kubectl("--namespace", self.namespace, "delete", "pod", pod, "--wait=false")

    def exists(self) -> bool:
        return bool(kubectl("get", "namespace", self.namespace, "--ignore-not-found"))
