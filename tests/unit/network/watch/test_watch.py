# SPDX-License-Identifier: Apache-2.0
"""What the watch makes of events, logs and metrics; and that the dashboard asks for metrics that there are."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import yaml
from commonwatt_client import ChaincodeEvent, FilteredBlock, FilteredTransaction, ValidationCode
from commonwatt_network.backends.registry import nodes_of
from commonwatt_network.model.layout import Layout
from commonwatt_network.model.state import State
from commonwatt_network.model.topology import load_topology
from commonwatt_network.watch import monitoring
from commonwatt_network.watch.exposition import exposition
from commonwatt_network.watch.market import MarketFigures
from commonwatt_network.watch.nodes import Reading, parse
from commonwatt_network.watch.refusals import RefusalLog
from commonwatt_network.watch.subject import OwnNetwork
from commonwatt_network.watch.watcher import RATE_WINDOW_S, ChannelFigures

# Of Fabric's metrics reference. The embedded network offers some of them, under the same names.
FABRIC = {
    "up", "ledger_blockchain_height", "ledger_block_processing_time_sum", "ledger_block_processing_time_count",
    "endorser_proposals_received", "endorser_successful_proposals", "endorser_endorsement_failures",
    "consensus_etcdraft_leader_changes", "consensus_etcdraft_is_leader", "consensus_BFT_is_leader",
}  # fmt: skip
OPENED = {
    "round": "01351640000-home001",
    "auction": "per_request",
    "tou_uaud_per_kwh": 300_000,
    "sell_price_uaud_per_kwh": 119_000,
}
CLEARED = {
    "round": "01351640000-home001",
    "state": "CLEARED",
    "minute": 725,
    "closed_at": 1_351_732_500,
    "totals": {"fills": 1, "p2p_energy_wh": 400, "p2p_amount_naud": 48_000_000, "tou_uaud_per_kwh": 300_000},
}


def test_a_round_is_counted_from_its_opening_to_its_trades() -> None:
    market = MarketFigures()
    market.fold("round_opened", json.dumps(OPENED).encode())
    figures = market.to_json()
    assert (figures["open_rounds"], figures["requests"], figures["readings"]) == (1, 1, 1)
    market.fold("round_cleared", json.dumps(CLEARED).encode())
    figures = market.to_json()
    assert (figures["open_rounds"], figures["trades"], figures["traded_wh"]) == (0, 1, 400)
    assert figures["sell_price_uaud_per_kwh"] == 119_000
    assert [
        (one["minute"], one["closed_at"], one["fills"], one["p2p_energy_wh"]) for one in figures["recent"]
    ] == [(725, 1_351_732_500, 1, 400)]


def test_requests_of_many_homes_come_by_themselves() -> None:
    market = MarketFigures()
    market.fold(
        "round_opened", json.dumps(OPENED | {"round": "00000001", "auction": "fixed_rounds"}).encode()
    )
    for name in ("request_submitted", "reading_reported", "offer_submitted"):
        market.fold(name, b'{"round":"00000001"}')
    for new in (True, False):
        market.fold("home_registered", json.dumps({"new": new, "changed": True}).encode())
    figures = market.to_json()
    counts = [figures[name] for name in ("requests", "readings", "offers", "homes", "trades")]
    assert counts == [1, 1, 1, 1, 0]


def test_events_of_other_contracts_are_left_alone() -> None:
    market = MarketFigures()
    for name, payload in (
        ("transfer", b"{}"),
        ("round_cleared", b"not JSON"),
        ("round_cleared", b"[" * 100_000),
        ("to_json", b"{}"),
        ("fold", b"[]"),
    ):
        market.fold(name, payload)
    assert market == MarketFigures()


def test_refusals_are_counted_as_the_log_grows(tmp_path: Path) -> None:
    path = tmp_path / "market.newtown.log"
    log = RefusalLog(path)
    log.read()
    line = "2026-11-23 10:00:00 INFO commonwatt_chaincode.shim.session transaction 0a1b on newtown refused: forbidden\n"
    path.write_text(line + line[:40])
    log.read()
    with path.open("a") as file:
        file.write(line[40:])
    log.read()
    assert log.counts == {("newtown", "forbidden"): 2}
    path.write_text(line)  # put away, and begun anew
    log.read()
    assert log.counts == {("newtown", "forbidden"): 3}


def test_the_question_that_starts_a_network_is_no_refusal(tmp_path: Path) -> None:
    path = tmp_path / "market.newtown.log"
    path.write_text("... transaction 0a1b on newtown refused: not_configured\n")
    log = RefusalLog(path)
    log.read()
    assert log.counts == {}


def block(number: int, *codes: ValidationCode, events: int = 0) -> FilteredBlock:
    """A filtered block whose every transaction set off so many events of the market, and one of another chaincode."""
    transactions = []
    for place, code in enumerate(codes):
        names = [*["market"] * events, "kv"]
        told = tuple(ChaincodeEvent(number, f"t{place}", name, "e", b"") for name in names)
        transactions.append(FilteredTransaction(f"t{place}", "ENDORSER_TRANSACTION", code, told))
    return FilteredBlock("newtown", number, tuple(transactions))


def test_the_past_is_no_present_rate() -> None:
    figures = ChannelFigures()
    figures.connected(3)
    for number in range(3):
        figures.take(block(number, ValidationCode.VALID, ValidationCode.VALID), ["market"], 100.0)
    assert figures.transactions["VALID"] == 6
    assert figures.transactions_per_s(100.0) == 0
    figures.take(block(3, ValidationCode.VALID, ValidationCode.MVCC_READ_CONFLICT), ["market"], 100.0)
    assert figures.transactions_per_s(100.0) == 1 / RATE_WINDOW_S
    figures.connected(9)  # the network went away and came back with more blocks
    figures.take(block(4, ValidationCode.VALID), ["market"], 101.0)
    assert figures.transactions_per_s(101.0) == 1 / RATE_WINDOW_S


def test_counters_wait_until_the_past_is_read() -> None:
    figures = ChannelFigures()
    assert not figures.complete
    figures.connected(2)
    figures.take(block(0, ValidationCode.VALID, events=2), ["market"], 0.0)
    assert not figures.complete
    figures.take(block(1, ValidationCode.VALID, ValidationCode.MVCC_READ_CONFLICT, events=1), ["market"], 0.0)
    figures.events = 2
    assert not figures.complete, "a market's event is still to come"
    figures.events = 3
    assert figures.complete
    figures.take(block(2, ValidationCode.VALID, events=1), ["market"], 0.0)
    assert figures.complete
    unread = snapshot()
    unread["channels"]["newtown"]["complete"] = False
    assert not [
        line for line in exposition(unread).splitlines() if line.startswith("commonwatt_transactions")
    ]
    assert [line for line in exposition(unread).splitlines() if line.startswith("commonwatt_node_up")]


def test_metrics_tell_heights_and_the_leader() -> None:
    peer = parse(
        '# HELP x\nledger_blockchain_height{channel="newtown"} 12\nnonsense\nendorser_proposals_received 3\n'
    )
    orderer = parse('consensus_etcdraft_is_leader{channel="newtown"} 1\n')
    reading = Reading({"peer0": peer, "orderer0": orderer})
    assert reading.heights("newtown", ["peer0", "peer1"]) == {"peer0": 12, "peer1": None}
    assert reading.leader("newtown", ["orderer1", "orderer0"]) == "orderer0"
    assert reading.work("peer0") == {"commit_ms": 0.0, "not_endorsed": 3.0}


def snapshot() -> dict[str, Any]:
    node = {
        "name": 'odd"name',
        "kind": "peer",
        "organization": "o",
        "state": "running",
        "certificate_days_left": 9,
    }
    market = MarketFigures()
    market.fold("round_cleared", json.dumps(CLEARED).encode())
    figures = {
        "complete": True, "transactions": {"VALID": 2}, "leader_changes": 1,
        "refusals": {"forbidden": 4}, "market": market.to_json(),
    }  # fmt: skip
    return {"nodes": [node], "channels": {"newtown": figures}}


def test_figures_in_prometheus_format() -> None:
    lines = exposition(snapshot()).splitlines()
    assert 'commonwatt_certificate_days_left{node="odd\\"name",kind="peer",organization="o"} 9' in lines
    assert 'commonwatt_market_traded_energy_wh_total{channel="newtown"} 400' in lines
    assert 'commonwatt_refusals_total{channel="newtown",code="forbidden"} 4' in lines
    assert not [line for line in lines if "buy_price" in line and not line.startswith("#")], (
        "no price, no sample"
    )
    names = [line.split()[2] for line in lines if line.startswith("# TYPE")]
    assert len(names) == len(set(names))


def own_network(topology: str, backend: str) -> OwnNetwork:
    layout, state = Layout(Path("/network")), State(load_topology(topology), backend, 16000)
    return OwnNetwork(layout, state, nodes_of(layout, state))


def test_dashboard_and_alerts_ask_for_metrics_that_there_are() -> None:
    ours = {line.split()[2] for line in exposition(snapshot()).splitlines() if line.startswith("# TYPE")}
    files = monitoring.render(own_network("three-orderers", "native"))
    assert files == monitoring.render(own_network("three-orderers", "native"))
    dashboard = json.loads(files["dashboard.json"])
    queries = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", ())]
    rules = yaml.safe_load(files["alerts.yml"])["groups"][0]["rules"]
    for query in queries + [rule["expr"] for rule in rules]:
        named = set(re.findall(r"\b(?:commonwatt|ledger|endorser|consensus)_\w+|\bup\b", query))
        assert named, query
        assert named <= ours | FABRIC, query
        assert query.count("(") == query.count(")")
    numbers = [panel["id"] for panel in dashboard["panels"]]
    assert len(numbers) == len(set(numbers))
    assert dashboard["templating"]["list"][1]["query"] == "newtown,glebe"


def test_prometheus_asks_every_node_where_the_backend_puts_it() -> None:
    for backend, host in (("native", "127.0.0.1"), ("compose", "127.0.0.1"), ("kubernetes", "peer0.newtown")):
        files = monitoring.render(own_network("default", backend))
        configured = yaml.safe_load(files["prometheus.yml"])["scrape_configs"]
        targets = {entry["labels"]["node"]: entry["targets"] for entry in configured[0]["static_configs"]}
        assert sorted(targets) == ["orderer0", "peer0.grid", "peer0.newtown"]
        assert targets["peer0.newtown"] == [f"{host}:16004"]
