# SPDX-License-Identifier: Apache-2.0
"""Several simulated communities and their exchange: exact to the nAUD, and nothing without links."""

import asyncio
from dataclasses import replace

import pytest
from commonwatt_chaincode.market.exchange.clearing import Link
from commonwatt_chaincode.market.exchange.residual import Level, Residual
from commonwatt_client.exit_codes import UsageError
from commonwatt_loadgen.forward.exchange import InProcessExchange
from commonwatt_loadgen.forward.options import ForwardOptions
from commonwatt_loadgen.forward.region import region_in_process
from commonwatt_loadgen.forward.run import simulate_forward_in_process
from commonwatt_loadgen.report.exchange import exchange_section
from commonwatt_loadgen.simulate.options import SimulationOptions
from commonwatt_loadgen.traces import default_types

from .test_forward_simulation import options_of, summary_of


def test_communities_trade_what_they_leave_over_and_money_and_energy_sum_exactly():
    options = options_of(homes=12, days=1, period=60, link_fee=1.0)
    seeds = (options.run.seed, options.run.seed + 1)
    alone = [summary_of(replace(options, run=replace(options.run, seed=seed))) for seed in seeds]
    cut_off = region_in_process(replace(options, link_limit_w=0), default_types(), alone)
    assert cut_off["gained_naud"] == cut_off["traded_wh"] == 0
    assert all(one["amount_naud"]["with"] == one["amount_naud"]["alone"] for one in cut_off["communities"])
    found = region_in_process(options, default_types(), alone)
    assert found["money_balances"]
    assert found["energy_balances"]
    assert found["traded_wh"] > 0
    assert sum(one["exchange_naud"] for one in found["communities"]) == found["link_fee_naud"] > 0
    for one in found["communities"]:
        assert one["exported_wh"] == sum(
            flow["energy_wh"] for flow in found["flows"] if flow["from"] == one["channel"]
        )
    shown = exchange_section(found)
    assert [len(table.rows) for table in shown.tables] == [2, len(found["flows"])]
    named = [{**one, "channel": row["channel"]} for one, row in zip(alone, found["communities"], strict=True)]
    flows, prices = exchange_section(found, named).figures
    assert flows.svg.count("<title>") == len(found["flows"]), "a ribbon for each flow"
    [flow, *_] = found["flows"]
    [buyer] = [row for row in prices.table.rows if row[0] == flow["to"]]
    [seller] = [row for row in prices.table.rows if row[0] == flow["from"]]
    assert buyer[2] - seller[3] == pytest.approx(1.0) or len(found["flows"]) > 1, "the fee is 1 c/kWh"


async def test_a_round_waits_for_all_and_takes_one_residual_of_each():
    exchange = InProcessExchange(["a", "b"], [Link("a", "b", 100, 0)])
    first = asyncio.ensure_future(exchange.trade(1, Residual("a", (), (Level(5, 40),))))
    await asyncio.sleep(0)
    for stranger in (Residual("a", (), ()), Residual("c", (), ())):
        with pytest.raises(ValueError, match="second residual"):
            await exchange.trade(1, stranger)
    result = await exchange.trade(1, Residual("b", (Level(9, 30),), ()))
    assert await first is result
    assert exchange.flows["a", "b", "energy_wh"] == 30


@pytest.mark.parametrize(
    ("given", "communities", "words"),
    [
        ({"link_fee": 1.0}, 1, "nobody to trade with"),
        ({"link_fee": -1.0}, 2, "--link-fee"),
        ({"link_limit_w": 5}, 2, "counts with --link-fee"),
        ({"link_fee": 1.0, "link_limit_w": -5}, 2, "--link-limit-w"),
    ],
)
def test_links_that_cannot_be(given, communities, words):
    options = ForwardOptions(SimulationOptions(homes=3, days=1), **given)
    with pytest.raises(UsageError, match=words):
        simulate_forward_in_process(options, communities, lambda *_: None)
