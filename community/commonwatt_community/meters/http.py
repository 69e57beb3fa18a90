# SPDX-License-Identifier: Apache-2.0
"""A meter that speaks JSON over HTTP: it is polled, or it pushes to the agent."""

import asyncio
import hmac
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
from commonwatt_client.errors import ConfigurationError

from .clock import Clock
from .counted import Counted, MeterFailed, Tell
from .counting import Bounds
from .secrets import secret_in
from .settings import Http
from .shown import LARGEST_PAYLOAD, Shown, value_at
from .web import Request, Response, serving

_ANSWERS_WITHIN_S = 10.0
_MOST_WAITING = 1_000


class HttpMeter:
    """Polls an address, or listens for a meter that pushes."""

    def __init__(
        self,
        settings: Http,
        folder: Path,
        clock: Clock,
        bounds: Bounds,
        tell: Tell,
        battery_capacity_wh: int | None = None,
    ) -> None:
        """ConfigurationError for files that cannot be used."""
        self._settings = settings
        self._clock = clock
        self._bounds = bounds
        self._tell = tell
        self._capacity_wh = battery_capacity_wh
        self._token = None if settings.token_file is None else secret_in(folder / settings.token_file)
        self._verify: ssl.SSLContext | bool = True
        if settings.authority is not None:
            try:
                self._verify = ssl.create_default_context(cafile=str(folder / settings.authority))
            except (OSError, ssl.SSLError) as error:
                raise ConfigurationError(
                    f"{folder / settings.authority} is no certificate: {error}"
                ) from error

    async def readings(self, after: Counted | None) -> AsyncIterator[Counted]:
        """See `Meter`. MeterFailed where the address does not answer."""
        settings = self._settings
        shown = Shown(
            frozenset(settings.paths), settings.unit, self._bounds, self._tell, after, self._capacity_wh
        )
        payloads = self._polled(settings.url) if settings.url is not None else self._pushed()
        async for payload in payloads:
            said = {name: value_at(payload, path) for name, path in settings.paths.items()}
            counted = shown.add(self._clock.now(), said)
            if counted is not None:
                yield counted

    async def _polled(self, url: str) -> AsyncIterator[bytes]:
        headers = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        async with httpx.AsyncClient(
            verify=self._verify, timeout=_ANSWERS_WITHIN_S, headers=headers, trust_env=False
        ) as client:
            while True:
                content = bytearray()
                try:
                    async with client.stream("GET", url) as response:
                        response.raise_for_status()
                        async for piece in response.aiter_bytes():
                            content += piece
                            if len(content) > LARGEST_PAYLOAD:
                                raise MeterFailed(
                                    f"meter: {url} answers with more than {LARGEST_PAYLOAD} bytes"
                                )
                except httpx.HTTPStatusError as error:
                    raise MeterFailed(
                        f"meter: {url} answers with status {error.response.status_code}"
                    ) from error
                except httpx.HTTPError as error:
                    raise MeterFailed(f"meter: {url} does not answer: {type(error).__name__}") from error
                yield bytes(content)
                await self._clock.sleep(self._settings.every_s)

    async def _pushed(self) -> AsyncIterator[bytes]:
        settings = self._settings
        waiting: asyncio.Queue[bytes] = asyncio.Queue(_MOST_WAITING)
        assert settings.port is not None
        async with serving(
            settings.host, settings.port, lambda request: self._take(request, waiting)
        ) as port:
            self._tell(f"meter: I wait for it at http://{settings.host}:{port}/meter")
            while True:
                yield await waiting.get()

    async def _take(self, request: Request, waiting: asyncio.Queue[bytes]) -> Response:
        if (request.method, request.path) != ("POST", "/meter"):
            return Response(404, b"a meter posts to /meter\n")
        if self._token is not None:
            shown = request.headers.get("authorization", "").removeprefix("Bearer ")
            if not hmac.compare_digest(shown.encode(), self._token.encode()):
                return Response(401, b"the token is not the one in token_file\n")
        elif not request.headers.get("content-type", "").startswith("application/json"):
            return Response(415, b"send application/json\n")  # a page of a browser cannot, without asking
        if waiting.full():
            return Response(503, b"too many readings wait\n")
        waiting.put_nowait(request.body)
        return Response(204)
