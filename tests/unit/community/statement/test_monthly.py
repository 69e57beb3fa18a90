# SPDX-License-Identifier: Apache-2.0
"""Statements of a month: to the cent, and what they rest on."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from commonwatt_chaincode.market.forward.bills import BandSum, Bill, CarbonLine
from commonwatt_chaincode.market.forward.outside import Outside
from commonwatt_chaincode.market.forward.prices import Prices
from commonwatt_community.statement import read_month
from commonwatt_community.statement.as_csv import statement_csv
from commonwatt_community.statement.as_json import statement_json
from commonwatt_community.statement.as_text import statement_text
from commonwatt_community.statement.attested import AttestedPeriods
from commonwatt_community.statement.carbon import CarbonAccount, carbon_account
from commonwatt_community.statement.monthly import FINAL, PROVISIONAL, statement_of
from commonwatt_community.statement.page import statement_html
from commonwatt_community.statement.reading import read_statement
from hypothesis import given, settings
from hypothesis import strategies as drawn

from ....support.market_month import FIRST_DAY, MarketMonth
from .conftest import StatementOf

JUNE = read_month("2026-06")


def made(june: MarketMonth, bills: list[Bill], home: str = "cy", **given: Any) -> Any:
    return statement_of(bills, (), june.configuration, JUNE, home=home, community="newtown", **given)


async def test_a_month_by_hand(statement: StatementOf) -> None:
    """30 times the day of docs/market.md, its correction, and 8 $ per kW of 0.9 kW."""
    cy = await statement("cy")
    assert cy.total_cents == round(30 * 321.45 - 20.96 + 720) == 10_343
    assert cy.saved_cents == round(30 * 39.8) == 1_194
    assert cy.without_market_cents == 10_343 + 1_194
    # 30 times 255.25 c of grid energy, fees and supply, less 20 c, and the demand charge
    grid_c = 30 * (1_250 * 0.025 + 1_500 * 0.02 + 1_450 * 0.05)
    taxable_c = grid_c + 30 * (3_300 * 0.002 + 110) - 20 + 720
    assert cy.gst_cents == round(taxable_c / 11) == 746
    assert cy.sources == (("estimated", 30), ("substituted", 0), ("measured", 690))
    assert [line.cents for line in cy.lines if line.kind == "adjustment"] == [-21]
    assert (cy.import_wh, cy.export_wh) == (30 * 7_300, 0)


async def test_carbon_is_a_line_that_carries_no_gst(june: MarketMonth) -> None:
    plain = await june.get_bill("cy", FIRST_DAY)
    carbon = CarbonLine(7_250_400, 5_000_000, 225_000_000)
    charged = replace(plain, carbon=carbon, amount_naud=plain.amount_naud + carbon.amount_naud)
    before, after = made(june, [plain]), made(june, [charged])
    (line,) = [one for one in after.lines if one.kind == "carbon"]
    assert (line.cents, line.quantity) == (23, 7_250)
    assert after.total_cents - before.total_cents in (22, 23)
    assert after.gst_cents == before.gst_cents
    assert abs(after.saved_cents - before.saved_cents) <= 1
    for text in (statement_text(after), statement_html(after), statement_csv(after)):
        assert "Carbon quota, 7.250 kg emitted" in text


async def test_the_carbon_account_sums_days_with_a_quota(june: MarketMonth) -> None:
    lines = [CarbonLine(7_250_400, 5_000_000, 225_000_000), CarbonLine(0, 5_000_000, 0), None]
    bills = [
        replace(await june.get_bill("cy", FIRST_DAY + place), carbon=line) for place, line in enumerate(lines)
    ]
    account = carbon_account(bills)
    assert account == CarbonAccount(2, 1, 7_250_400, 10_000_000, 225_000_000)
    told = made(june, bills)
    assert told.carbon == account
    for text in (statement_text(told), statement_html(told)):
        assert "7.250 of 10.000 kg emitted by grid energy, above the quota on 1 of 2 days" in text
    assert ",carbon_days_above,,1," in statement_csv(told)
    assert statement_json(told)["carbon"] == account._asdict()
    without = made(june, [replace(one, carbon=None) for one in bills])
    for told_text in (statement_text(without), statement_html(without), statement_csv(without)):
        assert "arbon" not in told_text
    assert "carbon" not in statement_json(without)


async def test_bought_and_sold_stand_apart_and_have_their_prices(statement: StatementOf) -> None:
    bo = await statement("bo")
    told = {
        (line.kind, line.band): (line.energy_wh, line.price_uaud_per_kwh, line.cents) for line in bo.lines
    }
    assert told["sold", "peak"] == (81_000, 300_000, -2_430)
    assert told["shared_out", "day"] == (45_000, 130_000, -585)
    assert told["grid_out", "day"] == (33_000, 30_000, -99)
    assert told["breach", "day"] == (9_000, 0, 0)
    assert told["grid_in", "night"] == (30_000, 200_000, 600)
    assert bo.battery


def test_final_provisional_and_days_that_are_not_billed(june: MarketMonth) -> None:
    settled = replace(june, final=True)
    bills = [asyncio.run(settled.get_bill("ada", day)) for day in JUNE.days]
    assert made(june, bills, "ada").state == FINAL
    assert made(june, bills[:29], "ada", unbilled=[FIRST_DAY + 29]).state == PROVISIONAL
    assert made(june, [asyncio.run(june.get_bill("ada", FIRST_DAY))], "ada").state == PROVISIONAL
    empty = made(june, [], "ada", unbilled=list(JUNE.days))
    assert (empty.state, empty.total_cents, empty.final_from_s, empty.lines) == (PROVISIONAL, 0, None, ())


def test_bills_that_do_not_belong_together(june: MarketMonth) -> None:
    bill = asyncio.run(june.get_bill("cy", FIRST_DAY))
    for bills in ([bill, bill], [replace(bill, day=FIRST_DAY - 1)]):
        with pytest.raises(ValueError, match="another month, or a day is billed twice"):
            made(june, bills)
    with pytest.raises(ValueError, match="another home's"):
        made(june, [bill], "ada")


QUALITIES = (("estimated", 0), ("substituted", 0), ("measured", 1))
MONEY = drawn.integers(-(10**11), 10**11)
ENERGY = drawn.integers(0, 10**5)


@drawn.composite
def bills(draw: drawn.DrawFn) -> list[Bill]:
    """Bills of a few days with any sums: what adds up must not depend on a market's rules."""
    found = []
    for day in range(draw(drawn.integers(1, 4))):
        bands = []
        for name in draw(drawn.lists(drawn.sampled_from("abc"), max_size=3, unique=True)):
            prices = Prices(draw(drawn.integers(10**5, 10**6)), draw(drawn.integers(-(10**5), 10**5)), 0)
            energy = [draw(ENERGY) for _ in range(9)]
            money = [draw(MONEY) for _ in range(6)]
            traded = draw(drawn.none() | drawn.builds(Outside, ENERGY, ENERGY, MONEY, MONEY))
            bands.append(BandSum(name, prices, *energy, *money, traded))
        supply_naud = draw(drawn.integers(0, 2 * 10**9))
        amount_naud = supply_naud + sum(
            sum(band[-7:-1]) + (band.exchange.amount_naud if band.exchange else 0) for band in bands
        )
        found.append(
            Bill("cy", FIRST_DAY + day, tuple(bands), (), supply_naud, None, QUALITIES, True, draw(MONEY), amount_naud)
        )  # fmt: skip
    return found


