# SPDX-License-Identifier: Apache-2.0
"""The day of three homes on docs/market.md: cases, figures and tables, computed from docs/market-day/day.json.

``python -m tests.support.market_day`` writes the cases beside it and the tables into the page anew.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import typer
from commonwatt_audit.cli import register
from commonwatt_chaincode.market.forward.balances import Metered
from commonwatt_chaincode.market.forward.bids import OFFER, REQUEST, Bid, Connection, bid_id, judge
from commonwatt_chaincode.market.forward.envelopes import Caps, Envelope, caps
from commonwatt_chaincode.market.forward.estimates import estimated_import_wh
from commonwatt_chaincode.market.forward.gaps import spread
from commonwatt_chaincode.market.forward.gates import Times, gate_s, window_opens_s
from commonwatt_chaincode.market.forward.periods import Period, periods_of_day
from commonwatt_chaincode.market.forward.readings import MEASURED, METER, Reading
from commonwatt_chaincode.market.forward.settlement import Line, Terms, resettle
from commonwatt_chaincode.market.forward.tariffs import (
    Band,
    Days,
    PeriodTariff,
    Schedule,
    Version,
    check_version,
    tariff_of,
)

from .command_line import invoke

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "market.md"
FOLDER = ROOT / "docs" / "market-day"

CENT_NAUD = 10**7
TABLE = re.compile(r"(<!-- day: (\S+) -->\n)(.*?)(<!-- end -->)", re.DOTALL)
Json = dict[str, Any]
Run = Callable[[str, Json], Json]


def commands() -> Run:
    """`commonwatt clear`, `settle` and `bill`, as a function of the verb and the case."""
    app = typer.Typer()
    register(app)

    def run(verb: str, case: Json) -> Json:
        ended = invoke(app, [verb, "-"], json.dumps(case))
        assert ended.exit_code == 0, ended.stderr
        result: Json = json.loads(ended.stdout)
        return result

    return run


class Day:
    """The day as its file tells it, and what the commands make of it."""

    def __init__(self, told: Json, run: Run) -> None:
        self.told = told
        self.homes = sorted(told["homes"])
        self.offsets = ((0, told["utc_offset_min"]),)
        self.times = Times()
        bands = tuple(Band(**band) for band in told["bands"])
        every_day = Schedule(Days(tuple(range(7)), holidays=True), bands)
        self.version = Version(0, 0, (every_day,), told["local_fee"], told["supply_naud_per_day"])
        check_version(self.version, told["period_min"])
        self.periods = {
            f"{hour:02d}": period
            for hour, period in enumerate(
                periods_of_day(told["day"], ((0, told["period_min"]),), self.offsets)
            )
        }
        self.cases: dict[str, Json] = {}
        self.clearings: dict[str, Json] = {}
        self.settlements: dict[str, Json] = {}
        for hour in self.periods:
            self.cases[hour] = self._to_clear(hour)
            self.clearings[hour] = run("clear", self.cases[hour])
            self.cases[hour] |= self._to_settle(hour)
            self.settlements[hour] = run("settle", self.cases[hour])
        self.to_bill = {home: self._to_bill(home) for home in self.homes}
        self.to_bill["later"] = self._later()
        self.bills = {name: run("bill", case) for name, case in self.to_bill.items()}

    def tariff(self, hour: str) -> PeriodTariff:
        """The band and prices of an hour."""
        period = self.periods[hour]
        opens_s = window_opens_s(period, self.times)
        return tariff_of(period, (self.version,), (), self.offsets, opens_s)

    def said(self, hour: str) -> Json:
        """The bids and readings of an hour; a quiet one is like the others of its band."""
        quiet = {"bids": [], "readings": self.told["quiet"][self.tariff(hour).band.name]}
        told: Json = self.told["hours"].get(hour, quiet)
        return told

    def caps(self, hour: str, home: str) -> Caps:
        """The envelope of a home in an hour."""
        published = [
            Envelope(
                one["home"],
                self.periods[f"{one['from']:02d}"].id,
                self.periods[f"{one['to']:02d}"].id,
                None,
                one["export_w"],
                0,
            )
            for one in self.told["envelopes"]
        ]
        period = self.periods[hour]
        return caps(published, home, period, gate_s(period, self.times))

    def bids(self, hour: str) -> list[Bid]:
        """What the homes asked for and offered."""
        return [Bid(seq=1, **one) for one in self.said(hour)["bids"]]

    def line(self, hour: str, home: str) -> Line:
        """What an hour came to for a home."""
        return Line(**self.settlements[hour]["lines"][home])

    def metered(self, hour: str, home: str) -> Metered:
        """What a home contracted in an hour, and what its meter counted."""
        return Metered(**next(one for one in self.cases[hour]["homes"] if one["home"] == home))

    def alone_naud(self, home: str) -> int:
        """What the same readings cost without a market, supply included."""
        naud = self.version.supply_naud_per_day
        for hour in self.periods:
            prices, metered = self.tariff(hour).prices, self.metered(hour, home)
            naud += metered.import_wh * prices.tou - metered.allowed_export_wh * prices.feed_in
        return naud

    def _to_clear(self, hour: str) -> Json:
        period, tariff = self.periods[hour], self.tariff(hour)
        connections = {home: Connection(**told) for home, told in self.told["homes"].items()}
        envelopes = {home: self.caps(hour, home) for home in self.homes}
        judged = judge(self.bids(hour), period, tariff.prices, connections, envelopes)
        assert not judged.refused
        return {
            "market": "forward",
            "pricing": "mid_market",
            "tariff": tariff.prices._asdict(),
            "requests": [
                {"id": one.id, "home": one.home, "wh": one.energy_wh, "limit": one.price_uaud_per_kwh}
                for one in judged.requests
            ],
            "offers": [
                {"id": one.id, "home": one.home, "wh": one.energy_wh, "price": one.price_uaud_per_kwh}
                for one in judged.offers
            ],
        }

    def _to_settle(self, hour: str) -> Json:
        clearing, period = self.clearings[hour], self.periods[hour]
        homes: list[Json] = []
        bids = {bid.home: bid_id(period.id, bid) for bid in self.bids(hour)}
        for home in self.homes:
            bid = bids.get(home, "")
            one: Json = {
                "home": home,
                "bought_wh": clearing["bought"].get(bid, 0),
                "sold_wh": clearing["sold"].get(bid, 0),
            }
            if home in self.said(hour)["readings"]:
                one["import_wh"], one["export_wh"] = self.said(hour)["readings"][home]
            else:
                one |= {"import_wh": self._estimated_wh(period, home, one), "export_wh": 0, "estimated": True}
            cap_wh = self.caps(hour, home).export_wh
            homes.append(one if cap_wh is None else one | {"export_cap_wh": cap_wh})
        return {"clearing": {"price": clearing["price"]}, "sharing": {"mode": "dynamic"}, "homes": homes}

    def _estimated_wh(self, period: Period, home: str, one: Json) -> int:
        told = self.told["estimate"]
        assert told["home"] == home
        past = [(Period(period.id - 24 * 60, period.length_min), told["highest_wh"])]
        return estimated_import_wh(period, past, self.offsets, one["bought_wh"], 1_500)

    def _to_bill(self, home: str) -> Json:
        return {
            "market": "forward",
            "home": home,
            "day": self.told["day"],
            "supply_naud": self.version.supply_naud_per_day,
            "periods": [
                {
                    "period": period.id,
                    "period_min": period.length_min,
                    "band": self.tariff(hour).band.name,
                    "tariff": self.tariff(hour).prices._asdict(),
                    "quality": "estimated" if self.metered(hour, home).estimated else "measured",
                    "metered": next(one for one in self.cases[hour]["homes"] if one["home"] == home),
                    "line": self.line(hour, home)._asdict(),
                }
                for hour, period in self.periods.items()
            ],
        }

    def _later(self) -> Json:
        """The adjustment, alone on a bill, once the meter's running totals say what the silent hour was."""
        gap = self.told["gap"]
        hour, home = gap["hour"], gap["home"]
        before = Reading(home, METER, MEASURED, 1, 1, 400, 0, gap["import_total_before_wh"], 0)
        after = Reading(
            home, METER, MEASURED, 1, 1, gap["import_after_wh"], 0, gap["import_total_after_wh"], 0
        )
        (found,) = spread([self.periods[hour]], before, after)
        metered = self.metered(hour, home)._replace(
            import_wh=found.import_wh, export_wh=found.export_wh, estimated=False
        )
        prices, billed = self.tariff(hour).prices, self.line(hour, home)
        corrected = resettle(metered, billed, Terms(prices, self.clearings[hour]["price"]))
        return {
            "market": "forward",
            "home": home,
            "day": self.told["day"] + 3,
            "periods": [],
            "adjustments": [
                {
                    "period": self.periods[hour].id,
                    "reason": "gap",
                    "tariff": prices._asdict(),
                    "before": billed._asdict(),
                    "after": corrected._asdict(),
                }
            ],
        }


