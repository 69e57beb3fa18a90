# SPDX-License-Identifier: Apache-2.0
"""Routes of what is one home's own: what it traded, owes, said and wishes."""

from commonwatt_chaincode.market.forward.bills import Bill

from ...market.results import AwardsOfPeriods, Home, HomeLines, Homes, MessageStatus, StandingMessages
from .. import answers, figures, households, reads, speaking
from ..caller import EVERY_ROLE, OPERATORS, RESIDENTS
from ..parameters import DAY, HOME, KIND, OF_PERIOD, ONE_MESSAGE, SPAN
from ..route import Parameter, Route, text

_MONTH = Parameter("month", "query", text("[12][0-9]{3}-(0[1-9]|1[0-2])"), "a calendar month, as 2026-06")

ROUTES: tuple[Route, ...] = (
    Route("GET", "/homes", reads.list_homes, "All registrations", OPERATORS, answer=Homes),
    Route("GET", "/homes/{home}", reads.get_home, "A registration", EVERY_ROLE, (HOME,), answer=Home),
    Route(
        "GET",
        "/homes/{home}/awards",
        reads.list_awards,
        "Results of bids",
        EVERY_ROLE,
        (HOME, *SPAN),
        answer=AwardsOfPeriods,
    ),
    Route(
        "GET",
        "/homes/{home}/lines",
        reads.list_lines,
        "Settled periods",
        EVERY_ROLE,
        (HOME, *SPAN),
        answer=HomeLines,
    ),
    Route(
        "GET",
        "/homes/{home}/messages",
        reads.list_messages,
        "Messages on the ledger",
        EVERY_ROLE,
        (HOME, KIND, OF_PERIOD),
        answer=StandingMessages,
    ),
    Route(
        "GET",
        "/homes/{home}/bills/{day}",
        reads.get_bill,
        "A day's bill",
        EVERY_ROLE,
        (HOME, DAY),
        answer=Bill,
    ),
    Route(
        "GET",
        "/homes/{home}/summary",
        figures.get_summary,
        "Today and this month, as the portal shows them",
        EVERY_ROLE,
        (HOME,),
        answer=answers.Summary,
    ),
    Route(
        "GET",
        "/homes/{home}/statement",
        figures.get_statement,
        "A month's statement",
        EVERY_ROLE,
        (HOME, _MONTH),
        answer=answers.MonthlyStatement,
    ),
    Route(
        "GET",
        "/homes/{home}/statement.html",
        figures.get_statement_page,
        "A month's statement as a page",
        EVERY_ROLE,
        (HOME, _MONTH),
        content="text/html",
    ),
    Route(
        "GET",
        "/homes/{home}/statement.csv",
        figures.get_statement_csv,
        "A month's statement as CSV",
        EVERY_ROLE,
        (HOME, _MONTH),
        content="text/csv",
    ),
    Route(
        "GET",
        "/homes/{home}/status",
        speaking.get_status,
        "Whether a message stands",
        EVERY_ROLE,
        (HOME, *ONE_MESSAGE),
        answer=MessageStatus,
    ),
    Route(
        "GET",
        "/homes/{home}/proof",
        speaking.get_proof,
        "The commit receipt of a message, also of another carrier's",
        EVERY_ROLE,
        (HOME, *ONE_MESSAGE),
        answer=answers.Proof,
    ),
    Route(
        "GET",
        "/homes/{home}/wishes",
        households.get_wishes,
        "The residents' wishes",
        EVERY_ROLE,
        (HOME,),
        answer=answers.Wishes,
    ),
    Route(
        "POST",
        "/pause",
        households.post_pause,
        "Pause trading, or go on",
        RESIDENTS,
        body=households.Paused,
        answer=answers.Wishes,
        action="pause",
    ),
    Route(
        "PUT",
        "/limits",
        households.put_limits,
        "Set the home's limits",
        RESIDENTS,
        body=households.NewLimits,
        answer=answers.Wishes,
        action="limits",
    ),
)
