# SPDX-License-Identifier: Apache-2.0
"""HTTP to a service: one connection pool, a login when the service asks for one, and problems as errors."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import httpx
from commonwatt_client.errors import ConfigurationError, MalformedMessageError

from ..market.refused import Refused
from ..market.results import read_result
from ..messages.author import Author
from .failures import ServiceAway, ServiceMisnamed
from .values import Challenge, LoggedIn

API = "/api/v1"
LARGEST_ANSWER = 64 * 1_024 * 1_024
_AWAY = frozenset({429, 502, 503, 504})

Query = Mapping[str, str | int | None]


class Transport:
    """Requests to one service as one author, or, without one, as a stranger."""

    def __init__(
        self, base_url: str, authority_pem: bytes | None, author: Author | None, timeout_s: float
    ) -> None:
        parts = urlsplit(base_url)
        if parts.scheme not in ("https", "http") or not parts.hostname:
            raise ConfigurationError(f"{base_url} is no address of a service, as https://host:port is")
        self.name = parts.netloc.lower()
        self._author = author
        self._logged_in: LoggedIn | None = None
        self._logging_in = asyncio.Lock()
        self._http = httpx.AsyncClient(
            base_url=base_url.rstrip("/"),
            verify=_context(authority_pem),
            timeout=timeout_s,
            follow_redirects=False,
            trust_env=False,
        )

    async def close(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    async def login(self) -> LoggedIn:
        """A new session. ServiceMisnamed for a service that calls itself by another name; Refused."""
        if self._author is None:
            raise ConfigurationError(f"{self.name} asks for a login, and this client has no author")
        challenge = read_result(Challenge, await self._once("GET", "/challenge"))
        if challenge.service != self.name:
            raise ServiceMisnamed(
                f"the service at {self.name} calls itself {challenge.service[:80]}: "
                "use the address that its operator gives out"
            )
        message = self._author.login(self.name, challenge.challenge)
        answer = await self._once("POST", "/login", body={"message": message.decode("ascii")})
        self._logged_in = read_result(LoggedIn, answer)
        return self._logged_in

    async def get(self, path: str, query: Query | None = None, timeout_s: float | None = None) -> bytes:
        """The body of an answer. Refused, ServiceAway."""
        return await self._authorized("GET", path, query=query, timeout_s=timeout_s)

    async def send(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> bytes:
        """The body of an answer to a body in JSON. Refused, ServiceAway."""
        return await self._authorized(method, path, body=body)

    async def open(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> bytes:
        """The same without a login: for enrolments."""
        return await self._once(method, path, body=body)

    @asynccontextmanager
    async def stream(self, path: str, headers: Mapping[str, str]) -> AsyncIterator[AsyncIterator[str]]:
        """The lines of an answer as they come; silence for a minute is a lost connection."""
        for last in (False, True):
            token = await self._token()
            request = self._http.build_request(
                "GET",
                API + path,
                headers={**headers, **_bearer(token)},
                timeout=httpx.Timeout(20.0, read=60.0),
            )
            try:
                response = await self._http.send(request, stream=True)
                try:
                    if response.status_code == 401 and not last:
                        self._forget(token)
                        continue
                    if response.status_code != 200:
                        self._check(response, await self._read(response))
                    yield response.aiter_lines()
                finally:
                    await response.aclose()
                return
            except httpx.HTTPError as error:
                raise self._away(error) from error

    async def _authorized(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        body: Mapping[str, Any] | None = None,
        timeout_s: float | None = None,
    ) -> bytes:
        token = await self._token()
        try:
            return await self._once(method, path, query=query, body=body, token=token, timeout_s=timeout_s)
        except Refused as refused:
            if refused.code != "login_required" or self._author is None:
                raise
        self._forget(token)
        token = await self._token()
        return await self._once(method, path, query=query, body=body, token=token, timeout_s=timeout_s)

    async def _token(self) -> str:
        if self._author is None:
            return ""
        async with self._logging_in:
            if self._logged_in is None:
                await self.login()
            assert self._logged_in is not None
            return self._logged_in.token

    def _forget(self, token: str) -> None:
        if self._logged_in is not None and self._logged_in.token == token:
            self._logged_in = None

    async def _once(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        body: Mapping[str, Any] | None = None,
        token: str = "",
        timeout_s: float | None = None,
    ) -> bytes:
        request = self._http.build_request(
            method,
            API + path,
            params={name: value for name, value in (query or {}).items() if value is not None},
            json=body,
            headers=_bearer(token),
            timeout=self._http.timeout if timeout_s is None else timeout_s,
        )
        try:
            response = await self._http.send(request, stream=True)
            try:
                content = await self._read(response)
            finally:
                await response.aclose()
        except httpx.HTTPError as error:
            raise self._away(error) from error
        self._check(response, content)
        return content

    async def _read(self, response: httpx.Response) -> bytes:
        """The body, as long as it is no longer than any true answer."""
        content = bytearray()
        async for piece in response.aiter_bytes():
            content += piece
            if len(content) > LARGEST_ANSWER:
                raise MalformedMessageError(f"{self.name} answers with more than {LARGEST_ANSWER} bytes")
        return bytes(content)

    def _check(self, response: httpx.Response, content: bytes) -> None:
        if response.is_success:
            return
        try:
            problem = json.loads(content)
            code, sentence = str(problem["code"]), str(problem["detail"])
        except (ValueError, KeyError, TypeError):
            code, sentence = "", f"HTTP status {response.status_code}"
        if response.status_code in _AWAY or response.status_code >= 500:
            raise ServiceAway(f"{self.name}: {sentence}", code, _seconds(response.headers.get("Retry-After")))
        raise Refused(code or str(response.status_code), sentence, f"{response.request.method} {self.name}")

    def _away(self, error: httpx.HTTPError) -> ServiceAway:
        return ServiceAway(f"{self.name} does not answer: {type(error).__name__}: {error}")


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"} if token else {}


def _seconds(text: str | None) -> float | None:
    return float(text) if text is not None and text.isdecimal() else None


def _context(authority_pem: bytes | None) -> ssl.SSLContext | bool:
    if authority_pem is None:
        return True
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_verify_locations(cadata=authority_pem.decode("ascii"))
    except (ValueError, ssl.SSLError) as error:
        raise ConfigurationError("the service's authority is no certificate in PEM") from error
    return context