def files(day: Day) -> dict[str, str]:
    """The cases as the files of the folder hold them: every hour that the page tells, and the bills."""
    cases = {f"{hour}-00.json": day.cases[hour] for hour in day.told["hours"]}
    cases |= {f"bill-{name}.json": case for name, case in day.to_bill.items()}
    return {name: _laid_out(case) for name, case in cases.items()}


def tables(day: Day) -> dict[str, str]:
    """Every table of the page, by its name."""
    found = {"tariff": _table(_tariff(day)), "quiet": _table(_quiet(day)), "bills": _table(_bills(day))}
    found |= {f"{hour}:00": _table(_hour(day, hour)) for hour in day.told["hours"]}
    found |= {f"statement-{name}": _table(_statement(day, name)) for name in day.bills}
    return found | {"case": f"```json\n{_laid_out(day.cases['18'])}```"}


def figures(day: Day, hour: str) -> set[str]:
    """Every figure with its unit that the words about an hour may name."""
    bids, metered = day.bids(hour), [day.metered(hour, home) for home in day.homes]
    lines = [day.line(hour, home) for home in day.homes]
    prices = day.tariff(hour).prices
    energies = [bid.energy_wh for bid in bids]
    energies += [sum(bid.energy_wh for bid in bids if bid.kind == kind) for kind in (REQUEST, OFFER)]
    energies += [wh for one in metered for wh in (one.bought_wh, one.sold_wh, one.import_wh, one.export_wh)]
    energies += [wh for line in lines for wh in line[:5]]
    energies += [sum(one.bought_wh for one in metered), sum(line.shared_in_wh for line in lines)]
    found = {f"{_wh(wh)} Wh" for wh in energies}
    found |= {f"{_wh(one['export_w'])} W" for one in day.told["envelopes"] if one["from"] == int(hour)}
    return found | {f"{_cents(1_000 * price)} c" for price in (*prices, prices.middle)}


