# SPDX-License-Identifier: Apache-2.0
"""Errors as callers see them: RFC 9457 problems with stable codes, the contract's own among them."""

import json
from collections.abc import Mapping

from aiohttp import web
from commonwatt_chaincode.messages.refusals import MessageCode
from commonwatt_client import ClientError, GatewayError
from commonwatt_client.errors import MalformedMessageError

from ..market.refused import DATA_NOT_HERE, Refused
from .store import StoreFailed

CONTENT_TYPE = "application/problem+json"

STATUSES: Mapping[str, int] = {
    **{code.value: 400 for code in MessageCode},
    "bad_request": 400,
    "not_json": 415,
    "too_large": 413,
    "wrong_host": 421,
    "unknown_route": 404,
    "method_not_allowed": 405,
    "login_required": 401,
    "bad_login": 401,
    "challenge_expired": 401,
    "challenge_used": 401,
    "wrong_service": 401,
    "bad_credentials": 401,
    "totp_required": 401,
    "bad_invitation": 401,
    "invitation_expired": 401,
    "invitation_used": 401,
    "csrf": 403,
    "wrong_origin": 403,
    "forbidden": 403,
    "not_yours": 403,
    "name_taken": 409,
    "weak_passphrase": 400,
    "bad_totp_secret": 400,
    "bad_code": 400,
    "code_expired": 400,
    "unknown_enrolment": 404,
    "unknown_receipt": 404,
    "unknown_home": 404,
    "unknown_bill": 404,
    "no_carbon": 404,
    "no_key": 404,
    "bad_period": 404,
    "bad_argument": 400,
    "too_many": 400,
    "too_many_requests": 429,
    "carrier_busy": 429,
    "peer_unreachable": 503,
    "no_receipt_key": 503,
    "stopping": 503,
    DATA_NOT_HERE: 503,
    "cannot_store": 507,
    "bad_answer": 502,
    "internal": 500,
}
"""Code -> HTTP status. A code of the contract that is not named is a conflict with the ledger's state, 409."""

_TITLES = {
    400: "The request has a mistake",
    401: "A login is needed, or was refused",
    403: "The caller may not do this",
    404: "The service knows no such record or route",
    405: "The route has no such method",
    409: "The request conflicts with the state of the ledger or the service",
    413: "The request is too large",
    415: "The body is not JSON",
    421: "The service has another name",
    429: "Too many requests",
    500: "The service failed",
    502: "The service cannot read its peer's answer",
    503: "The service cannot reach its peer, or is not ready",
    507: "The service cannot store",
}


class Problem(Exception):
    """An answer that is no success; `retry_after_s` asks for a pause."""

    def __init__(self, code: str, detail: str, retry_after_s: int | None = None) -> None:
        super().__init__(code, detail)
        self.code = code
        self.detail = detail
        self.status = STATUSES.get(code, 409)
        self.retry_after_s = retry_after_s


def problem_of(error: Exception) -> Problem | None:
    """The problem that tells a caller of an error; None for a fault of the program."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, Refused):
        return Problem(error.code, error.sentence)
    if isinstance(error, MalformedMessageError):
        return Problem(
            "bad_answer", "the peer's answer cannot be read: compare the versions of service and chaincode"
        )
    if isinstance(error, GatewayError) and error.chaincode_response is not None:
        return Problem(
            "bad_answer", "the chaincode failed where it should refuse; tell the service's operator"
        )
    if isinstance(error, (GatewayError, ClientError, TimeoutError)):
        return Problem(
            "peer_unreachable", "the service's peer does not answer now; try again, or use another carrier", 2
        )
    if isinstance(error, StoreFailed):
        return Problem(
            "cannot_store", "the service cannot write its file; nothing was taken; tell its operator"
        )
    return None


def response(problem: Problem) -> web.Response:
    """The problem as an HTTP answer."""
    headers = {}
    if problem.retry_after_s is not None:
        headers["Retry-After"] = str(problem.retry_after_s)
    if problem.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    body = {
        "type": f"urn:commonwatt:problem:{problem.code}",
        "title": _TITLES.get(problem.status, "The request was refused"),
        "status": problem.status,
        "code": problem.code,
        "detail": problem.detail,
    }
    return web.Response(
        body=json.dumps(body).encode(), status=problem.status, headers=headers, content_type=CONTENT_TYPE
    )
