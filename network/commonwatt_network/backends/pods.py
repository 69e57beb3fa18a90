# SPDX-License-Identifier: Apache-2.0
"""A network's pods: what the cluster says of them, whether they serve, and why one does not."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from commonwatt_network.backends.backend import Condition
from commonwatt_network.backends.cluster import FIELDS, Cluster, KubectlError
from commonwatt_network.backends.manifests import USER
from commonwatt_network.programs.processes import readable_end
from commonwatt_network.programs.readiness import REPEAT, NotReadyError

NODE = "commonwatt-node"  # the label with the name of the node that a pod runs
WORKLOAD = "commonwatt-workload"  # and of its StatefulSet or Deployment
REVISION = "controller-revision-hash"
POLL_S = 0.5
SERVING_TIMEOUT_S = 180.0
CRASHES = 2  # so often may a container start again while it is waited for
IMAGE_PATIENCE_S = 20.0  # the cluster tries again when a registry fails once
NO_IMAGE = {"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"}
NO_CONTAINER = {"CreateContainerConfigError", "CreateContainerError", "RunContainerError"}


@dataclass(frozen=True)
class Pod:
    """A pod as the cluster describes it.

    `exit_code`, `out_of_memory`: how its container ended last, if it ever did. `reason`, `message`: why the container
    waits, or why no machine takes the pod.
    """

    name: str
    namespace: str
    node: str
    workload: str
    revision: str
    ready: bool
    running: bool
    leaving: bool
    restarts: int
    exit_code: int | None
    out_of_memory: bool
    reason: str
    message: str

    def words(self) -> str:
        """What it does, or how it ended."""
        if self.out_of_memory:
            return "was ended by the kernel: it needs more memory than its limit"
        if self.reason and not (self.reason == "CrashLoopBackOff" and self.exit_code is not None):
            return f"does not start: {self.reason}" + (f", {self.message}" if self.message else "")
        if self.exit_code is not None and (self.restarts or not self.running):
            again = f"; the cluster has started it again {self.restarts} times" if self.restarts else ""
            return f"ended with code {self.exit_code}{again}"
        return "runs but does not answer its health check"


def pods_of(cluster: Cluster) -> list[Pod]:
    """The pods of nodes in those of the network's namespaces that answer."""
    found = []
    for namespace in cluster.namespaces:
        answer = cluster.ask(
            *("--namespace", namespace, "get", "pods", "--selector", NODE, "--output", "json"), timeout_s=30
        )
        items = json.loads(answer.stdout)["items"] if answer.returncode == 0 else []
        found += [_pod(item) for item in items]
    return found


def conditions(cluster: Cluster) -> dict[str, Condition]:
    """Node -> how its pod does. A pod that leaves counts for nothing."""
    return {
        pod.node: Condition(*_state(cluster, pod))
        for pod in sorted(pods_of(cluster), key=lambda pod: pod.ready)
        if not pod.leaving
    }


def wait_serving(cluster: Cluster, wanted: Mapping[str, str], timeout_s: float = SERVING_TIMEOUT_S) -> None:
    """Wait until each workload has a pod that is ready. `wanted`: "namespace/workload" -> its node.

    Raises NotReadyError with the pod's own cause, and its last lines.
    """
    waiting = dict(wanted)
    first: dict[str, int] = {}
    began = time.monotonic()
    while waiting:
        found = {f"{pod.namespace}/{pod.workload}": pod for pod in pods_of(cluster) if not pod.leaving}
        waited_s = time.monotonic() - began
        for place, node in [*waiting.items()]:
            pod = found.get(place)
            if pod and pod.ready:
                del waiting[place]
            elif waited_s > timeout_s or (pod and _hopeless(pod, first, waited_s)):
                raise NotReadyError(_failure(cluster, node, pod))
        if waiting:
            time.sleep(POLL_S)