def page_with(page: str, computed: Mapping[str, str]) -> str:
    """The page with every table as it is computed."""
    return TABLE.sub(lambda found: f"{found[1]}\n{computed[found[2]]}\n\n{found[4]}", page)


def _table(rows: Iterable[Iterable[str]]) -> str:
    head, *body = ([*row] for row in rows)
    lines = [head, ["---"] + ["---" if name == "bid" else "---:" for name in head[1:]], *body]
    return "\n".join(f"| {' | '.join(row)} |" for row in lines)


def _tariff(day: Day) -> Iterator[list[str]]:
    yield ["band", "hours", "the grid's price", "feed-in", "local fee", "middle price"]
    hours: dict[str, list[str]] = {}
    for hour in day.periods:
        hours.setdefault(day.tariff(hour).band.name, []).append(hour)
    for band, of_band in hours.items():
        prices = day.tariff(of_band[0]).prices
        of_kwh = [prices.tou, prices.feed_in, prices.local_fee, prices.middle]
        yield [band, _spans(of_band), *(f"{_cents(1_000 * price)} c" for price in of_kwh)]


def _quiet(day: Day) -> Iterator[list[str]]:
    yield ["band", "quiet hours", *(f"{home.title()} takes (Wh an hour)" for home in day.homes)]
    quiet: dict[str, list[str]] = {}
    for hour in day.periods:
        if hour not in day.told["hours"]:
            quiet.setdefault(day.tariff(hour).band.name, []).append(hour)
    for band, hours in quiet.items():
        taken = [_wh(day.metered(hours[0], home).import_wh) for home in day.homes]
        yield [band, f"{len(hours)}", *taken]


