# SPDX-License-Identifier: Apache-2.0
"""Simulated days of the forward market: exact to the nAUD, in the order of time, and to nobody's loss who foresees."""

import asyncio
import csv
import json
from collections import Counter
from dataclasses import replace
from datetime import date

import pytest
from commonwatt_chaincode.market.forward.balances import Metered
from commonwatt_chaincode.market.forward.bids import OFFER, REQUEST, Bid, Connection
from commonwatt_chaincode.market.forward.gates import takes_bids
from commonwatt_chaincode.market.forward.readings import HOME, MEASURED, Reading
from commonwatt_chaincode.market.forward.settlement import Terms, resettle, settle
from commonwatt_chaincode.market.forward.tariffs import Days, Demand
from commonwatt_client.exit_codes import UsageError
from commonwatt_loadgen.forward.agreement import rules_of
from commonwatt_loadgen.forward.community import agents_of, community_in_process, compared, in_process, trade
from commonwatt_loadgen.forward.data_files import COLUMNS
from commonwatt_loadgen.forward.engine import live
from commonwatt_loadgen.forward.inprocess import InProcessForwardMarket
from commonwatt_loadgen.forward.options import ForwardOptions
from commonwatt_loadgen.forward.run import simulate_forward_in_process
from commonwatt_loadgen.forward.tally import ForwardTally
from commonwatt_loadgen.simulate.options import SimulationOptions
from commonwatt_loadgen.simulate.people import draw_homes
from commonwatt_loadgen.traces import default_types

FIRST_DAY = date(2012, 11, 1)


def options_of(
    tmp_path=None, *, homes=12, days=2, share=40.0, forecast="perfect", battery="reserve", **given
):
    run = {"noise_percent": 15.0, "data": tmp_path is not None}
    run |= {name: given.pop(name) for name in ("seed", "storage_wh") if name in given}
    simulated = SimulationOptions(
        homes=homes, days=days, share_percent=share, forecast=forecast, battery=battery, **run
    )
    options = ForwardOptions(simulated, **given)
    options.check()
    return options


def records_of(options, market_of=in_process):
    """The records of all days, with the rules and the agents that lived them."""
    ids = [f"home{number:03d}" for number in range(1, options.run.homes + 1)]
    rules = rules_of(options, ids, options.first_day or FIRST_DAY)
    homes = draw_homes(options.run, ids, default_types(), options.run.seed)
    agents = agents_of(options, homes, rules)

    async def days():
        return [day async for day in live(market_of(rules, agents), rules, agents, options.run.days)]

    return asyncio.run(days()), rules, agents


def summary_of(options, folder=None):
    """The figures of a community, without those of other forecasts and plans beside."""
    ids = [f"home{number:03d}" for number in range(1, options.run.homes + 1)]
    first_day = options.first_day or FIRST_DAY
    rules = rules_of(options, ids, first_day)
    agents = agents_of(options, draw_homes(options.run, ids, default_types(), options.run.seed), rules)
    market = in_process(rules, agents)
    return asyncio.run(trade(options, rules, agents, market, first_day, folder=folder))


@pytest.mark.parametrize("sharing", ["none", "dynamic", "static"])
@pytest.mark.parametrize("pricing", ["mid_market", "uniform"])
def test_nobody_who_foresees_is_worse_off(sharing, pricing):
    for seed, feed_in, period in ((2, ("8", "10-14=-2"), 60), (3, ("5", "17-20=16"), 30)):
        options = options_of(
            sharing=sharing, pricing=pricing, period=period, seed=seed, feed_in=feed_in, local_fee=1.0
        )
        found = summary_of(options)
        assert found["totals"]["bought_wh"] > 0
        assert found["totals"]["imbalance_naud"] == 0
        assert found["key_figures"]["worse_off"]["homes"] == 0
        assert found["totals"]["saved_naud"] > 0


