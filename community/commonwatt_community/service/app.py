# SPDX-License-Identifier: Apache-2.0
"""From the table of routes to an aiohttp application: what is judged of each request before a handler sees it."""

import asyncio
import ipaddress
import json
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence

from aiohttp import web
from aiohttp.typedefs import Middleware

from . import audit_log, sessions
from .caller import COOKIE, TOKEN, Caller
from .doors import COOKIE_NAME
from .openapi import document
from .page import POLICY, page
from .parts import Parts
from .problems import Problem, problem_of, response
from .route import API, Call, Route
from .table import OUTSIDE, ROUTES

Proxies = Sequence[ipaddress.IPv4Network | ipaddress.IPv6Network]

HEADERS: Mapping[str, str] = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Strict-Transport-Security": "max-age=31536000",
    "Cross-Origin-Resource-Policy": "same-origin",
}
PARTS = web.AppKey("parts", Parts)
_BODY_S = 20.0
_SAFE = frozenset({"GET", "HEAD"})
_ANY_HOST = frozenset({"/healthz", "/metrics"})

_log = logging.getLogger("commonwatt_community")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def application(parts: Parts, proxies: Proxies = ()) -> web.Application:
    """The application; pages may be added by others before it runs."""
    app = web.Application(middlewares=[_guarded(parts)], client_max_size=1_048_576)
    app[PARTS] = parts
    for route in ROUTES:
        app.router.add_route(route.method, API + route.path, _served(route, parts, proxies))
    for route in OUTSIDE:
        app.router.add_route(route.method, route.path, _served(route, parts, proxies))
    described = document(ROUTES)
    content, shown = json.dumps(described).encode(), page(described)

    async def openapi(_: web.Request) -> web.Response:
        return web.Response(body=content, content_type="application/json")

    async def docs(_: web.Request) -> web.Response:
        headers = {"Content-Security-Policy": POLICY}
        return web.Response(text=shown, content_type="text/html", headers=headers)

    app.router.add_get(f"{API}/openapi.json", openapi)
    app.router.add_get(f"{API}/docs", docs)
    app.on_response_prepare.append(_with_headers)
    return app


async def _with_headers(_: web.Request, answer: web.StreamResponse) -> None:
    """Each answer's headers; a page that sets one itself keeps it."""
    for name, value in HEADERS.items():
        answer.headers.setdefault(name, value)
    answer.headers["Server"] = "commonwatt"


def _guarded(parts: Parts) -> Middleware:
    """Host, errors and counts, whatever the route."""

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        resource = request.match_info.route.resource
        route = f"{request.method} {resource.canonical if resource else '?'}"
        try:
            if request.path not in _ANY_HOST and request.host.lower() not in parts.names:
                raise Problem(
                    "wrong_host", "the service has no such name; use the address that its operator gives out"
                )
            answer = await handler(request)
        except web.HTTPMethodNotAllowed as error:
            problem = Problem(
                "method_not_allowed", f"the route takes {', '.join(sorted(error.allowed_methods))}"
            )
            answer = response(problem)
            answer.headers["Allow"] = ", ".join(sorted(error.allowed_methods))
        except web.HTTPNotFound:
            answer = response(Problem("unknown_route", "the service has no such route"))
        except web.HTTPRequestEntityTooLarge:
            answer = response(Problem("too_large", "the body is too large"))
        except web.HTTPException:
            raise
        except Exception as error:
            known = problem_of(error)
            if known is None:
                _log.exception("%s failed", route)
                known = Problem("internal", "the service failed; its operator finds the reason in its log")
            answer = response(known)
        parts.meters.answered(route, answer.status)
        return answer

    return guard


