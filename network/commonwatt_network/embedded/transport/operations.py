# SPDX-License-Identifier: Apache-2.0
"""Operations endpoints that every node offers: /healthz, /version, /metrics (Prometheus text), /logspec.

The names of metrics are Fabric's, as far as they make sense here.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version

from aiohttp import web
from commonwatt_client.page_hosts import is_expected

PROMETHEUS_CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

MISDIRECTED = 421

Render = Callable[[], str]


@web.middleware
async def by_our_name(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Refuse what was asked of another name than this machine's: a browser may have been led here."""
    if not is_expected(request.headers.get("Host")):
        return web.Response(
            status=MISDIRECTED, text="this node answers to addresses and this machine's names alone\n"
        )
    return await handler(request)


def operations_application(
    render_metrics: Render, failures: Callable[[], list[str]] = list
) -> web.Application:
    """`failures` lists what is wrong with the node; empty if it is healthy."""

    async def health(request: web.Request) -> web.Response:
        failed = failures()
        checks = [{"component": "node", "reason": reason} for reason in failed]
        content = {
            "status": "Service Unavailable" if failed else "OK",
            "time": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
        } | ({"failed_checks": checks} if failed else {})
        return web.json_response(content, status=503 if failed else 200)

    async def metrics(request: web.Request) -> web.Response:
        return web.Response(body=render_metrics().encode(), headers={"Content-Type": PROMETHEUS_CONTENT_TYPE})

    async def tell_version(request: web.Request) -> web.Response:
        return web.json_response({"CommitSHA": "", "Version": f"embedded {version('commonwatt-network')}"})

    async def log_specification(request: web.Request) -> web.Response:
        return web.json_response({"spec": "info"})

    application = web.Application(middlewares=[by_our_name])
    application.router.add_get("/healthz", health)
    application.router.add_get("/metrics", metrics)
    application.router.add_get("/version", tell_version)
    application.router.add_get("/logspec", log_specification)
    return application


@dataclass(frozen=True)
class Sample:
    """One metric with one value per channel."""

    name: str
    kind: str
    description: str
    values: dict[str, float]

    def lines(self) -> list[str]:
        head = [f"# HELP {self.name} {self.description}", f"# TYPE {self.name} {self.kind}"]
        return head + [
            f'{self.name}{{channel="{channel}"}} {value:g}' for channel, value in sorted(self.values.items())
        ]
