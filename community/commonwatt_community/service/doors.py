# SPDX-License-Identifier: Apache-2.0
"""Routes by which programs and people come in: logins by key, invitations, passphrases and second factors."""

from typing import Annotated, Any

from aiohttp import web
from commonwatt_chaincode.messages.fields import LOGIN
from commonwatt_chaincode.messages.message import LARGEST_BYTES, read
from commonwatt_chaincode.messages.refusals import MessageCode, MessageRefused
from pydantic import StringConstraints

from . import accounts, sessions
from .caller import COOKIE, TOKEN, Caller, Role
from .passphrases import LONGEST, new_secret
from .problems import Problem
from .route import Body, Call
from .speakers import logged_in

COOKIE_NAME = "cw_session"

Passphrase = Annotated[str, StringConstraints(max_length=LONGEST)]
Code = Annotated[str, StringConstraints(pattern=r"^[0-9]{6}$")]
Secret = Annotated[str, StringConstraints(pattern=r"^[A-Z2-7]{32,64}$")]


class Login(Body):
    """A ``cw-login`` message in compact form."""

    message: Annotated[str, StringConstraints(max_length=8 * LARGEST_BYTES)]


class NewSession(Body):
    """An invitation with a new passphrase and, if wanted, an authenticator; or an account's name and passphrase."""

    passphrase: Passphrase
    invitation: Annotated[str, StringConstraints(max_length=200)] | None = None
    name: Annotated[str, StringConstraints(pattern=accounts.NAME)] | None = None
    totp: Code | None = None
    totp_secret: Secret | None = None


class SecondFactor(Body):
    """The account's passphrase, and an authenticator with a code of it; without them the account has none any more."""

    passphrase: Passphrase
    totp_secret: Secret | None = None
    totp: Code | None = None


async def get_challenge(call: Call) -> dict[str, Any]:
    """Random characters for a login, and the name that the login has to bear: the one in the request."""
    challenge, expires_s = call.parts.challenges.new()
    return {"challenge": challenge, "expires_s": expires_s, "service": call.request.host.lower()}


async def post_login(call: Call) -> dict[str, Any]:
    """Begin a program's session by a message that a key on the ledger signed for this service and challenge."""
    try:
        message = read(call.body.message.encode("utf-8", "replace"))
        if message.typ != LOGIN:
            raise MessageRefused(MessageCode.WRONG_TYP, f"a message of type {message.typ} is no login")
        if message.payload["service"] not in call.parts.names:
            raise Problem(
                "wrong_service", "the login is signed for another service; sign for the one that you reach"
            )
        speaker = await logged_in(message, call.parts.ledger)
        call.parts.challenges.use(str(message.payload["challenge"]))
    except MessageRefused as refused:
        raise Problem("bad_login", f"the login is refused: {refused.code}: {refused.sentence}") from refused
    begun = await sessions.begin(call.parts.store, TOKEN, Role(speaker.author), message.home)
    return {
        "token": begun.secret,
        "expires_s": begun.expires_s,
        "role": begun.caller.role.value,
        "home": begun.caller.home,
    }


async def delete_login(call: Call) -> dict[str, Any]:
    """End a program's session."""
    await sessions.end(call.parts.store, call.caller)
    return {}


async def post_session(call: Call) -> web.Response:
    """Begin a person's session in a browser: by an invitation the first time, by name and passphrase later."""
    said: NewSession = call.body
    parts = call.parts
    if said.invitation is not None:
        account = await accounts.made(parts.store, parts.invitations, parts.passphrases, _first(said))
    elif said.name is not None:
        parts.of_accounts.take(said.name)
        account = await accounts.entered(
            parts.store, parts.passphrases, said.name, said.passphrase, said.totp
        )
    else:
        raise Problem("bad_request", "the body names neither an invitation nor an account")
    begun = await sessions.begin(parts.store, COOKIE, account.role, account.home, account.name)
    answer = web.json_response({**_me(begun.caller), "has_totp": account.has_totp})
    answer.set_cookie(
        COOKIE_NAME,
        begun.secret,
        max_age=sessions.COOKIE_S,
        path="/",
        secure=True,
        httponly=True,
        samesite="Strict",
    )
    return answer


async def delete_session(call: Call) -> web.Response:
    """End a person's session."""
    await sessions.end(call.parts.store, call.caller)
    answer = web.json_response({})
    answer.del_cookie(COOKIE_NAME, path="/", secure=True, httponly=True, samesite="Strict")
    return answer


async def post_totp(call: Call) -> dict[str, str]:
    """A seed for an authenticator; nothing is kept before a code of it comes with the seed."""
    secret, uri = new_secret(call.request.host)
    return {"totp_secret": secret, "uri": uri}


async def put_totp(call: Call) -> dict[str, Any]:
    """Set, change or, for residents, drop the account's second factor."""
    said: SecondFactor = call.body
    call.parts.of_accounts.take(call.caller.name)
    has_totp = await accounts.changed_factor(
        call.parts.store,
        call.parts.passphrases,
        call.caller.name,
        said.passphrase,
        said.totp_secret,
        said.totp,
    )
    return {"has_totp": has_totp}


async def get_me(call: Call) -> dict[str, Any]:
    """The session: role, home, name, and the header's value that a browser adds to requests that change something."""
    return _me(call.caller)


def _me(caller: Caller) -> dict[str, Any]:
    csrf = sessions.csrf_of(caller) if caller.way == COOKIE else None
    return {
        "role": caller.role.value,
        "home": caller.home,
        "name": caller.name,
        "expires_s": caller.expires_s,
        "csrf": csrf,
    }


def _first(said: NewSession) -> accounts.First:
    return accounts.First(said.invitation or "", said.name, said.passphrase, said.totp_secret, said.totp)
