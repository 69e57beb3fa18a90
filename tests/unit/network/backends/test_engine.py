# SPDX-License-Identifier: Apache-2.0
"""What is read from a container engine's answers; `test_compose_network.py` has a real engine."""

from __future__ import annotations

from pathlib import Path

import pytest
from commonwatt_network.backends import engine
from commonwatt_network.backends.backend import Condition
from commonwatt_network.errors import UsageError
from commonwatt_network.programs.readiness import NotReadyError

from tests.unit.network.backends.test_container_engines import StandIn, answering, container, path

__all__ = ["path"]
PROBE = ["bash", "-c", "true"]


def test_conditions_tell_states_sizes_and_what_helps(path: Path, tmp_path: Path) -> None:
    docker = StandIn(path, "docker")
    unwell = container("c", Health={"Status": "unhealthy"})
    identity = container("a")["Id"][:12]
    docker.answers(
        answering(
            container("a", Health={"Status": "healthy"}),
            container("b", "paused"),
            unwell,
            container("d", "restarting", ExitCode=2, RestartCount=3),
            container("e", "exited"),
            more=f'"stats "*) echo "{identity} 12.5MiB / 512MiB"; echo "ffffffffffff 3.1kB / 1GiB"; echo "-- / --" ;;',
        )
    )
    found = engine.conditions(tmp_path)
    assert found["a"] == Condition("running", None, 13_107_200)
    assert {name: condition.state for name, condition in found.items()} == {
        "a": "running", "b": "suspended", "c": "unhealthy", "d": "restarting", "e": "stopped",
    }  # fmt: skip
    assert "unpause b" in str(found["b"].remedy)
    assert "restart c" in str(found["c"].remedy)
    assert "ended with code 2; the engine has started it again 3 times" in str(found["d"].remedy)


def test_without_an_answer_there_are_no_containers(path: Path, tmp_path: Path) -> None:
    docker = StandIn(path, "docker")
    for script in ("exit 1", "exit 0", 'case "$*" in *quiet) echo one ;; *) echo "{" ;; esac'):
        docker.answers(script)
        assert engine.containers_of(tmp_path) == {}
        assert engine.conditions(tmp_path) == {}


async def test_a_container_that_ends_again_and_again_is_told_with_its_own_words(
    path: Path, tmp_path: Path
) -> None:
    docker = StandIn(path, "docker")
    panic = '"logs "*) echo "orderer begins"; echo "panic: no such key" >&2; echo "\ngoroutine 1 [running]" >&2 ;;'
    crashed = container("orderer0", "exited", ExitCode=2)
    docker.answers(answering(container("peer0.grid"), crashed, more=panic))
    with pytest.raises(NotReadyError) as told:
        await engine.wait_serving(tmp_path, {"orderer0": PROBE, "peer0.grid": PROBE})
    assert "orderer0 ended with code 2" in str(told.value)
    assert "panic: no such key" in str(told.value)
    assert "goroutine" not in str(told.value)


async def test_a_container_that_needs_too_much_memory_is_told_so(path: Path, tmp_path: Path) -> None:
    docker = StandIn(path, "docker")
    docker.answers(answering(container("peer0.grid", "restarting", OOMKilled=True, RestartCount=1)))
    with pytest.raises(NotReadyError, match="more than its 512 MiB of memory; it said nothing"):
        await engine.wait_serving(tmp_path, {"peer0.grid": PROBE})


async def test_a_container_that_is_paused_gone_or_silent_is_told(path: Path, tmp_path: Path) -> None:
    docker = StandIn(path, "docker")
    docker.answers(answering(container("peer0.grid", "paused")))
    with pytest.raises(NotReadyError, match=r"peer0\.grid is suspended; .* unpause peer0\.grid"):
        await engine.wait_serving(tmp_path, {"peer0.grid": PROBE})
    with pytest.raises(UsageError, match=r"peer0\.grid is suspended; .* unpause peer0\.grid"):
        engine.refuse_paused(tmp_path)
    with pytest.raises(NotReadyError, match="container of market.grid is gone"):
        await engine.wait_serving(tmp_path, {"market.grid": PROBE})
    docker.answers(answering(container("peer0.grid"), more='"exec "*) exit 1 ;; "logs "*) echo waiting ;;'))
    with pytest.raises(
        NotReadyError, match=r"runs but does not answer its health check; its last lines:\n    waiting"
    ):
        await engine.wait_serving(tmp_path, {"peer0.grid": PROBE}, timeout_s=0.1)


async def test_a_probe_is_asked_again_until_it_is_answered(path: Path, tmp_path: Path) -> None:
    docker = StandIn(path, "docker")
    again = f'"exec "*) [ "$(grep -c ^exec {docker.calls})" -ge 3 ] || exit 1 ;;'
    docker.answers(answering(container("peer0.grid"), more=again))
    await engine.wait_serving(tmp_path, {"peer0.grid": PROBE})
    assert len([line for line in docker.asked() if line.startswith("exec")]) == 3
    assert docker.asked()[-1] == f"exec {container('peer0.grid')['Id']} bash -c true"
