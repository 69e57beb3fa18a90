# SPDX-License-Identifier: Apache-2.0
"""Routes of the operators' page and of the operator's program."""

from .. import answers, figures, operators
from ..caller import OPERATORS
from ..route import Route

ROUTES: tuple[Route, ...] = (
    Route(
        "GET",
        "/operator/overview",
        operators.get_overview,
        "The state of the market",
        OPERATORS,
        answer=answers.Overview,
    ),
    Route(
        "GET",
        "/operator/board",
        figures.get_board,
        "The figures of the operators' page",
        OPERATORS,
        answer=answers.Board,
    ),
    Route("GET", "/operator/alarms", operators.get_alarms, "Alarms", OPERATORS, answer=answers.AlarmsAnswer),
    Route(
        "POST",
        "/operator/alarms",
        operators.post_alarms,
        "Replace all alarms",
        OPERATORS,
        body=operators.Alarms,
        answer=answers.AlarmsAnswer,
        largest_body=524_288,
    ),
    Route(
        "POST",
        "/operator/invitations",
        operators.post_invitation,
        "Invite the residents of a home",
        OPERATORS,
        body=operators.NewInvitation,
        answer=answers.Invited,
        action="invite",
    ),
)