@settings(max_examples=100, deadline=None)
@given(bills())
def test_the_lines_of_any_bills_add_up_to_the_cent(june: MarketMonth, drawn_bills: list[Bill]) -> None:
    told = made(june, drawn_bills)
    exact_naud = sum(one.amount_naud for one in drawn_bills)
    assert sum(line.cents for line in told.lines) + told.rounding_cents == told.total_cents
    assert abs(told.total_cents * 10**7 - exact_naud) <= 5 * 10**6
    assert abs(told.rounding_cents) <= (len(told.lines) + 1) // 2 + 1


async def test_attested_is_told_apart_from_final(june: MarketMonth) -> None:
    asked: list[tuple[int, int]] = []

    async def first_day(from_period: int, to_period: int) -> list[tuple[int, int]]:
        asked.append((from_period, to_period))
        day = await june.list_lines(from_period, to_period, "ada")
        return [(line.period, line.version) for line in day] if len(asked) == 1 else []

    found = await read_statement(june, "ada", JUNE, community="newtown", attestations=first_day)
    assert isinstance(found.attested, AttestedPeriods)
    attested, settled = found.attested
    assert len(asked) == len(found.billed) > 1
    assert settled == attested * len(asked) > 0
    assert f"The grid computed {attested} of {settled} settled periods anew" in statement_text(found)
    assert f"periods_attested,,{attested}" in statement_csv(found)
    assert statement_json(found)["attested_periods"] == attested
    assert "settled periods anew" in statement_html(found)
    plain = replace(found, attested=None)
    for told in (statement_text(plain), statement_csv(plain), statement_html(plain), statement_json(plain)):
        assert "attested" not in told


def test_trades_with_other_communities_have_a_line(june: MarketMonth) -> None:
    bill = asyncio.run(june.get_bill("ada", FIRST_DAY))
    band, *others = bill.bands
    traded = band._replace(exchange=Outside(400, 0, 60_000_000, 4_000_000))
    with_trades = replace(bill, bands=(traded, *others), amount_naud=bill.amount_naud + 60_000_000)
    plain, found = made(june, [bill], "ada"), made(june, [with_trades], "ada")
    [line] = [line for line in found.lines if line.kind == "outside"]
    assert (line.energy_wh, line.cents, line.price_uaud_per_kwh) == (400, 6, 150_000)
    assert found.total_cents - plain.total_cents == 6
    assert found.rounding_cents == plain.rounding_cents
    assert "Trades with other communities" in statement_text(found)
    assert "Trades with other communities" in statement_html(found)