def test_the_comparison_shows_what_errors_and_plans_cost():
    options = options_of(homes=20, period=60)
    rows = community_in_process(options, default_types(), 0)["compared"]
    assert [(one["forecast"], one["battery"]) for one in rows] == [
        ("perfect", "reserve"),
        ("persistence", "reserve"),
        ("yesterday", "reserve"),
        ("weekday-mean", "reserve"),
        ("learnt", "reserve"),
        ("perfect", "sell-all"),
        ("perfect", "none"),
        ("perfect", "mpc"),
    ]
    perfect, persistence, yesterday, *_, sell_all, none, mpc = rows
    assert perfect["imbalance_naud"] == perfect["over_wh"] == perfect["missing_wh"] == 0
    assert (
        0 == perfect["forecast_error_wh"] < yesterday["forecast_error_wh"] < persistence["forecast_error_wh"]
    )
    assert 0 < yesterday["imbalance_naud"] < persistence["imbalance_naud"]
    assert sell_all["traded_wh"] > perfect["traded_wh"]
    assert none["prosumers_saved_naud"] < perfect["prosumers_saved_naud"] < mpc["prosumers_saved_naud"]
    assert mpc["worse_off"] == 0
    too_long = options_of(homes=1, days=2_001)
    assert compared(too_long, [None], None, {}) is None


@pytest.mark.parametrize("sharing", ["none", "dynamic", "static"])
def test_settlement_and_bills_are_those_of_the_rules_alone(sharing):
    """Each period once more by `settle` from its bids' awards and the meters, and each bill from its lines."""
    options = options_of(homes=15, forecast="yesterday", sharing=sharing, export_limit_w=1500)
    days, rules, _ = records_of(options)
    shared_wh = breach_wh = 0
    for day in days:
        amounts = Counter()
        for record in day.periods:
            band, prices, _ = rules.tariff(record.period)
            terms = Terms(prices, record.cleared.price_uaud_per_kwh, sharing, band.sharing_price)
            metered = [
                Metered(
                    home,
                    *(record.cleared.awards[home][:2] if home in record.cleared.awards else (0, 0)),
                    read.import_wh,
                    read.export_wh,
                    750,
                    rules.keys_ppm.get(home, 0),
                )
                for home, read in record.reads.items()
            ]
            expected = settle(metered, terms)
            assert {home: one.line for home, one in record.settled.items()} == expected.lines
            amounts.update({home: line.amount_naud for home, line in expected.lines.items()})
            shared_wh += expected.shared_wh
            breach_wh += sum(line.breach_wh for line in expected.lines.values())
        assert {home: bill.amount_naud for home, bill in day.bills.items()} == dict(amounts)
    assert (shared_wh > 0) == (sharing != "none")
    assert breach_wh > 0


def test_the_baseline_and_the_cost_of_errors_are_those_of_the_rules():
    """Without a market a home settles its meter alone; an error costs what contracts for just its meter would save."""
    options = options_of(
        forecast="persistence", sharing="none", export_limit_w=900, feed_in=("8", "11-14=-3")
    )
    days, rules, agents = records_of(options)
    tally = ForwardTally(agents_of(options, [agent.spec for agent in agents], rules), rules)
    beyond = errors = 0
    for day in days:
        for record, flows in zip(day.periods, tally.add(day), strict=True):
            tariff, price = rules.tariff(record.period), record.cleared.price_uaud_per_kwh
            terms = Terms(tariff.prices, price, "none")
            for home, one in flows.items():
                alone = Metered(home, 0, 0, one.without_import_wh, one.without_export_wh, 450)
                line = settle([alone], terms).lines[home]
                assert one.same_equipment_naud == line.amount_naud
                beyond += line.breach_wh
                settled = record.settled[home]
                cut = settled.metered._replace(bought_wh=one.contract_wh, sold_wh=one.delivered_wh)
                exact = resettle(cut, settled.line, terms).amount_naud
                assert one.imbalance_naud == settled.line.amount_naud - exact
                errors += one.imbalance_naud != 0
    assert beyond > 0
    assert errors > 50


