# SPDX-License-Identifier: Apache-2.0
"""What generators report, merged and checked; what the live page and the nodes' metrics make of it."""

import json
import urllib.request
from dataclasses import replace
from pathlib import Path

import pytest
from commonwatt_client.exit_codes import UsageError
from commonwatt_client.network_file import NetworkFile
from commonwatt_loadgen.errors import IncompleteRun
from commonwatt_loadgen.throughput.generator import Share
from commonwatt_loadgen.throughput.live import LivePage, LiveState
from commonwatt_loadgen.throughput.measure import Measurements
from commonwatt_loadgen.throughput.node_metrics import operations_addresses, parse_metrics
from commonwatt_loadgen.throughput.options import LoadOptions
from commonwatt_loadgen.throughput.report import load_report
from commonwatt_loadgen.throughput.summary import summarize
from commonwatt_loadgen.throughput.workload import Readings

NETWORK = NetworkFile(Path("network.json"), "suburbs", "embedded", (), {})
WORKLOADS = tuple(Readings(name, name, (("home001", "home001"),), 0, 1) for name in ("newtown", "glebe"))


def share(place: int, count: int) -> Share:
    numbers = range(place, 2 * count, 2)
    return Share(Path("network.json"), WORKLOADS, numbers, tuple(float(n) / 10 for n in numbers), 30)