def _hour(day: Day, hour: str) -> Iterator[list[str]]:
    """A row a home; columns in which nothing happens are left out."""
    bids = {bid.home: bid for bid in day.bids(hour)}
    columns: dict[str, list[str]] = {"": [home.title() for home in day.homes] + ["**all**"]}
    lines = [day.line(hour, home) for home in day.homes]
    metered = [day.metered(hour, home) for home in day.homes]

    def energy(name: str, amounts: list[int]) -> None:
        if any(amounts):
            columns[name] = [_wh(wh) for wh in [*amounts, sum(amounts)]]

    def money(name: str, amounts: list[int], mark: str = "") -> None:
        if any(amounts):
            columns[name] = [f"{mark}{_cents(naud)}{mark}" for naud in [*amounts, sum(amounts)]]

    if bids:
        columns["bid"] = [_bid(bids[home]) if home in bids else "none" for home in day.homes] + [""]
    energy("contract, Wh", [one.bought_wh - one.sold_wh for one in metered])
    energy("meter, Wh", [one.import_wh - one.export_wh for one in metered])
    for row, one in enumerate(metered):
        columns["meter, Wh"][row] += " (estimated)" if one.estimated else ""
    energy("shared, Wh", [line.shared_in_wh - line.shared_out_wh for line in lines])
    energy("grid, Wh", [line.grid_in_wh - line.grid_out_wh for line in lines])
    energy("breach, Wh", [line.breach_wh for line in lines])
    money("contract, c", [line.contract_naud for line in lines])
    money("shared, c", [line.shared_naud for line in lines])
    money("grid, c", [line.grid_naud for line in lines])
    money("fee, c", [line.fee_naud for line in lines])
    money("pays, c", [line.amount_naud for line in lines], mark="**")
    yield list(columns)
    yield from map(list, zip(*columns.values(), strict=True))


def _bills(day: Day) -> Iterator[list[str]]:
    yield ["", "import, Wh", "export, Wh", "bill", "without the market", "saved"]
    for home in day.homes:
        metered = [day.metered(hour, home) for hour in day.periods]
        paid, alone = day.bills[home]["bill"]["amount_naud"], day.alone_naud(home)
        yield [
            home.title(),
            _wh(sum(one.import_wh for one in metered)),
            _wh(sum(one.export_wh for one in metered)),
            *(f"{_cents(naud)} c" for naud in (paid, alone, alone - paid)),
        ]


def _statement(day: Day, name: str) -> Iterator[list[str]]:
    statement = day.bills[name]["statement"]
    yield ["line", "Wh", "$"]
    for line in statement["lines"]:
        yield [
            line["text"],
            "" if line["energy_wh"] is None else _wh(line["energy_wh"]),
            _dollars(line["cents"]),
        ]
    if statement["rounding_cents"]:
        yield ["rounding", "", _dollars(statement["rounding_cents"])]
    yield ["**total**", "", f"**{_dollars(statement['total_cents'])}**"]
    yield ["of it GST", "", _dollars(statement["gst_cents"])]


def _bid(bid: Bid) -> str:
    word, bound = ("asks", "up to") if bid.kind == REQUEST else ("offers", "from")
    return f"{word} {_wh(bid.energy_wh)} Wh {bound} {_cents(1_000 * bid.price_uaud_per_kwh)} c"


def _spans(hours: Iterable[str]) -> str:
    """The hours as spans of local time."""
    spans: list[list[int]] = []
    for hour in map(int, hours):
        if spans and spans[-1][1] == hour:
            spans[-1][1] = hour + 1
        else:
            spans.append([hour, hour + 1])
    return ", ".join(f"{first:02d}:00-{last:02d}:00" for first, last in spans)


def _wh(energy_wh: int) -> str:
    return f"{energy_wh:,}"


def _cents(naud: int) -> str:
    """Cents, exactly: trailing zeros are left out, nothing is rounded."""
    hundredths = Fraction(naud * 100, CENT_NAUD)
    assert hundredths.denominator == 1, f"{naud} nAUD has more than two decimals of a cent"
    return f"{hundredths.numerator / 100:.2f}".rstrip("0").rstrip(".")


def _dollars(cents: int) -> str:
    return f"{'-' if cents < 0 else ''}{abs(cents) // 100}.{abs(cents) % 100:02d}"


def _laid_out(case: Json) -> str:
    """JSON with one line for each member of the case, and for each object of its lists."""
    members = []
    for name, value in case.items():
        if isinstance(value, list) and value:
            rows = ",\n".join(f"    {json.dumps(one)}" for one in value)
            members.append(f"  {json.dumps(name)}: [\n{rows}\n  ]")
        else:
            members.append(f"  {json.dumps(name)}: {json.dumps(value)}")
    return "{\n" + ",\n".join(members) + "\n}\n"


def the_day(run: Run) -> Day:
    """The day of the page."""
    return Day(json.loads((FOLDER / "day.json").read_text("utf-8")), run)


if __name__ == "__main__":
    computed = the_day(commands())
    for file_name, text in files(computed).items():
        (FOLDER / file_name).write_text(text, "utf-8")
    PAGE.write_text(page_with(PAGE.read_text("utf-8"), tables(computed)), "utf-8")