def test_supply_and_demand_are_paid_with_the_market_and_without():
    """The month ends with the second of three days; its peak is the highest import of both days in the window."""
    options = options_of(days=3, homes=4, first_day=date(2012, 11, 29))
    ids = [f"home{number:03d}" for number in range(1, 5)]
    rules = rules_of(options, ids, options.first_day)
    demand = Demand(Days(tuple(range(7)), holidays=True), 1020, 1200, 9_000_000)
    version = replace(rules.tariffs[0], supply_naud_per_day=10**9, demand=demand)
    rules = replace(rules, tariffs=(version,))
    agents = agents_of(options, draw_homes(options.run, ids, default_types(), 1), rules)
    tally = ForwardTally(agents, rules)

    async def days():
        return [day async for day in live(in_process(rules, agents), rules, agents, 3)]

    peaks = Counter()
    for day in asyncio.run(days()):
        for record in day.periods:
            if day.day < 2 and 1020 <= record.minute % 1440 < 1200:
                peaks |= {home: read.import_wh * 2 for home, read in record.reads.items()}
        charged = {home: bill.demand.peak_w for home, bill in day.bills.items() if bill.demand}
        assert charged == ({home: peaks[home] for home in ids} if day.day == 1 else {})
        tally.add(day)
    totals = tally.summary()["totals"]
    assert totals["fixed_naud"] == 12 * 10**9 + sum(peaks.values()) * 9_000_000
    assert totals["money_balances"]
    assert totals["saved_naud"] > 0