def fetch_image(cluster: Cluster, namespace: str, image: str) -> None:
    """Let the cluster make a container of the image, which fetches it. Raises KubectlError where that does not come.

    Only the machine that this pod is placed on fetches it.
    """
    name = f"commonwatt-image-{hashlib.sha256(image.encode()).hexdigest()[:8]}"
    container: dict[str, Any] = {
        "name": "image",
        "image": image,
        "command": ["true"],
        "resources": {"limits": {"cpu": "100m", "memory": "64Mi"}},
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    manifest = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "labels": {NODE: name, WORKLOAD: name}},
        "spec": {
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": USER,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [container],
        },
    }
    cluster.do("apply", *FIELDS, "--filename", "-", stdin=json.dumps(manifest))
    words = ("--namespace", namespace)
    began = time.monotonic()
    try:
        while True:
            item = json.loads(cluster.do(*words, "get", "pod", name, "--output", "json"))
            pod = _pod(item)
            if pod.exit_code is not None or pod.running:
                return
            waited_s = time.monotonic() - began
            if (pod.reason in NO_IMAGE and waited_s > IMAGE_PATIENCE_S) or waited_s > SERVING_TIMEOUT_S:
                raise KubectlError(
                    f"the cluster of context {cluster.context} cannot have the image {image} "
                    f"({pod.message or pod.reason or 'it does not start'}); push it to a registry that the cluster "
                    "reads, or name another under `images` of the topology"
                )
            time.sleep(POLL_S)
    finally:
        cluster.ask(*words, "delete", "pod", name, "--wait=false", "--ignore-not-found")


def _hopeless(pod: Pod, first: dict[str, int], waited_s: float) -> bool:
    """Whether waiting longer helps nothing. `first`: pod -> its restarts when it was first seen."""
    crashes = pod.restarts - first.setdefault(pod.name, pod.restarts)
    stuck = pod.reason in NO_IMAGE | NO_CONTAINER and waited_s > IMAGE_PATIENCE_S
    return (pod.out_of_memory and not pod.running) or crashes >= CRASHES or stuck


def _failure(cluster: Cluster, node: str, pod: Pod | None) -> str:
    """Why a node does not serve: how its pod does and what it said last."""
    if pod is None:
        return f"the cluster makes no pod for {node}: ask `kubectl get events --all-namespaces`\n{REPEAT}"
    said = ""
    for options in ((), ("--previous",)):
        answer = cluster.ask(
            "--namespace", pod.namespace, "logs", pod.name, "--tail=60", *options, timeout_s=30
        )
        said = said or (readable_end(answer.stdout) if answer.returncode == 0 else "")
    lines = f"; its last lines:\n{said}" if said else "; it said nothing"
    return f"{node} {pod.words()}{lines}\n{REPEAT}"


def _pod(item: Mapping[str, Any]) -> Pod:
    metadata, status = item["metadata"], item["status"]
    labels = metadata["labels"]
    standing = {entry["type"]: entry for entry in status.get("conditions", [])}
    container: dict[str, Any] = next(iter(status.get("containerStatuses", [])), {})
    waiting = container.get("state", {}).get("waiting", {})
    ended = container.get("state", {}).get("terminated") or container.get("lastState", {}).get("terminated")
    running = "running" in container.get("state", {})
    unplaced = standing.get("PodScheduled", {}) if not container else {}
    starting = waiting.get("reason") in (None, "ContainerCreating", "PodInitializing")
    return Pod(
        name=metadata["name"],
        namespace=metadata["namespace"],
        node=labels[NODE],
        workload=labels[WORKLOAD],
        revision=labels.get(REVISION, ""),
        ready=standing.get("Ready", {}).get("status") == "True",
        leaving="deletionTimestamp" in metadata,
        restarts=container.get("restartCount", 0),
        running=running,
        exit_code=ended["exitCode"] if ended else None,
        out_of_memory=bool(ended) and ended.get("reason") == "OOMKilled",
        reason=unplaced.get("reason", "") if starting else waiting["reason"],
        message=unplaced.get("message", "") if starting else waiting.get("message", ""),
    )


def _state(cluster: Cluster, pod: Pod) -> tuple[str, str | None]:
    """A node's state, and what helps where it does not serve."""
    if pod.ready:
        return "running", None
    logs = f"`commonwatt network logs {pod.node}` says why"
    if not pod.running and (pod.exit_code is not None or pod.reason == "CrashLoopBackOff"):
        return "restarting", f"it {pod.words()}; {logs}"
    describe = f"kubectl --context {cluster.context} --namespace {pod.namespace} describe pod {pod.name}"
    return "unhealthy", f"it {pod.words()}; `{describe}` says more"
