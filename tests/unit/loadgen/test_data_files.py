# SPDX-License-Identifier: Apache-2.0
"""A simulation's tables hold what its bills do, to the nAUD and Wh, and overwrite nobody's files."""

import csv
from collections import Counter
from datetime import date

import pytest
from commonwatt_chaincode.market.parameters import Parameters
from commonwatt_client.exit_codes import UsageError
from commonwatt_loadgen.inprocess import InProcessMarket
from commonwatt_loadgen.simulate.data_files import COLUMNS, DataFiles, data_files
from commonwatt_loadgen.simulate.inprocess import community_in_process
from commonwatt_loadgen.simulate.options import SimulationOptions
from commonwatt_loadgen.simulate.people import agents_of, draw_homes
from commonwatt_loadgen.simulate.summary import Tally
from commonwatt_loadgen.simulate.tables import MOST_HOME_DAYS, remove_data, require_own_tables
from commonwatt_loadgen.traces import default_types

DAYS = 3


def rows_of(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def traded(tmp_path_factory):
    """Three days of homes whose batteries hold energy at midnight, so that they sell before an interval ends."""
    folder = tmp_path_factory.mktemp("tables")
    rules = Parameters(spill_policy="FEED_IN", storage_from_grid=True, eta_c_ppm=950_000, eta_d_ppm=930_000)
    options = SimulationOptions(homes=12, days=DAYS, share_percent=40, battery="sell-all")
    names = [f"home{number:03d}" for number in range(1, 13)]
    homes = draw_homes(options, names, default_types(), 3)
    agents = agents_of(options, homes, rules, {}, 3)
    market, tally = InProcessMarket(rules, 1_000_000), Tally(homes, rules)
    days = []
    with DataFiles(folder, homes, rules, 1_000_000, date(2024, 2, 28)) as tables:
        for day in range(DAYS):
            days.append(market.run_day(agents, day))
            tally.add(days[-1])
            tables.add(days[-1], tally.without_naud)
    return folder, days, tally.summary()


def test_intervals_add_up_to_the_bills(traded):
    folder, days, _ = traded
    amounts, sold, bought = Counter(), Counter(), Counter()
    for row in rows_of(folder / "homes.csv"):
        key = row["home"], row["start"][:10]
        amounts[key] += int(row["amount_naud"])
        sold[key] += int(row["sold_wh"])
        bought[key] += int(row["bought_wh"])
    bills = rows_of(folder / "bills.csv")
    assert len(bills) == 12 * DAYS
    for bill in bills:
        key = bill["home"], bill["day"]
        assert amounts[key] == int(bill["amount_naud"])
        assert sold[key] == int(bill["sold_wh"])
        assert bought[key] == int(bill["bought_p2p_wh"])
    assert {bill["day"] for bill in bills} == {"2024-02-28", "2024-02-29", "2024-03-01"}
    assert sum(amounts.values()) == sum(one.amount_naud for day in days for one in day.bills.values())


def test_bills_state_what_each_day_saved(traded):
    folder, _, summary = traded
    saved = Counter()
    for bill in rows_of(folder / "bills.csv"):
        assert int(bill["saved_naud"]) == int(bill["same_equipment_naud"]) - int(bill["amount_naud"])
        saved[bill["home"]] += int(bill["saved_naud"])
    assert saved == {home["home"]: home["saved_naud"] for home in summary["homes"]}


def test_trades_and_rounds_are_all_there(traded):
    folder, days, summary = traded
    trades, rounds = rows_of(folder / "trades.csv"), rows_of(folder / "rounds.csv")
    assert len(trades) == summary["totals"]["fills"]
    assert len(rounds) == sum(len(day.rounds) for day in days) == len({one["round"] for one in rounds})
    traded_wh = Counter()
    for trade in trades:
        assert int(trade["amount_naud"]) == int(trade["energy_wh"]) * int(trade["price_uaud_per_kwh"])
        traded_wh[trade["round"]] += int(trade["energy_wh"])
    for one in rounds:
        assert traded_wh[one["round"]] == int(one["bought_wh"])
    assert {tuple(rows_of(folder / f"{name}.csv")[0]) for name in COLUMNS} == set(COLUMNS.values())


def test_a_sale_counts_in_the_interval_that_runs_when_its_round_opens(traded):
    folder, _, _ = traded
    intervals = {}
    for row in rows_of(folder / "homes.csv"):
        intervals.setdefault(row["home"], []).append(row)
    expected = Counter()
    for trade in rows_of(folder / "trades.csv"):
        midnight = trade["time"].endswith("T00:00")
        running = next(
            row
            for row in intervals[trade["seller"]]
            if (row["end"] == trade["time"] if midnight else row["start"] <= trade["time"] < row["end"])
        )
        expected[trade["seller"], running["start"]] += int(trade["energy_wh"])
    told = {(home, row["start"]): int(row["sold_wh"]) for home, rows in intervals.items() for row in rows}
    assert {key: sold_wh for key, sold_wh in told.items() if sold_wh} == expected


def test_a_battery_holds_what_its_intervals_leave(traded):
    folder, _, _ = traded
    for row in rows_of(folder / "homes.csv"):
        served = int(row["use_wh"]) - int(row["generation_wh"]) - int(row["own_wh"]) + int(row["charged_wh"])
        assert served == int(row["need_wh"]) - int(row["spill_wh"])
        assert int(row["need_wh"]) == int(row["bought_wh"]) + int(row["grid_wh"])


def test_homes_have_their_names_and_only_their_owner_reads_them(tmp_path):
    options = SimulationOptions(share_percent=50)
    users = {f"h-{place}f3a{place}": f"home{place:03d}" for place in range(1, 5)}
    community_in_process(options, default_types(), 0, users=users, folder=tmp_path)
    for name in COLUMNS:
        path = tmp_path / f"{name}.csv"
        assert path.stat().st_mode & 0o777 == 0o600
        rows = rows_of(path)
        field = "home" if "home" in rows[0] else "buyer"
        assert {row[field] for row in rows} <= set(users.values())
    assert any("h-1f3a1" in row["round"] for row in rows_of(tmp_path / "rounds.csv"))


def test_a_failed_simulation_leaves_no_table(tmp_path):
    with pytest.raises(RuntimeError), DataFiles(tmp_path, [], Parameters(), 0, date(2024, 1, 1)):
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_files_of_others_are_refused_and_kept(tmp_path):
    (tmp_path / "homes.csv").write_text("name,street\n")
    with pytest.raises(UsageError, match=r"homes\.csv: is no table"):
        require_own_tables(tmp_path)
    remove_data(tmp_path)
    assert (tmp_path / "homes.csv").read_text() == "name,street\n"


def test_long_runs_write_tables_only_when_asked(tmp_path):
    options = SimulationOptions(homes=2, days=1, out=tmp_path)
    community_in_process(options, default_types(), 0, folder=tmp_path)
    require_own_tables(tmp_path)
    assert {file.name for file in tmp_path.iterdir()} == {f"{name}.csv" for name in COLUMNS}
    long = SimulationOptions(days=MOST_HOME_DAYS + 1)
    with data_files(long, tmp_path, [None], Parameters(), 0, date(2024, 1, 1)) as tables:
        assert tables is None
    assert list(tmp_path.iterdir()) == []  # tables of another run would belie the new summary
    wanted = SimulationOptions(days=MOST_HOME_DAYS + 1, data=True)
    assert isinstance(data_files(wanted, tmp_path, [], Parameters(), 0, date(2024, 1, 1)), DataFiles)