@pytest.mark.parametrize("period", [1, 5, 30, 60])
def test_homes_bid_within_the_window_and_know_no_meter_that_still_runs(period):
    """The persistence of a home repeats the last period that was over when it bid."""
    options = options_of(homes=3, days=1, share=0, forecast="persistence", period=period)
    days, rules, agents = records_of(options)
    records = days[0].periods
    lengths = {len(rules.periods(day)) for day in range(3)}
    assert lengths == {1440 // period} == {len(records)}
    home = agents[0].home
    for place, record in enumerate(records):
        said_s = rules.bids_s(record.period)
        assert takes_bids(record.period, rules.times, said_s)
        over = [one for one in records[:place] if one.period.end_s <= said_s]
        bid = next((one for one in record.bids if one.home == home), None)
        last = over[-1].reads[home] if over else None
        assert (bid.energy_wh if bid else 0) == (last.use_wh if last else 0)


@pytest.mark.parametrize(("first_day", "hours"), [(date(2012, 10, 6), 23), (date(2013, 4, 6), 25)])
def test_the_day_on_which_clocks_change_has_an_hour_less_or_more(first_day, hours, tmp_path):
    options = options_of(tmp_path, days=3, clock_zone="Australia/Sydney", first_day=first_day)
    days, rules, _ = records_of(options)
    assert [len(day.periods) for day in days] == [48, 2 * hours, 48]
    ids = [record.period.id for day in days for record in day.periods]
    assert ids == list(range(ids[0], ids[0] + 30 * len(ids), 30)), "no instant is missing, none is twice"
    assert {rules.minute(day.periods[0].period) for day in days} == {0, 1440, 2880}
    summary = summary_of(options, tmp_path)
    assert summary["totals"]["periods"] == len(ids)
    assert summary["totals"]["money_balances"]
    assert summary["totals"]["energy_balances"]
    assert summary["key_figures"]["worse_off"]["homes"] == 0
    starts = Counter(row["start"] for row in rows_of(tmp_path / "periods.csv"))
    assert max(starts.values()) == (2 if hours == 25 else 1)
    assert sum(one["use_wh"] for one in summary["hours"]) == summary["totals"]["use_wh"]


def test_exports_that_cost_are_charged_with_the_market_and_without():
    free, charged = (summary_of(options_of(feed_in=(price,), battery="none")) for price in ("0", "-5"))
    assert charged["totals"]["without_export_wh"] == free["totals"]["without_export_wh"] > 0
    wh = charged["totals"]["without_export_wh"]
    assert charged["totals"]["same_equipment_naud"] - free["totals"]["same_equipment_naud"] == wh * 50_000
    assert charged["key_figures"]["worse_off"]["homes"] == 0
    assert charged["totals"]["saved_naud"] > free["totals"]["saved_naud"]


def test_envelopes_cap_bids_and_flag_meters_and_curtailing_keeps_them(tmp_path):
    path = tmp_path / "envelopes.csv"
    path.write_text(
        "home,from,to,import_w,export_w\n"
        ",10:00,15:00,,1200\n"
        "home001,0:00,24:00,300,\n"
        "home002,2012-11-01T12:00,2012-11-02T00:00,,0\n"
    )
    options = options_of(battery="none", envelopes=path)
    days, *_ = records_of(options)
    bids = [(record, bid) for day in days for record in day.periods for bid in record.bids]
    own = [bid.energy_wh for _, bid in bids if bid.home == "home001" and bid.kind == REQUEST]
    assert max(own) == 150
    noon = [bid.energy_wh for record, bid in bids if bid.kind == OFFER and 600 <= record.minute % 1440 < 900]
    assert noon
    assert max(noon) == 600
    found = summary_of(options)["envelopes"]
    assert found["beyond_export"] > 0
    assert found["beyond_import"] > 0
    assert found["breach_wh"] == sum(one["breach_wh"] for one in found["hours"])
    limits = {one["hour"]: one["export_limit_w"] for one in found["hours"]}
    assert limits[9] is None
    assert limits[10] == 1200
    assert limits[15] == 0
    kept = summary_of(replace(options, curtail=True))
    assert kept["envelopes"]["breach_wh"] == kept["totals"]["breach_wh"] == 0
    assert kept["totals"]["curtailed_wh"] == found["breach_wh"]
    assert kept["key_figures"]["worse_off"]["homes"] == 0


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ("home,from,to\n", "first line"),
        ("home,from,to,import_w,export_w\nhome999,10:00,12:00,,5\n", "line 2: home999 is no home"),
        ("home,from,to,import_w,export_w\n,12:00,10:00,,5\n", "line 2: 12:00 to 10:00"),
        ("home,from,to,import_w,export_w\n,10:00,12:10,,5\n", "line 2: 12:10 is no boundary"),
        ("home,from,to,import_w,export_w\n,10:00,12:00,,-5\n", "line 2: -5 is no power"),
        ("home,from,to,import_w,export_w\n,soon,later,,5\n", "line 2"),
        ("home,from,to,import_w,export_w\n,10:00\n", "line 2"),
    ],
)
def test_envelopes_that_cannot_be_are_refused_by_their_line(tmp_path, rows, told):
    path = tmp_path / "envelopes.csv"
    path.write_text(rows)
    with pytest.raises(UsageError, match=told):
        summary_of(options_of(envelopes=path))


