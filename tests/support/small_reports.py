# SPDX-License-Identifier: Apache-2.0
"""Each kind of report that the kit writes, of small data: each is HTML as its command writes it."""

from __future__ import annotations

import json
from pathlib import Path

from commonwatt_client.network_file import NetworkFile
from commonwatt_loadgen.comparing.page import comparison_page
from commonwatt_loadgen.comparing.paired import paired
from commonwatt_loadgen.comparing.sides import paired_sides
from commonwatt_loadgen.experiments.file import read_experiment
from commonwatt_loadgen.experiments.run import run_experiment
from commonwatt_loadgen.forward.command import simulate_forward
from commonwatt_loadgen.paper.report import paper_report
from commonwatt_loadgen.paper.sensitivity import sensitivity_experiments, sensitivity_of
from commonwatt_loadgen.paper.sweeps import experiments, run_all, summary_of
from commonwatt_loadgen.paper.thirty_days import thirty_days
from commonwatt_loadgen.report.page import render
from commonwatt_loadgen.report.simulation import simulation_report
from commonwatt_loadgen.simulate.options import SimulationOptions
from commonwatt_loadgen.simulate.run import simulate_in_process
from commonwatt_loadgen.throughput.generator import Share
from commonwatt_loadgen.throughput.measure import Measurements
from commonwatt_loadgen.throughput.options import LoadOptions
from commonwatt_loadgen.throughput.report import load_report
from commonwatt_loadgen.throughput.summary import summarize
from commonwatt_loadgen.throughput.workload import Readings

_EXPERIMENT = """
name: small
homes: 3
share_percent: 40
seeds: [1, 2, 3]
sweep:
  batteries.plan: [reserve, sell-all]
"""


def simulated(_: Path, communities: int = 1) -> str:
    """Two days of the paper's market, with each section that options add; several communities are of equal homes."""
    options = SimulationOptions(
        homes=6,
        share_percent=40,
        strategies=("suggested", "shading"),
        pv="equation",
        days=2,
        disutility=20,
        storage_from_grid=True,
    )
    summary = simulate_in_process(options, 1, lambda *_: None)
    return simulation_report({**summary, "communities": communities * summary["communities"]})


def forward(folder: Path) -> str:
    """Two days of the forward market, with envelopes."""
    options = SimulationOptions(
        homes=6, days=2, share_percent=50, noise_percent=20, forecast="yesterday", out=folder
    )
    given = {"export_limit_w": 900, "local_fee": 0.5, "feed_in": ("6", "11-13=-1")}
    simulate_forward(options, given, 1, in_process=True, figures=False)
    return (folder / "report.html").read_text("utf-8")


def compared(folder: Path) -> str:
    """Two variants of one experiment, seed by seed."""
    file = folder / "small.yaml"
    file.write_text(_EXPERIMENT)
    out = folder / "small"
    out.mkdir()
    run_experiment(read_experiment(file), _EXPERIMENT, folder, out, 1, lambda *_: None, anew=False)
    names = [str(out / "runs" / f"plan={plan}") for plan in ("reserve", "sell-all")]
    sides = paired_sides(*map(Path, names))
    page = comparison_page(*names, [(one.variant, paired(one, other)) for one, other in sides])
    return render(page)


def loaded(_: Path) -> str:
    """Eight seconds of load on two channels; one transaction in ten fails."""
    workloads = tuple(Readings(name, name, (("home001", "home001"),), 0, 1) for name in ("newtown", "glebe"))
    measured, numbers = Measurements(), range(80)
    for number in numbers:
        measured.sent += 1
        second = measured.seconds[number // 10]
        second[0] += 1
        measured.record("lag", 0.001)
        failed = number % 10 == 0
        measured.outcomes[workloads[number % 2].channel]["conflict" if failed else "committed"] += 1
        second[2 if failed else 1] += 1
        second[3] = 20 + number / 2
        if failed:
            measured.first_errors["conflict"] = "validation code MVCC_READ_CONFLICT"
        else:
            measured.record("total", 0.02 + number / 2_000)
    due = tuple(number / 10 for number in numbers)
    share = Share(Path("network.json"), workloads, numbers, due, 30)
    nodes = [
        {"at_s": at, "node": node, "heights": {"newtown": 3 + at}, "transactions": 5.0 * at}
        for at in range(9)
        for node in ("peer0.newtown", "peer0.grid")
    ]
    processes = [
        {"at_s": float(at), "process": name, "cpu_percent": 12.0 + 3 * at, "memory_mb": 80.0 + at}
        for at in range(9)
        for name in ("peer0.newtown", "peer0.grid", "orderer0", "chaincode market.newtown")
    ]
    network = NetworkFile(Path("network.json"), "suburbs", "embedded", (), {})
    options = LoadOptions(rate="constant:10")
    report, began_at = measured.report(8.0, 0.1, 40.0), "2026-06-01T10:00:00+00:00"
    return load_report(summarize(options, network, [share], [report], processes, nodes, began_at))


def paper(_: Path) -> str:
    """All experiments of the paper, of one seed each, and eight days in place of thirty."""
    wanted, opened = experiments(1), sensitivity_experiments(1)
    outcomes = run_all(list(dict.fromkeys([*wanted, *opened])), 1, lambda _: None)
    summary = summary_of(outcomes, 1)
    summary["sensitivity"] = sensitivity_of([one for one in outcomes if one.experiment in set(opened)])
    summary["thirty_days"] = thirty_days(days=8)
    return paper_report(json.loads(json.dumps(summary)))


REPORTS = {"simulation": simulated, "forward": forward, "comparison": compared, "load": loaded}
