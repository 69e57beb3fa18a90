# SPDX-License-Identifier: Apache-2.0
"""What is asked of `docker compose` and `kubectl`, by stand-ins that write down their arguments.

No container engine runs these tests: they hold the commands, their order and the errors, not what an engine does.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from commonwatt_network.backends import cluster, compose, kubernetes, pods
from commonwatt_network.backends.compose import Compose
from commonwatt_network.backends.containers import containers
from commonwatt_network.backends.kubernetes import Kubernetes
from commonwatt_network.backends.manifests import workload
from commonwatt_network.backends.registry import nodes_of
from commonwatt_network.down import down, reset
from commonwatt_network.errors import NetworkError, UsageError
from commonwatt_network.logs import find_logs, merged
from commonwatt_network.model.layout import Layout
from commonwatt_network.model.nodes import Nodes
from commonwatt_network.model.state import State, write_state
from commonwatt_network.model.topology import default_topology
from commonwatt_network.programs import processes
from commonwatt_network.trust.identity import ensure_identities

from tests.support.organisations import wait_until

NAMES = ("orderer0", "peer0.newtown", "peer0.grid", "market.newtown", "market.grid")


@contextmanager
def quiet(_: str) -> Iterator[None]:
    yield


class StandIn:
    """A program on PATH that writes down how it was called, and answers as told."""

    def __init__(self, folder: Path, name: str) -> None:
        self.program, self.calls = folder / name, folder / f"{name}.calls"
        self.answers("exit 0")

    def answers(self, script: str) -> None:
        self.program.write_text(f'#!/bin/sh\necho "$@" >>{self.calls}\n{script}\n')
        self.program.chmod(0o755)

    def asked(self) -> list[str]:
        return self.calls.read_text().splitlines() if self.calls.exists() else []


def container(service: str, state: str = "running", **more: Any) -> dict[str, Any]:
    """A container as `docker inspect` describes it, of what is read. `more`: of its State, and RestartCount."""
    restarts = more.pop("RestartCount", 0)
    return {
        "Id": service.encode().hex().ljust(64, "0"),
        "State": {"Status": state, "ExitCode": 0, "OOMKilled": False} | more,
        "RestartCount": restarts,
        "HostConfig": {"Memory": 512 * 2**20},
        "Config": {"Labels": {"com.docker.compose.service": service}},
    }


def answering(*containers: dict[str, Any], more: str = "") -> str:
    """A script of `docker` that has these containers; `more`: further cases of its arguments."""
    return f"""case "$*" in
{more}
*" ps --all --quiet") echo one ;;
"inspect "*) cat <<'END'
{json.dumps(containers)}
END
;; esac"""


def pod(
    node: str, namespace: str, name: str, state: dict[str, Any] | None = None, **more: Any
) -> dict[str, Any]:
    """A pod as kubectl describes it, ready unless its container has another `state`. `more`: of that container."""
    ready = {"type": "Ready", "status": "False" if state else "True"}
    container = {"state": state or {"running": {}}, "restartCount": 0} | more
    labels = {"commonwatt-node": node, "commonwatt-workload": name}
    return {
        "metadata": {"name": f"{name}-0", "namespace": namespace, "labels": labels},
        "status": {"conditions": [ready], "containerStatuses": [container]},
    }


class Clusters:
    """`kubectl` and the clusters behind its contexts: namespaces come, go and keep their UIDs as on the real ones."""

    QUICK = """#!/bin/sh
echo "$@" >>{folder}/kubectl.calls
case "$*" in
*" scale "* | *" wait "*) exit 0 ;;
*" get pods "*) if [ -e {folder}/applied ]; then cat {folder}/pods.$4; else echo '{{"items": []}}'; fi; exit 0 ;;
*" apply "*) touch {folder}/applied ;;
*" get statefulset,deployment "*) echo '{{"items": []}}' && exit 0 ;;
"config current-context") cat {folder}/current && exit 0 ;;
esac
exec {python} -IS {folder}/kubectl.py "$@"
"""
    PROGRAM = """
import json, sys
arguments = sys.argv[1:]
folder = sys.argv[0].rpartition("/")[0]
with open(folder + "/clusters.json") as file:
    state = json.load(file)
def end(text="", error="", code=0):
    with open(folder + "/clusters.json", "w") as file:
        json.dump(state, file)
    print(text, end="")
    print(error, end="", file=sys.stderr)
    sys.exit(code)