def test_static_keys_are_those_of_the_file_or_equal(tmp_path):
    ids = [f"home{number:03d}" for number in range(1, 13)]
    assert set(rules_of(options_of(sharing="static"), ids, FIRST_DAY).keys_ppm.values()) == {83_333}
    path = tmp_path / "keys.json"
    path.write_text(json.dumps({"home001": 900_000}))
    options = options_of(sharing="static", sharing_keys=path, battery="none", forecast="yesterday")
    found = summary_of(options)
    takers = {one["home"] for one in found["homes"] if one["shared_in_wh"]}
    assert takers <= {"home001"}
    for content, told in (
        ('{"home099": 1}', "home099 is no home"),
        ('{"home001": 600000, "home002": 600000}', "together above"),
        ('{"home001": 1.5}', "no integer"),
        ('["home001"]', "no JSON object"),
        ("{", "is not JSON"),
    ):
        path.write_text(content)
        with pytest.raises(UsageError, match=told):
            rules_of(options, ids, FIRST_DAY)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"sharing": "fair"}, "--sharing fair"),
        ({"pricing": "best"}, "--pricing best"),
        ({"period": 7}, "--period 7"),
        ({"forecast": "oracle"}, "--forecast oracle"),
        ({"battery": "all"}, "--battery all"),
        ({"local_fee": -1.0}, "--local-fee -1"),
        ({"curtail": True}, "--curtail"),
        ({"feed_in": ("ten",)}, "--feed-in ten"),
        ({"feed_in": ("10", "15-10=3")}, "--feed-in 15-10=3"),
        ({"feed_in": ("40",)}, "--feed-in, --local-fee: local_fee"),
        (
            {"clock_zone": "Australia/Lord_Howe", "period": 60, "first_day": date(2012, 10, 6)},
            "--period 60: ",
        ),
        ({"first_day": date(1970, 12, 31)}, "--first-day 1970-12-31"),
        ({"clock_zone": "Australia/Nowhere"}, "--clock-zone Australia/Nowhere"),
        ({"clock_zone": "/etc/passwd"}, "--clock-zone /etc/passwd"),
        ({"carbon_quota": 3.0}, "--carbon-quota, --carbon-price: set both"),
        ({"carbon_quota": -1.0, "carbon_price": 1.0}, "--carbon-quota -1"),
        ({"carbon_quota": 3.0, "carbon_price": -1.0}, "--carbon-price -1"),
        ({"carbon_intensity": ("much",)}, "--carbon-intensity much: is neither"),
        ({"carbon_quota": 3.0, "carbon_price": 1.0, "carbon_intensity": ("-5",)}, "--carbon-intensity: "),
    ],
)
def test_options_that_cannot_be_are_refused(given, told):
    with pytest.raises(UsageError, match=told):
        summary_of(options_of(**given))


