# SPDX-License-Identifier: Apache-2.0
"""Routes by which programs and people come in and go."""

from .. import answers, doors
from ..caller import EVERY_ROLE, PEOPLE, Role
from ..route import Route

_LOGIN_PROBLEMS = ("bad_login", "challenge_expired", "challenge_used", "wrong_service")
_ACCOUNT_PROBLEMS = ("bad_credentials", "totp_required", "bad_totp_secret", "bad_code")
_PROGRAMS = frozenset({Role.HOME, Role.METER, Role.OPERATOR})

ROUTES: tuple[Route, ...] = (
    Route("GET", "/challenge", doors.get_challenge, "A challenge for a login", answer=answers.Challenge),
    Route(
        "POST",
        "/login",
        doors.post_login,
        "Begin a program's session",
        body=doors.Login,
        answer=answers.LoggedIn,
        action="login",
        problems=_LOGIN_PROBLEMS,
    ),
    Route(
        "DELETE",
        "/login",
        doors.delete_login,
        "End a program's session",
        _PROGRAMS,
        answer=answers.Nothing,
        action="logout",
    ),
    Route(
        "POST",
        "/session",
        doors.post_session,
        "Begin a person's session, by a cookie",
        body=doors.NewSession,
        answer=answers.Entered,
        guess=True,
        action="enter",
        problems=(
            *_ACCOUNT_PROBLEMS,
            "bad_invitation",
            "invitation_expired",
            "invitation_used",
            "name_taken",
            "weak_passphrase",
        ),
    ),
    Route(
        "DELETE",
        "/session",
        doors.delete_session,
        "End a person's session",
        PEOPLE,
        answer=answers.Nothing,
        action="leave",
    ),
    Route("POST", "/totp", doors.post_totp, "A seed for an authenticator", answer=answers.Totp),
    Route(
        "PUT",
        "/totp",
        doors.put_totp,
        "Set or drop the account's second factor",
        PEOPLE,
        body=doors.SecondFactor,
        answer=answers.HasTotp,
        guess=True,
        action="change_factor",
        problems=_ACCOUNT_PROBLEMS,
    ),
    Route("GET", "/me", doors.get_me, "The session", EVERY_ROLE, answer=answers.Me),
)
