# SPDX-License-Identifier: Apache-2.0
"""Routes that the portal and the operators' page read: a home's figures, its statements, and the market's state."""

from typing import Any

from aiohttp import web

from ..market.results import Homes, Standing, read_result
from ..portal.board import due_period, periods_of, reports, shown_periods
from ..portal.routes import POLICY, STATEMENT_STYLE
from ..portal.summary import summary
from ..statement import Statement, read_month, read_statement, statement_csv, statement_html, statement_json
from .operators import get_overview
from .route import Call


async def get_summary(call: Call) -> dict[str, Any]:
    """Today and this month of a home, prices, its trades, what it saved, and CO2 where a factor is set."""
    return summary(await call.parts.homes.read(call.home), call.parts.portal.co2)


async def get_statement(call: Call) -> dict[str, Any]:
    """A home's statement of a month: integers in cents and Wh, and the words of each line."""
    return statement_json(await _statement(call))


async def get_statement_page(call: Call) -> web.Response:
    """A home's statement of a month as a page that prints on one sheet."""
    page = statement_html(await _statement(call), stylesheet=STATEMENT_STYLE)
    return web.Response(
        text=page, content_type="text/html", charset="utf-8", headers={"Content-Security-Policy": POLICY}
    )


async def get_statement_csv(call: Call) -> web.Response:
    """A home's statement of a month as CSV."""
    name = f"statement-{call.values['month']}.csv"
    return web.Response(
        text=statement_csv(await _statement(call)),
        content_type="text/csv",
        charset="utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


async def get_board(call: Call) -> dict[str, Any]:
    """The overview with each period's times, the envelopes of now, and the homes that have not reported."""
    ledger = call.parts.ledger
    standing = read_result(Standing, await ledger.ask("get_configuration", {}))
    configuration, now_s = standing.configuration, standing.now_s
    periods = shown_periods(configuration, now_s)
    span = {"from_period": periods[0].id, "to_period": periods[-1].id + periods[-1].length_min}
    records = (await ledger.json("list_periods", span))["periods"]
    due = due_period(configuration, now_s)
    homes = read_result(Homes, await ledger.ask("list_homes", {})).homes
    readings = await ledger.market.list_messages("reading", due.id)
    running = next(one for one in periods if one.start_s <= now_s < one.end_s)
    return {
        **await get_overview(call),
        "offset_min": next(
            (minutes for from_s, minutes in reversed(configuration.offsets) if from_s <= now_s),
            configuration.offsets[0][1],
        ),
        "periods": periods_of(configuration, periods, records),
        "readings": reports(due, homes, [one.key for one in readings]),
        "envelopes": (await ledger.json("get_envelopes", {"period": running.id}))["envelopes"],
    }


async def _statement(call: Call) -> Statement:
    month = read_month(call.values["month"])
    community = call.parts.portal.community or call.parts.ledger.channel
    return await read_statement(
        call.parts.ledger.market,
        call.home,
        month,
        community=community,
        attestations=call.parts.attestations,
    )