def rows_of(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_tables_hold_what_the_summary_does(tmp_path):
    found = summary_of(options_of(tmp_path, forecast="yesterday", export_limit_w=2000), tmp_path)
    homes, periods, bills, pairs = (rows_of(tmp_path / f"{name}.csv") for name in COLUMNS)
    assert {name: tuple(rows_of(tmp_path / f"{name}.csv")[0]) for name in COLUMNS} == COLUMNS
    totals = found["totals"]
    for name in ("use_wh", "bought_wh", "shared_in_wh", "grid_in_wh", "over_wh", "breach_wh"):
        assert sum(int(row[name]) for row in homes) == sum(int(row[name]) for row in periods) == totals[name]
    by_home = Counter()
    for row in homes:
        by_home[row["home"], row["start"][:10]] += int(row["amount_naud"])
    assert by_home == {(row["home"], row["day"]): int(row["amount_naud"]) for row in bills}
    assert sum(int(row["saved_naud"]) for row in bills) == totals["saved_naud"]
    for row in bills:
        parts = (
            "contract_naud",
            "shared_naud",
            "grid_naud",
            "fee_naud",
            "supply_naud",
            "demand_naud",
            "carbon_naud",
        )
        assert sum(int(row[name]) for name in parts) == int(row["amount_naud"])
    traded_wh = sum(int(row["traded_wh"]) for row in pairs)
    assert abs(traded_wh - totals["bought_wh"]) <= len(pairs), "allocation rounds each pair once"
    assert found["pairs"]["pairs"] == len(pairs)
    assert sum(int(row["requests"]) + int(row["offers"]) for row in periods) == sum(
        1 for row in homes if row["bid"]
    )


def test_a_quota_moves_money_among_homes_alone():
    """Energy, trades and savings stay as they are; what homes pay is what homes get and the fund."""
    days = {"homes": 8, "days": 2, "share": 50}
    plain = summary_of(options_of(**days))
    found = summary_of(options_of(**days, carbon_quota=4.0, carbon_price=10.0))
    carbon = found["carbon"]
    assert plain["carbon"] is None
    assert found["totals"]["money_balances"]
    assert found["totals"]["saved_naud"] == plain["totals"]["saved_naud"]
    assert found["totals"]["amount_naud"] - plain["totals"]["amount_naud"] == carbon["fund_naud"]
    assert carbon["emitted_mg"]["with"] == 660 * found["totals"]["grid_in_wh"]
    assert carbon["emitted_mg"]["with"] != carbon["emitted_mg"]["without"]
    assert carbon["paid_naud"] > 0
    assert carbon["shared_naud"] > 0
    assert carbon["paid_naud"] - carbon["shared_naud"] == carbon["fund_naud"] >= 0
    before = {row["home"]: row["amount_naud"] for row in plain["homes"]}
    after = {row["home"]: row["amount_naud"] for row in found["homes"]}
    for row in carbon["homes"]:
        assert after[row["home"]] - before[row["home"]] == row["paid_naud"] - row["got_naud"]


def test_a_home_shares_with_those_that_took_in_its_periods():
    """Two sellers and two buyers: in each period a buyer's energy comes from both sellers in proportion."""
    days, _, _ = records_of(options_of(homes=8, days=1, share=50, battery="none"))
    found = summary_of(options_of(homes=8, days=1, share=50, battery="none"))
    expected = Counter()
    for record in days[0].periods:
        sold = {home: one.metered.sold_wh for home, one in record.settled.items()}
        bought = {home: one.metered.bought_wh for home, one in record.settled.items()}
        for seller, sold_wh in sold.items():
            for buyer, bought_wh in bought.items():
                if sold_wh * bought_wh:
                    expected[seller, buyer] += sold_wh * bought_wh / sum(sold.values())
    for one in found["pairs"]["largest"]:
        assert abs(one["traded_wh"] - expected[one["from"], one["to"]]) <= 0.5


def test_a_day_is_the_same_however_often_it_is_simulated():
    options = options_of(forecast="yesterday")
    first, again = summary_of(options), summary_of(options)
    assert json.dumps(first) == json.dumps(again)
    assert summary_of(replace(options, run=replace(options.run, seed=2))) != first


@pytest.mark.long
def test_communities_draw_with_seeds_of_their_own():
    told = []
    summary = simulate_forward_in_process(
        options_of(homes=4, days=1, period=60), 2, lambda *progress: told.append(progress)
    )
    first, second = summary["communities"]
    assert first["channel"] != second["channel"]
    assert first["totals"] != second["totals"]
    assert len(told) == 2
    with pytest.raises(UsageError, match="--communities 0"):
        simulate_forward_in_process(options_of(), 0, lambda *_: None)


def test_a_market_in_process_refuses_what_the_contract_would():
    options = options_of(homes=2, days=1)
    rules = rules_of(options, ["home001", "home002"], FIRST_DAY)
    market = InProcessForwardMarket(rules, {"home001": Connection(), "home002": Connection(1000)})
    period = rules.periods(0)[20]
    prices = rules.tariff(period).prices
    bids = [
        Bid("home001", 1, REQUEST, 400, prices.ceiling + 1),
        Bid("home002", 1, OFFER, 400, prices.feed_in),
        Bid("stranger", 1, REQUEST, 400, prices.ceiling),
    ]
    cleared = asyncio.run(market.period(period, bids))
    assert {home: award.code for home, award in cleared.awards.items()} == {
        "home001": "price_out_of_bounds",
        "home002": "nothing_to_offer_from",
        "stranger": "not_registered",
    }
    impossible = [Reading(home, HOME, MEASURED, 1, 1, 2_000, 0) for home in ("home001", "home002")]
    with pytest.raises(ValueError, match="home002: its reading"):
        asyncio.run(market.settle(period, impossible))
