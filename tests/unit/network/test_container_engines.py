"""What is asked of `docker compose` and `kubectl`, by stand-ins that write down their arguments.

No container engine runs these tests: they hold the commands, their order and the errors, not what an engine does.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from commonwatt_network.backends import compose, kubernetes
from commonwatt_network.down import down, reset
from commonwatt_network.errors import NetworkError, UsageError
from commonwatt_network.identity import ensure_identities
from commonwatt_network.layout import Layout
from commonwatt_network.nodes import Nodes
from commonwatt_network.state import State, write_state
from commonwatt_network.topology import default_topology

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


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return folder


def made(backend: str, tmp_path: Path) -> Nodes:
    layout = Layout(tmp_path / ".commonwatt")
    state = State(default_topology(homes=1), backend, 16000)
    nodes = state.nodes(layout)
    ensure_identities(nodes)
    write_state(layout, state)
    return nodes


def test_compose_is_started_asked_stopped_and_deleted(path: Path, tmp_path: Path) -> None:
    docker = StandIn(path, "docker")
    nodes = made("compose", tmp_path)
    compose.require(nodes)
    with compose.started(nodes, quiet) as started:
        assert started == NAMES
    folder = compose.directory(nodes.layout) / "local"
    assert (folder / "compose.yaml").exists()
    assert (folder / "ledgers" / "peer0.newtown").is_dir()
    assert docker.asked()[-1] == (
        f"compose --project-directory {folder} up --detach --quiet-pull --wait --wait-timeout 120"
    )
    docker.answers('[ "$4" = ps ] && echo \'{"Service":"peer0.grid","State":"running"}\'; exit 0')
    assert compose.running(nodes.layout) == {"peer0.grid"}
    assert down(nodes.layout.directory) == ("peer0.grid",)
    assert docker.asked()[-1].endswith("down")
    reset(nodes.layout.directory)
    assert docker.asked()[-1].endswith("down --volumes --remove-orphans")
    assert not nodes.layout.directory.exists()


def test_a_compose_start_that_fails_is_told_and_undone(path: Path, tmp_path: Path) -> None:
    docker = StandIn(path, "docker")
    docker.answers('[ "$4" = up ] && { echo "no such image" >&2; exit 1; }; exit 0')
    nodes = made("compose", tmp_path)
    with pytest.raises(NetworkError, match="no such image"), compose.started(nodes, quiet):
        pass
    assert docker.asked()[-1].endswith("stop " + " ".join(NAMES))


def test_without_an_engine_compose_is_refused_in_a_sentence(path: Path, tmp_path: Path) -> None:
    nodes = made("compose", tmp_path)
    docker = StandIn(path, "docker")
    docker.answers("exit 1")
    with pytest.raises(UsageError, match="no `compose` here"):
        compose.require(nodes)
    docker.answers('[ "$1" = compose ] && exit 0; echo "Cannot connect" >&2; exit 1')
    with pytest.raises(UsageError, match="does not answer: Cannot connect"):
        compose.require(nodes)


def test_kubernetes_is_applied_awaited_scaled_down_and_deleted(path: Path, tmp_path: Path) -> None:
    kubectl = StandIn(path, "kubectl")
    nodes = made("kubernetes", tmp_path)
    kubernetes.require(nodes)
    kubectl.calls.unlink()
    with kubernetes.started(nodes, quiet) as started:
        assert started == NAMES
    asked = kubectl.asked()
    assert asked[0].startswith("apply --filename")
    assert asked[0].count("--filename") == 6
    assert asked[1:] == [
        "--namespace orderers rollout status statefulset/orderer0 --timeout=180s",
        "--namespace newtown rollout status statefulset/peer0 --timeout=180s",
        "--namespace grid rollout status statefulset/peer0 --timeout=180s",
        "--namespace newtown rollout status deployment/market --timeout=180s",
        "--namespace grid rollout status deployment/market --timeout=180s",
    ]
    kubectl.answers("echo '{\"items\": []}'")
    down(nodes.layout.directory)
    assert kubectl.asked()[-1] == "--namespace orderers scale statefulset,deployment --all --replicas=0"
    reset(nodes.layout.directory)
    assert kubectl.asked()[-1] == "delete namespace orderers --ignore-not-found --wait"


def test_ready_pods_are_told_by_their_nodes_names(path: Path, tmp_path: Path) -> None:
    kubectl = StandIn(path, "kubectl")
    nodes = made("kubernetes", tmp_path)
    kubernetes.write(kubernetes.directory(nodes.layout), kubernetes.render(nodes))
    kubectl.answers(
        """case "$2" in
newtown) echo '{"items": [
  {"metadata": {"labels": {"app.kubernetes.io/name": "peer0", "app.kubernetes.io/component": "peer"}},
   "status": {"conditions": [{"type": "Ready", "status": "True"}]}},
  {"metadata": {"labels": {"app.kubernetes.io/name": "market", "app.kubernetes.io/component": "chaincode"}},
   "status": {"conditions": [{"type": "Ready", "status": "False"}]}}]}' ;;
orderers) echo '{"items": [
  {"metadata": {"labels": {"app.kubernetes.io/name": "orderer0", "app.kubernetes.io/component": "orderer"}},
   "status": {"conditions": [{"type": "Ready", "status": "True"}]}}]}' ;;
*) exit 1 ;;
esac"""
    )
    assert kubernetes.running(nodes.layout) == {"peer0.newtown", "orderer0"}


def test_ports_come_to_this_machine_under_the_nodes_names(tmp_path: Path) -> None:
    nodes = made("kubernetes", tmp_path)
    programs = {program.name: " ".join(program.command) for program in kubernetes.forwarders(nodes)}
    assert programs == {
        "orderer0": "kubectl --namespace orderers port-forward service/orderer0 16000:16000 16002:16002 16001:16001",
        "peer0.newtown": "kubectl --namespace newtown port-forward service/peer0 16003:16003 16004:16004",
        "peer0.grid": "kubectl --namespace grid port-forward service/peer0 16005:16005 16006:16006",
    }


def test_without_a_cluster_kubernetes_is_refused_in_a_sentence(path: Path, tmp_path: Path) -> None:
    kubectl = StandIn(path, "kubectl")
    kubectl.answers('echo "connection refused" >&2; exit 1')
    with pytest.raises(UsageError, match="reaches no cluster: connection refused"):
        kubernetes.require(made("kubernetes", tmp_path))