def _served(route: Route, parts: Parts, proxies: Proxies) -> Handler:
    async def served(request: web.Request) -> web.StreamResponse:
        address = address_of(request, proxies)
        session: Caller | None = None
        try:
            session = _session(request, parts)
            _take(route, parts, session, address)
            if route.may:
                _check_caller(route, request, session)
            values = route.values(request)
            home = values.get("home")
            if route.may and home is not None and session is not None and not session.may_see(home):
                raise Problem("not_yours", "these records are another home's")
            body = route.read(await _content(route, request))
            call = Call(request, parts, address, session, values, body)
            answer = await route.handler(call)
        except Exception as error:
            known = problem_of(error)
            await _noted(route, parts, session, address, known.code if known else "internal")
            raise
        await _noted(route, parts, session, address, "done")
        if isinstance(answer, web.StreamResponse):
            return answer
        content = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        return web.Response(body=content, status=route.status, content_type="application/json")

    return served


def _session(request: web.Request, parts: Parts) -> Caller | None:
    """The session of a token, or else of a cookie; a token that does not count is told, never overlooked."""
    authorization = request.headers.get("Authorization")
    if authorization is not None:
        scheme, _, secret = authorization.partition(" ")
        caller = sessions.find(parts.store, TOKEN, secret) if scheme.lower() == "bearer" else None
        if caller is None:
            raise Problem("login_required", "the token is unknown or has expired: log in again")
        return caller
    secret = request.cookies.get(COOKIE_NAME, "")
    return sessions.find(parts.store, COOKIE, secret) if secret else None


def _take(route: Route, parts: Parts, session: Caller | None, address: str) -> None:
    if session is not None:
        parts.of_callers.take(session.called)
    else:
        parts.of_strangers.take(address)
    if route.guess:
        parts.of_guesses.take(address)


def _check_caller(route: Route, request: web.Request, session: Caller | None) -> None:
    if session is None:
        raise Problem("login_required", "the route needs a login")
    if request.method not in _SAFE and sessions.is_forged(session, request.headers.get("X-CW-CSRF")):
        raise Problem("csrf", "the request lacks X-CW-CSRF, which GET /me names")
    if session.role not in route.may:
        raise Problem("forbidden", f"the route is for {', '.join(sorted(route.may))}, not for {session.role}")


async def _content(route: Route, request: web.Request) -> bytes:
    """The body, bounded before anything is parsed."""
    if request.method in _SAFE:
        return b""
    origin = request.headers.get("Origin")
    if origin is not None and origin.lower() != f"https://{request.host.lower()}":
        raise Problem("wrong_origin", "the request comes from a page of another origin")
    if route.body is None:
        return b""
    if request.content_type != "application/json":
        raise Problem("not_json", "the body is sent as application/json")
    if (request.content_length or 0) > route.largest_body:
        raise Problem("too_large", f"the body has at most {route.largest_body} bytes")
    content = bytearray()
    try:
        async with asyncio.timeout(_BODY_S):
            async for piece in request.content.iter_chunked(65_536):
                content += piece
                if len(content) > route.largest_body:
                    raise Problem("too_large", f"the body has at most {route.largest_body} bytes")
    except TimeoutError:
        raise Problem("bad_request", f"the body did not come within {_BODY_S:.0f} s") from None
    return bytes(content)


async def _noted(route: Route, parts: Parts, session: Caller | None, address: str, outcome: str) -> None:
    if not route.action:
        return
    caller, home = (session.called, session.home) if session else ("stranger", "")
    await audit_log.note(parts.store, caller, home, address, route.action, outcome)


def address_of(request: web.Request, proxies: Proxies) -> str:
    """The caller's address: the last one in X-Forwarded-For that is no trusted proxy, if a trusted proxy asks."""
    found = request.remote or ""
    for forwarded in reversed(request.headers.get("X-Forwarded-For", "").split(",")):
        if not _is_one_of(found, proxies):
            break
        if not forwarded.strip():
            break
        found = forwarded.strip()
    return found


def _is_one_of(address: str, proxies: Proxies) -> bool:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(parsed in network for network in proxies)