assert arguments.pop(0) == "--context", arguments
context = arguments.pop(0)
if context not in state:
    end(error=f"error: context {context!r} does not exist", code=1)
namespaces = state[context]
match arguments:
    case ["get", "namespace", *names, "--ignore-not-found", "--output", "json"]:
        found = [{"metadata": {"name": name} | namespaces[name]} for name in names if name in namespaces]
        end(json.dumps({"items": found}) if found else "")
    case ["create", *_]:
        metadata = json.load(sys.stdin)["metadata"]
        if metadata["name"] in namespaces:
            end(error="Error from server (AlreadyExists)", code=1)
        state["made"] = state.get("made", 0) + 1
        namespaces[metadata["name"]] = metadata | {"uid": f"uid-{state['made']}"}
        end(json.dumps({"metadata": namespaces[metadata["name"]]}))
    case ["delete", "--raw", path, "--filename", "-"]:
        wanted, name = json.load(sys.stdin)["preconditions"]["uid"], path.rsplit("/", 1)[1]
        if namespaces[name]["uid"] != wanted:
            end(error="Error from server (Conflict): the UID in the precondition does not match", code=1)
        del namespaces[name]
    case ["apply", *_] if state.get("broken"):
        end(error="error: the server is on fire", code=1)
end()
"""

    def __init__(self, folder: Path, **contexts: dict[str, dict[str, Any]]) -> None:
        self.calls, self.state, self.current = (
            folder / "kubectl.calls",
            folder / "clusters.json",
            folder / "current",
        )
        self.state.write_text(json.dumps(contexts))
        self.current.write_text(next(iter(contexts)))
        (folder / "kubectl").write_text(self.QUICK.format(python=sys.executable, folder=folder))
        (folder / "kubectl.py").write_text(self.PROGRAM)
        for namespace in ("orderers", "newtown", "grid"):
            self.pods(namespace)
        (folder / "kubectl").chmod(0o755)

    def asked(self) -> list[str]:
        """What was asked for so far, without looks at what is there."""
        lines = self.calls.read_text().splitlines() if self.calls.exists() else []
        return [line for line in lines if " get " not in line and not line.startswith("config")]

    def pods(self, namespace: str, *items: dict[str, Any]) -> None:
        """The pods of a namespace, as kubectl describes them."""
        (self.calls.parent / f"pods.{namespace}").write_text(json.dumps({"items": items}))

    def serve(self, nodes: Nodes) -> None:
        """All pods of the network are there and ready."""
        for namespace in ("orderers", "newtown", "grid"):
            own = [entry for entry in containers(nodes) if entry.node.organization == namespace]
            self.pods(namespace, *(pod(entry.name, namespace, workload(entry)) for entry in own))

    def namespaces(self, context: str) -> dict[str, dict[str, Any]]:
        found: dict[str, dict[str, Any]] = json.loads(self.state.read_text())[context]
        return found

    def set(self, **contexts: Any) -> None:
        self.state.write_text(json.dumps(json.loads(self.state.read_text()) | contexts))


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return folder


def made(backend: str, tmp_path: Path) -> Nodes:
    layout = Layout(tmp_path / ".commonwatt")
    state = State(default_topology(homes=1), backend, 16000)
    nodes = nodes_of(layout, state)
    ensure_identities(nodes)
    write_state(layout, state)
    return nodes


def test_compose_is_started_asked_stopped_and_deleted(path: Path, tmp_path: Path) -> None:
    docker = StandIn(path, "docker")
    nodes = made("compose", tmp_path)
    Compose().require(nodes)
    with Compose().started(nodes, quiet) as started:
        assert started == NAMES
    folder = compose.directory(nodes.layout) / "local"
    assert (folder / "compose.yaml").exists()
    assert (folder / "ledgers" / "peer0.newtown").is_dir()
    assert (
        docker.asked()[-1]
        == f"compose --project-directory {folder} up --detach --quiet-pull --remove-orphans"
    )
    docker.answers(answering(container("peer0.grid"), container("market.grid.16010", "exited")))
    assert compose.running(nodes.layout) == {"peer0.grid"}
    assert down(nodes.layout.directory) == ("peer0.grid",)
    assert docker.asked()[-1].endswith("down --remove-orphans")
    reset(nodes.layout.directory)
    assert docker.asked()[-1].endswith("down --remove-orphans --volumes")
    assert not nodes.layout.directory.exists()


async def test_compose_prints_the_logs_of_its_containers(path: Path, tmp_path: Path) -> None:
    docker = StandIn(path, "docker")
    docker.answers("echo it began")
    layout = made("compose", tmp_path).layout
    logs = find_logs(layout.directory, "peer0.grid", 7, follow=False)
    assert [line async for line in merged(logs, 7, follow=False)] == [("peer0.grid", "it began")]
    folder = compose.directory(layout) / "local"
    words = "logs --no-color --no-log-prefix --tail=7"
    assert docker.asked() == [f"compose --project-directory {folder} {words} peer0.grid"]
    assert set(find_logs(layout.directory, None, 7, follow=True)) == set(NAMES)
    with pytest.raises(UsageError, match=r"no peer9; it has orderer0, peer0\.newtown"):
        find_logs(layout.directory, "peer9", 7, follow=False)


async def test_kubectl_prints_the_logs_of_its_pods(path: Path, tmp_path: Path) -> None:
    clusters = Clusters(path, kind={})
    layout = made("kubernetes", tmp_path).layout
    for node, words in (
        ("orderer0", "--namespace orderers logs --tail=7 --follow statefulset/orderer0"),
        ("peer0.grid", "--namespace grid logs --tail=7 --follow statefulset/peer0"),
        ("market.newtown", "--namespace newtown logs --tail=7 --follow deployment/market-16007"),
    ):
        logs = find_logs(layout.directory, node, 7, follow=True)
        assert [line async for line in merged(logs, 7, follow=True)] == []
        assert clusters.asked()[-1] == f"--context kind {words}"


def test_a_compose_start_that_fails_is_told_and_undone(path: Path, tmp_path: Path) -> None:
    docker = StandIn(path, "docker")
    docker.answers('[ "$4" = up ] && { echo "port is already allocated" >&2; exit 1; }; exit 0')
    nodes = made("compose", tmp_path)
    with pytest.raises(NetworkError, match="port is already allocated"), Compose().started(nodes, quiet):
        pass
    assert docker.asked()[-1].endswith("stop " + " ".join(compose.services(nodes)))


def test_a_change_starts_what_comes_and_leaves_what_runs(path: Path, tmp_path: Path) -> None:
    docker = StandIn(path, "docker")
    nodes = made("compose", tmp_path)
    before = [compose.service_of(server) for server in nodes.chaincode_servers]
    ports = tuple(replace(server, port=server.port + 50) for server in nodes.chaincode_servers)
    after = replace(nodes, chaincode_servers=ports)
    with Compose().started(nodes, quiet):
        pass
    with pytest.raises(RuntimeError), Compose().started(after, quiet, change=True):
        raise RuntimeError
    folder = compose.directory(nodes.layout) / "local"
    moved = [compose.service_of(server) for server in after.chaincode_servers]
    assert docker.asked()[-2:] == [
        f"compose --project-directory {folder} up --detach --quiet-pull --no-recreate "
        "orderer0 peer0.newtown peer0.grid",
        f"compose --project-directory {folder} up --detach --quiet-pull {' '.join(moved)}",
    ], "what a change started stays when its step fails"
    Compose().end(after, ["peer0.grid", "market.grid"])
    assert docker.asked()[-1].endswith(f"rm --stop --force peer0.grid {moved[1]}")
    docker.answers(answering(*map(container, ("orderer0", *before, *moved))))
    assert (folder / before[0] / "tls").is_dir()
    Compose().end_others(after)
    identities = " ".join(container(service)["Id"] for service in before)
    assert docker.asked()[-2:] == [f"stop {identities}", f"rm --force {identities}"]
    assert not (folder / before[0]).exists()
    assert (folder / moved[0] / "tls").is_dir()


def test_a_node_begins_anew_from_what_is_rendered_for_it_now(path: Path, tmp_path: Path) -> None:
    docker = StandIn(path, "docker")
    nodes = made("compose", tmp_path)
    folder = compose.directory(nodes.layout) / "local"
    Compose().begin_anew(nodes, "peer0.grid")
    assert docker.asked() == [
        f"compose --project-directory {folder} up --detach --quiet-pull --no-deps --force-recreate peer0.grid"
    ]
    assert "peer0.grid" in (folder / "compose.yaml").read_text()
    docker.answers('case "$*" in *"up --detach"*) echo no room left >&2; exit 1 ;; esac')
    with pytest.raises(NetworkError, match="docker compose up failed: no room left"):
        Compose().begin_anew(nodes, "peer0.grid")


def test_an_image_that_is_nowhere_is_told_with_what_to_do(path: Path, tmp_path: Path) -> None:
    docker = StandIn(path, "docker")
    nodes = made("compose", tmp_path)
    for absent, advice in (
        ("commonwatt-chaincode", "docker build -t"),
        ("hyperledger/fabric-peer", "docker pull"),
    ):
        docker.answers(
            f'case "$*" in "image inspect {absent}"*) exit 1 ;; *" up "*) echo denied >&2; exit 1 ;; esac; exit 0'
        )
        told = f"no image {absent}:[0-9.]+ and cannot fetch it .denied.; .*{advice}"
        with pytest.raises(NetworkError, match=told), Compose().started(nodes, quiet):
            pass


def test_compose_never_acts_on_the_project_that_the_shell_names(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COMPOSE_PROJECT_NAME", "shop")
    monkeypatch.setenv("COMPOSE_FILE", str(tmp_path / "shop.yaml"))
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
    docker = StandIn(path, "docker")
    docker.answers(f"env | grep -E '^(COMPOSE|DOCKER)_' >>{docker.calls}; exit 0")
    nodes = made("compose", tmp_path)
    with Compose().started(nodes, quiet):
        pass
    reset(nodes.layout.directory)
    assert "DOCKER_HOST=tcp://127.0.0.1:1" in docker.asked()
    assert not [line for line in docker.asked() if line.startswith("COMPOSE_")]


def test_without_an_engine_compose_is_refused_in_a_sentence(path: Path, tmp_path: Path) -> None:
    nodes = made("compose", tmp_path)
    docker = StandIn(path, "docker")
    docker.answers("exit 1")
    with pytest.raises(UsageError, match="no `compose` here"):
        Compose().require(nodes)
    docker.answers('[ "$1" = compose ] && exit 0; echo "Cannot connect" >&2; exit 1')
    with pytest.raises(UsageError, match="does not answer: Cannot connect"):
        Compose().require(nodes)


def up_and_ready(kubectl: Clusters, nodes: Nodes) -> None:
    kubectl.serve(nodes)
    with Kubernetes().started(nodes, quiet) as started:
        assert started == NAMES


def test_kubernetes_is_applied_awaited_scaled_down_and_deleted(path: Path, tmp_path: Path) -> None:
    kubectl = Clusters(path, home={"kube-system": {"uid": "uid-0"}})
    nodes = made("kubernetes", tmp_path)
    Kubernetes().require(nodes)
    assert kubectl.asked() == [], "looking changes nothing"
    up_and_ready(kubectl, nodes)
    asked = kubectl.asked()
    assert asked[:3] == ["--context home create --raw /api/v1/namespaces --filename -"] * 3
    assert asked[3].startswith(
        "--context home apply --server-side --force-conflicts --field-manager commonwatt"
    )
    assert asked[3].count("--filename") == 6
    assert len(asked) == 4
    with Kubernetes().started(nodes, quiet) as started:
        assert started == (), "all of it runs"
    assert [line for line in kubectl.asked() if " create " in line] == asked[:3], (
        "what is there is not made again"
    )
    down(nodes.layout.directory)
    [*_, scaled, waited] = [line for line in kubectl.asked() if "--namespace grid" in line]
    assert scaled == "--context home --namespace grid scale statefulset,deployment --all --replicas=0"
    assert (
        waited
        == "--context home --namespace grid wait --for=delete pod --selector commonwatt-node --timeout=60s"
    )
    reset(nodes.layout.directory)
    assert kubectl.asked()[-1] == "--context home wait --for=delete namespace/grid --timeout=180s"
    assert list(kubectl.namespaces("home")) == ["kube-system"]
    assert not nodes.layout.directory.exists()


def test_a_namespace_of_others_is_neither_used_nor_deleted(path: Path, tmp_path: Path) -> None:
    theirs = {"grid": {"uid": "uid-theirs", "labels": {"app.kubernetes.io/part-of": "commonwatt"}}}
    kubectl = Clusters(path, home=theirs)
    nodes = made("kubernetes", tmp_path)
    for refused in (lambda: Kubernetes().require(nodes), lambda: up_and_ready(kubectl, nodes)):
        with pytest.raises(cluster.ForeignNamespaceError, match="namespace grid in kubectl's context home"):
            refused()
    reset(nodes.layout.directory)
    assert kubectl.asked() == []
    assert kubectl.namespaces("home") == theirs


def test_a_network_stays_in_the_context_it_was_brought_up_in(path: Path, tmp_path: Path) -> None:
    others = {name: {"uid": f"uid-{name}", "labels": {}} for name in ("newtown", "grid", "orderers")}
    kubectl = Clusters(path, home={}, work=others)
    nodes = made("kubernetes", tmp_path)
    up_and_ready(kubectl, nodes)
    kubectl.current.write_text("work")
    Kubernetes().require(nodes)
    down(nodes.layout.directory)
    reset(nodes.layout.directory)
    assert not [line for line in kubectl.asked() if not line.startswith("--context home")]
    assert (kubectl.namespaces("home"), kubectl.namespaces("work")) == ({}, others)


def test_namespaces_made_anew_by_others_are_refused_before_anything_is_deleted(
    path: Path, tmp_path: Path
) -> None:
    kubectl = Clusters(path, home={})
    nodes = made("kubernetes", tmp_path)
    up_and_ready(kubectl, nodes)
    anew = kubectl.namespaces("home") | {"grid": {"uid": "uid-theirs", "labels": {}}}
    kubectl.set(home=anew)
    for refused in (down, reset):
        with pytest.raises(cluster.ForeignNamespaceError, match=r"or take grid out of .*cluster\.json"):
            refused(nodes.layout.directory)
    assert kubectl.namespaces("home") == anew
    kubectl.set(
        home={name: entry for name, entry in anew.items() if name != "newtown"} | {"grid": {"uid": "uid-3"}}
    )
    with pytest.raises(cluster.ForeignNamespaceError, match="namespace newtown of this network is gone"):
        Kubernetes().require(nodes)
    reset(nodes.layout.directory)
    assert kubectl.namespaces("home") == {}, "one that is gone already is no hindrance"


def test_a_start_that_was_cut_off_knows_its_namespaces_by_their_label(path: Path, tmp_path: Path) -> None:
    kubectl = Clusters(path, home={})
    kubectl.set(broken=True)
    nodes = made("kubernetes", tmp_path)
    with pytest.raises(NetworkError, match="apply failed in context home: error: the server is on fire"):
        up_and_ready(kubectl, nodes)
    file = kubernetes.directory(nodes.layout) / "cluster.json"
    file.write_text(
        json.dumps({"context": "home", "namespaces": dict.fromkeys(("orderers", "newtown", "grid"), "")})
    )
    kubectl.set(broken=False)
    (path / "applied").unlink()
    up_and_ready(kubectl, nodes)
    assert len([line for line in kubectl.asked() if " create " in line]) == 3
    file.write_text(
        json.dumps({"context": "home", "namespaces": dict.fromkeys(("orderers", "newtown", "grid"), "")})
    )
    reset(nodes.layout.directory)
    assert kubectl.namespaces("home") == {}


def test_a_cluster_that_is_gone_is_told_with_the_way_out(path: Path, tmp_path: Path) -> None:
    kubectl = Clusters(path, home={})
    nodes = made("kubernetes", tmp_path)
    up_and_ready(kubectl, nodes)
    kubectl.state.write_text("{}")
    with pytest.raises(NetworkError, match=r"gone for good, delete .*cluster\.json"):
        reset(nodes.layout.directory)
    (kubernetes.directory(nodes.layout) / "cluster.json").write_text("{")
    with pytest.raises(UsageError, match=r"cluster\.json is damaged"):
        reset(nodes.layout.directory)
    (kubernetes.directory(nodes.layout) / "cluster.json").unlink()
    reset(nodes.layout.directory)
    assert not nodes.layout.directory.exists()


def test_each_pod_is_told_by_its_nodes_name_with_how_it_does(path: Path, tmp_path: Path) -> None:
    kubectl = Clusters(path, home={})
    nodes = made("kubernetes", tmp_path)
    cluster.pin(nodes.layout, cluster.Cluster("home", {"newtown": "1", "orderers": "2", "grid": "3"}))
    (path / "applied").touch()
    kubectl.pods("orderers", pod("orderer0", "orderers", "orderer0"))
    kubectl.pods(
        "newtown",
        pod(
            "peer0.newtown",
            "newtown",
            "peer0",
            {"waiting": {"reason": "ImagePullBackOff", "message": "denied"}},
        ),
        pod(
            "market.newtown",
            "newtown",
            "market-16007",
            {"waiting": {"reason": "CrashLoopBackOff"}},
            lastState={"terminated": {"exitCode": 3}},
            restartCount=4,
        ),
    )
    assert kubernetes.running(nodes.layout) == {"orderer0"}
    conditions = Kubernetes().conditions(nodes)
    assert {name: condition.state for name, condition in conditions.items()} == {
        "orderer0": "running",
        "peer0.newtown": "unhealthy",
        "market.newtown": "restarting",
    }
    assert "does not start: ImagePullBackOff, denied" in (conditions["peer0.newtown"].remedy or "")
    assert "ended with code 3; the cluster has started it again 4 times" in (
        conditions["market.newtown"].remedy or ""
    )


def test_a_pod_that_cannot_start_ends_the_wait_with_its_own_cause(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pods, "IMAGE_PATIENCE_S", 0.0)
    kubectl = Clusters(path, home={})
    nodes = made("kubernetes", tmp_path)
    kubectl.serve(nodes)
    waiting = {"waiting": {"reason": "ErrImagePull", "message": "no such tag"}}
    kubectl.pods(
        "grid", pod("peer0.grid", "grid", "peer0", waiting), pod("market.grid", "grid", "market-16008")
    )
    cause = "peer0.grid does not start: ErrImagePull, no such tag"
    with pytest.raises(NetworkError, match=cause), Kubernetes().started(nodes, quiet):
        pass
    assert "--context home --namespace grid scale statefulset/peer0 --replicas=0" in kubectl.asked()


def test_ports_come_to_this_machine_under_the_nodes_names(path: Path, tmp_path: Path) -> None:
    Clusters(path, home={})
    nodes = made("kubernetes", tmp_path)
    again = len(kubernetes.AGAIN)
    programs = {program.name: " ".join(program.command[again:]) for program in kubernetes.forwarders(nodes)}
    kubectl = "kubectl --context home --namespace"
    assert programs == {
        "orderer0": f"{kubectl} orderers port-forward service/orderer0 16000:16000 16002:16002 16001:16001",
        "peer0.newtown": f"{kubectl} newtown port-forward service/peer0 16003:16003 16004:16004",
        "peer0.grid": f"{kubectl} grid port-forward service/peer0 16005:16005 16006:16006",
    }


def test_kubectl_has_the_settings_of_the_person_who_started_it(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    StandIn(path, "kubectl").answers("echo home; env >&2")
    settings = {
        "KUBECONFIG": str(tmp_path / "config"),
        "AWS_PROFILE": "solar",
        "HTTPS_PROXY": "http://127.0.0.1:1",
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    nodes = made("kubernetes", tmp_path)
    forwarder = kubernetes.forwarders(nodes)[0]
    wanted = {f"{name}={value}" for name, value in settings.items()}
    processes.start(forwarder, nodes.layout, "test")
    log = processes.log_file(nodes.layout, forwarder.name)
    try:
        wait_until(lambda: wanted <= {*log.read_text().splitlines()}, 20)
        ended = log.stat().st_size
        wait_until(lambda: log.stat().st_size > ended, 20)
    finally:
        processes.stop(processes.running(nodes.layout)[forwarder.name])


def test_without_a_cluster_kubernetes_is_refused_in_a_sentence(path: Path, tmp_path: Path) -> None:
    nodes = made("kubernetes", tmp_path)
    kubectl = StandIn(path, "kubectl")
    kubectl.answers('echo "current-context is not set" >&2; exit 1')
    with pytest.raises(UsageError, match=r"no current context \(current-context is not set\)"):
        Kubernetes().require(nodes)
    kubectl.answers('[ "$1" = config ] && echo home && exit; echo "connection refused" >&2; exit 1')
    with pytest.raises(UsageError, match="reaches no cluster in context home: connection refused"):
        Kubernetes().require(nodes)