def measured(count: int, failed: int = 0) -> Measurements:
    measurements = Measurements()
    for number in range(count):
        measurements.sent += 1
        measurements.seconds[number // 4][0] += 1
        measurements.record("lag", 0.001)
        channel = WORKLOADS[number % 2].channel
        if number < failed:
            measurements.outcomes[channel]["conflict"] += 1
            measurements.first_errors["conflict"] = "validation code MVCC_READ_CONFLICT"
            measurements.seconds[number // 4][2] += 1
            continue
        measurements.outcomes[channel]["committed"] += 1
        measurements.seconds[number // 4][1] += 1
        measurements.record("total", 0.05)
    return measurements


def summary_of(*measurements: Measurements, options=LoadOptions(rate="constant:4"), cpu_s=0.1, machine=40.0):  # noqa: B008
    shares = [share(place, 8) for place in range(2)]
    reports = [one.report(4.0, cpu_s, machine) for one in measurements]
    nodes = [
        {"at_s": at, "node": "peer0", "heights": {"newtown": 3 + at}, "transactions": 5.0 * at}
        for at in (0, 1, 2)
    ]
    processes = [{"at_s": 1.0, "process": "peer0", "cpu_percent": 12.0, "memory_mb": 80.0}]
    return summarize(options, NETWORK, shares, reports, processes, nodes, "2026-06-01T10:00:00+00:00")


def test_reports_of_several_generators_and_communities_add_up():
    summary = summary_of(measured(8), measured(8, failed=1))
    assert summary["outcomes"]["committed"] == 15
    assert summary["communities"]["newtown"]["outcomes"]["conflict"] == 1
    assert summary["communities"]["glebe"]["outcomes"]["committed"] == 8
    assert summary["committed_per_s"] == 15 / 4
    assert summary["seconds"][0] == [0, 8, 7, 1, 0]
    assert not summary["passed"]
    assert [one["met"] for one in summary["thresholds"]] == [True, False]
    assert summary["generator"]["was_the_limit"] is False


def test_a_lost_transaction_fails_the_run():
    with pytest.raises(
        IncompleteRun, match="generator 2: 8 transactions were planned, 7 sent, 7 are accounted"
    ):
        summary_of(measured(8), measured(7))
    unaccounted = measured(8)
    unaccounted.outcomes["newtown"]["committed"] -= 1
    with pytest.raises(IncompleteRun, match="8 sent, 7 are accounted for"):
        summary_of(measured(8), unaccounted)


def test_a_missing_latency_or_report_fails_the_run():
    short = measured(8)
    short.histograms["total"].reset()
    with pytest.raises(IncompleteRun, match="16 transactions were committed, but 8 latencies measured"):
        summary_of(measured(8), short)
    with pytest.raises(IncompleteRun, match="2 generators were started, 1 reported"):
        summary_of(measured(8))


def test_a_generator_that_can_do_no_more_says_so():
    said = "The generator itself was the limit, not the network"
    busy = summary_of(measured(8), measured(8), cpu_s=3.9)
    assert busy["generator"]["was_the_limit"]
    assert said in load_report(busy)
    assert said not in load_report(summary_of(measured(8), measured(8)))
    late = measured(8)
    for _ in range(50):
        late.record("lag", 0.2)
    assert summary_of(measured(8), late)["generator"]["was_the_limit"]


def test_a_busy_machine_blames_nobody():
    late = measured(8)
    for _ in range(50):
        late.record("lag", 0.2)
    summary = summary_of(measured(8), late, machine=97.0)
    assert (summary["generator"]["was_the_limit"], summary["generator"]["inconclusive"]) == (False, True)
    assert "Inconclusive: this machine was busy (97 % of all processors)" in load_report(summary)
    full = summary_of(measured(8), late, machine=97.0, cpu_s=3.9)
    assert full["generator"]["was_the_limit"], "a generator that fills its own core is the limit anyhow"
    assert not summary_of(measured(8), measured(8), machine=97.0)["generator"]["inconclusive"]


def test_unfinished_work_is_counted():
    behind = measured(8)
    behind.unfinished = 5
    assert summary_of(measured(8), behind)["unfinished"] == 5


def test_every_field_is_defined():
    summary = summary_of(measured(8), measured(8))
    definitions = summary["definitions"]
    assert set(summary) == set(definitions)
    for nested in ("latency_ms", "generator", "outcomes"):
        assert set(summary[nested]) <= set(definitions[nested])
    assert json.loads(json.dumps(summary)) == summary


def test_the_report_shows_nodes_and_communities():
    html = load_report(summary_of(measured(8), measured(8, failed=1)))
    for text in ("glebe", "Transactions validated", "MVCC_READ_CONFLICT", "Blocks", "NOT MET"):
        assert text in html
    assert "NOT MET" not in load_report(summary_of(measured(8), measured(8)))


def test_metrics_of_fabric_are_understood():
    text = """# TYPE ledger_blockchain_height gauge
ledger_blockchain_height{channel="newtown"} 17
ledger_blockchain_height{channel="glebe"} 4
ledger_transaction_count{chaincode="market:1.0",channel="newtown",transaction_type="ENDORSER",validation_code="VALID"} 9
ledger_transaction_count{chaincode="market:1.0",channel="glebe",validation_code="MVCC_READ_CONFLICT"} 1
ledger_block_processing_time_sum{channel="newtown"} 1.5e-01
ledger_block_processing_time_bucket{channel="newtown",le="0.005"} 3
endorser_proposals_received 40
go_goroutines 80
"""
    assert parse_metrics(text) == {
        "heights": {"newtown": 17, "glebe": 4},
        "transactions": 10,
        "block_processing_s": 0.15,
        "proposals": 40,
    }
    content = {
        "organizations": {
            "a": {"peers": [{"name": "peer0.a", "operations_address": "h:1"}, {"name": "peer1.a"}]}
        },
        "orderers": [{"name": "orderer0", "operations_address": "h:2"}],
    }
    assert operations_addresses(content) == {"peer0.a": "h:1", "orderer0": "h:2"}


class NoSampler:
    def heights(self):
        return {"peer0": {"newtown": 5}}


def test_the_live_state_adds_generators_up():
    state = LiveState()
    assert state.snapshot()["state"] == "preparing"
    state.started(16, 2, NoSampler())
    first, second = measured(4), measured(3, failed=1)
    state.told(0, first.progress(1.0, 0.1))
    assert state.snapshot()["rows"] == []
    state.told(1, replace(second.progress(1.0, 0.1), in_flight=2))
    told = state.snapshot()
    assert told["rows"][0]["committed_per_s"] == 6
    assert told["rows"][0]["cpu_percent"] == pytest.approx(20)
    assert (told["outcomes"]["committed"], told["outcomes"]["conflict"], told["in_flight"]) == (6, 1, 2)
    assert told["p50_ms"] == pytest.approx(50, rel=0.01)
    assert told["heights"] == {"peer0": {"newtown": 5}}
    state.finished(False)
    assert state.snapshot()["state"].startswith("FAILED")


def test_the_live_page_is_served_until_its_end_was_seen():
    with LivePage() as page:
        with urllib.request.urlopen(page.url, timeout=5) as answer:
            assert "A network under load" in answer.read().decode()
        page.finished(True)
        with urllib.request.urlopen(page.url + "state", timeout=5) as answer:
            assert json.loads(answer.read())["state"] == "passed"


def test_a_port_in_use_is_refused_in_one_line():
    with LivePage() as page:
        port = int(page.url.rsplit(":", 1)[1].strip("/"))
        with pytest.raises(UsageError, match=f"--ui-port {port}: .*name another port"), LivePage(port):
            pass
