# SPDX-License-Identifier: Apache-2.0
"""Routes by which a home asks for its first key, and hears of it."""

from .. import answers, households
from ..caller import OPERATORS
from ..parameters import HOME_ID
from ..route import Parameter, Route, one_of

_SUBJECT = Parameter("subject", "path", HOME_ID, "a home's id")

ROUTES: tuple[Route, ...] = (
    Route(
        "POST",
        "/enrolments",
        households.post_enrolment,
        "Ask the operator to set a home's first key",
        body=households.NewEnrolment,
        answer=answers.Enrolment,
        status=202,
        guess=True,
        action="enrol",
        problems=("bad_code", "code_expired", "wrong_author", "bad_signature"),
    ),
    Route(
        "POST",
        "/enrolments/{subject}/state",
        households.post_enrolment_state,
        "The result of an enrolment",
        parameters=(_SUBJECT,),
        body=households.AskedEnrolment,
        answer=answers.Enrolment,
        problems=("unknown_enrolment",),
    ),
    Route(
        "GET",
        "/enrolments",
        households.list_enrolments,
        "Enrolments",
        OPERATORS,
        (
            Parameter(
                "state",
                "query",
                one_of("waiting", "set", "refused", default="waiting"),
                "the state of the enrolments to list",
                needed=False,
            ),
        ),
        answer=answers.Enrolments,
    ),
    Route(
        "POST",
        "/enrolments/{subject}/result",
        households.post_enrolment_result,
        "Note the result of an enrolment",
        OPERATORS,
        (_SUBJECT,),
        body=households.EnrolmentResult,
        answer=answers.JudgedEnrolment,
        action="judge_enrolment",
        problems=("unknown_enrolment",),
    ),
)
