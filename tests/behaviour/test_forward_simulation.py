# SPDX-License-Identifier: Apache-2.0
"""`simulate` and `load` on running channels of the forward market, on every backend.

Days equal the same days in-process to the nAUD, and each market's channel refuses what is for the other one.
"""

from __future__ import annotations

import asyncio
import csv
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import typer
from commonwatt_client.exit_codes import UsageError
from commonwatt_client.network_file import read_network_file
from commonwatt_community.statement.cli import statement_command
from commonwatt_loadgen.forward.community import community_in_process
from commonwatt_loadgen.forward.ledger_run import simulate_forward_on_ledger
from commonwatt_loadgen.forward.options import ForwardOptions
from commonwatt_loadgen.simulate.options import SimulationOptions
from commonwatt_loadgen.throughput.options import LoadOptions
from commonwatt_loadgen.throughput.run import load
from commonwatt_network.down import down
from commonwatt_network.model.topology import Topology, load_topology
from commonwatt_network.up import up

from ..support.command_line import invoke
from ..support.fabric import require_backend
from .conftest import BACKENDS, quiet

HOMES = 4
_ONCE = ("close_gate", "clear_period", "settle_period", "settle_carbon", "settle_day")


def topology() -> Topology:
    """The sample with four homes."""
    base = load_topology("forward")
    newtown = base.organizations["newtown"].model_copy(update={"homes": HOMES})
    return base.model_copy(update={"organizations": {**base.organizations, "newtown": newtown}})


@contextmanager
def running(backend: str, folder: Path) -> Iterator[Path]:
    require_backend(backend)
    directory = folder / ".commonwatt"
    try:
        made = asyncio.run(up(directory, topology(), backend, quiet))
        yield made.nodes.layout.network_file
    finally:
        down(directory)


@pytest.fixture(scope="module", params=BACKENDS)
def network_file(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A channel that loads configure."""
    with running(request.param, tmp_path_factory.mktemp(f"loaded-{request.param}")) as path:
        yield path


@pytest.fixture(params=BACKENDS)
def new_network_file(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A channel that nobody has used."""
    with running(request.param, tmp_path) as path:
        yield path


@pytest.mark.long
def test_a_day_on_a_network_is_the_day_in_process(new_network_file: Path, tmp_path: Path) -> None:
    network_file, tmp_path = new_network_file, tmp_path / "out"
    run = SimulationOptions(
        seed=5, share_percent=50, forecast="yesterday", network_file=network_file, out=tmp_path
    )
    options = ForwardOptions(run=run, period=60, local_fee=1.0, carbon_quota=3.0, carbon_price=10.0)
    told: list[tuple[str, int, int]] = []
    summary = asyncio.run(simulate_forward_on_ledger(options, lambda *news: told.append(news)))
    [community] = summary["communities"]
    users = read_network_file(network_file).communities[0].homes
    expected = community_in_process(options, run.trace_set()[0], 0, users=users, folder=tmp_path / "beside")
    assert {**expected, "channel": "newtown"} == community
    assert community["totals"]["bought_wh"] > 0
    assert community["carbon"]["paid_naud"] > 0
    assert told == [("newtown", 1, 1)]
    for table in ("homes.csv", "bills.csv"):
        assert (tmp_path / table).read_text() == (tmp_path / "beside" / table).read_text()
    counts = {name: one["count"] for name, one in summary["performance"]["by_transaction"].items()}
    assert {name: counts[name] for name in _ONCE} == {
        "close_gate": 24,
        "clear_period": 24,
        "settle_period": 24,
        "settle_carbon": 1,
        "settle_day": 1,
    }
    home = next(iter(users))
    key = network_file.parent / "organizations" / "newtown" / "users" / users[home] / "message_key.pem"
    assert key.stat().st_mode & 0o777 == 0o600
    with (tmp_path / "bills.csv").open(encoding="utf-8") as bills:
        bill = next(csv.DictReader(bills))
    statement = told_by_command(network_file, bill["home"], bill["day"][:7])
    carbon = statement["carbon"]
    assert (statement["days_billed"], carbon["days"]) == ([bill["day"]], 1)
    assert carbon["amount_naud"] == int(bill["carbon_naud"])


def told_by_command(network_file: Path, user: str, month: str) -> dict[str, Any]:
    """What `commonwatt community statement` tells of a home's month."""
    app = typer.Typer()
    app.command()(statement_command)
    words = [user, "--month", month, "--format", "json", "--network", str(network_file)]
    ended = invoke(app, words)
    assert ended.exit_code == 0, ended.stderr
    told: dict[str, Any] = json.loads(ended.stdout)
    return told


def test_batches_of_signed_messages_load_the_channel(network_file: Path) -> None:
    options = LoadOptions(
        "constant:8", 1, p95_s=60, error_percent=1, network_file=network_file, batch=50, connections=2
    )
    for _ in range(2):  # the second one finds periods that the first one has not used
        summary = load(options)
        assert summary["passed"], summary["first_errors"]
        assert summary["run"]["scenario"] == "messages"
        assert summary["outcomes"]["committed"] == 8
        assert summary["messages"] == {"written": 400}
        assert summary["messages_per_s"] == pytest.approx(400 / summary["elapsed_s"], rel=0.01)
        assert summary["latency_ms"]["total"]["p50"] > summary["latency_ms"]["endorse"]["p50"]


@pytest.mark.long
def test_a_closed_loop_sends_batches_as_fast_as_they_are_taken(network_file: Path) -> None:
    options = LoadOptions(duration_s=1, in_flight=2, p95_s=60, network_file=network_file, batch=20, workers=2)
    summary = load(options)
    assert summary["outcomes"]["committed"] == summary["planned"] >= 2
    assert summary["messages"] == {"written": 20 * summary["planned"]}


def test_a_batch_fits_the_homes_and_what_does_not_is_refused(network_file: Path) -> None:
    with pytest.raises(
        UsageError, match=r"--batch 200: a period takes 32 messages of each home.* 128 at most"
    ):
        load(LoadOptions("constant:1", 1, network_file=network_file, batch=200))
    with pytest.raises(
        UsageError, match=r"line \d+: channel newtown runs the market forward; the scenario `readings`"
    ):
        load(LoadOptions("constant:1", 1, network_file=network_file, scenario="readings"))
    with pytest.raises(UsageError, match=r"2,000,000 batches of 100 messages do not fit channel newtown"):
        load(LoadOptions("constant:1000000", 2, network_file=network_file, batch=100))


def test_a_simulation_by_other_rules_is_refused(network_file: Path, tmp_path: Path) -> None:
    run = SimulationOptions(network_file=network_file, out=tmp_path)
    other: Any = replace(ForwardOptions(run=run), period=30, pricing="uniform")
    with pytest.raises(UsageError, match="channel newtown has traded by other rules"):
        asyncio.run(simulate_forward_on_ledger(other, lambda *_: None))
