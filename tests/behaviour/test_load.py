# SPDX-License-Identifier: Apache-2.0
"""Throughput tests on a running network: several communities at once, and what a lost generator does."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from commonwatt_client.exit_codes import UsageError
from commonwatt_loadgen.errors import IncompleteRun
from commonwatt_loadgen.throughput.measure import Progress
from commonwatt_loadgen.throughput.options import LoadOptions
from commonwatt_loadgen.throughput.run import load
from commonwatt_network.down import down
from commonwatt_network.model.topology import default_topology
from commonwatt_network.up import up


@contextmanager
def quiet(_: str) -> Iterator[None]:
    yield


@pytest.fixture(scope="module")
def two_communities(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    directory = tmp_path_factory.mktemp("load") / ".commonwatt"
    try:
        result = asyncio.run(up(directory, default_topology(homes=2, communities=2), "embedded", quiet))
        yield result.nodes.layout.network_file
    finally:
        down(directory)


class Onlooker:
    """Calls `at_news` once, at a generator's first news."""

    def __init__(self, at_news: Any = lambda: None) -> None:
        self.planned = 0
        self.news: list[int] = []
        self.at_news = at_news

    def started(self, planned: int, workers: int, sampler: Any) -> None:
        self.planned = planned

    def told(self, generator: int, progress: Progress) -> None:
        if not self.news:
            self.at_news()
        self.news.append(generator)


def generators() -> list[psutil.Process]:
    """Direct children only: a network that another test keeps up has processes of the same look below it."""
    return [
        one
        for one in psutil.Process().children()
        if "spawn_main" in " ".join(one.cmdline()) and "resource_tracker" not in " ".join(one.cmdline())
    ]


def test_communities_are_loaded_at_once(two_communities: Path) -> None:
    onlooker = Onlooker()
    summary = load(
        LoadOptions("constant:10", 3, 2, p95_s=60, error_percent=1, network_file=two_communities), onlooker
    )
    assert summary["passed"], summary["first_errors"]
    assert onlooker.planned == summary["outcomes"]["committed"] == 30
    assert [one["outcomes"]["committed"] for one in summary["communities"].values()] == [15, 15]
    assert set(onlooker.news) == {0, 1}
    assert summary["resources"]
    heights = [one for one in summary["nodes"] if one["node"] == "peer0.newtown"]
    assert heights[-1]["heights"]["newtown"] > heights[0]["heights"]["newtown"]
    assert 0 < summary["generator"]["cpu_ms_per_transaction"] < 50
    assert not generators()


def test_a_killed_generator_fails_the_run(two_communities: Path) -> None:
    onlooker = Onlooker(lambda: generators()[-1].kill())
    with pytest.raises(
        IncompleteRun, match=r"generator \d \(process \d+\) was killed by signal 9 before it reported"
    ):
        load(LoadOptions("constant:10", 20, 2, network_file=two_communities), onlooker)
    assert not generators()


def test_a_closed_loop_keeps_so_many_in_flight(two_communities: Path) -> None:
    """The rate is no bound: as many are sent in the time as the network takes."""
    summary = load(LoadOptions("constant:1", 2, in_flight=4, p95_s=60, network_file=two_communities))
    assert summary["outcomes"]["committed"] == summary["planned"] > 4
    assert 0 < summary["unfinished"] <= 4
    assert summary["elapsed_s"] >= 2


def test_each_commit_status_is_asked_for_where_told_to(two_communities: Path) -> None:
    summary = load(
        LoadOptions("constant:10", 1, p95_s=60, network_file=two_communities, ask_status=True),
    )
    assert summary["outcomes"]["committed"] == summary["planned"] == 10
    assert summary["run"]["commits_from"] == "commit status calls"


@pytest.mark.long
@pytest.mark.timeout(180)
def test_generators_on_workers_of_dask(two_communities: Path) -> None:
    distributed = pytest.importorskip(
        "distributed", reason="the extra commonwatt-loadgen[dask] is not installed"
    )
    with distributed.LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        processes=True,
        host="127.0.0.1",
        dashboard_address="127.0.0.1:0",  # any free port: the default one may be another cluster's
    ) as cluster:
        options = LoadOptions(
            "constant:10", 3, 2, p95_s=60, network_file=two_communities, dask=cluster.scheduler_address
        )
        summary = load(options, Onlooker())
        assert summary["outcomes"]["committed"] == summary["planned"] == 30
        with pytest.raises(UsageError, match="has 2 workers, 3 generators need one each"):
            load(LoadOptions("constant:10", 3, 3, network_file=two_communities, dask=options.dask))
        with distributed.Client(cluster) as client:
            victim = next(iter(client.run(os.getpid).values()))
        with pytest.raises(IncompleteRun, match=r"generator \d.*(was lost|is gone)"):
            load(
                LoadOptions("constant:10", 20, 2, network_file=two_communities, dask=options.dask),
                Onlooker(lambda: os.kill(victim, signal.SIGKILL)),
            )
