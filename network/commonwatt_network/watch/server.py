# SPDX-License-Identifier: Apache-2.0
"""The watch's web server: the page, its figures as JSON, and /metrics."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from importlib import resources

from aiohttp import web
from commonwatt_client.page_hosts import is_expected
from commonwatt_client.pages import HOUSE_STYLE, LIVE_CHART, page_file

from commonwatt_network.watch.exposition import CONTENT_TYPE, exposition
from commonwatt_network.watch.watcher import Watcher

FILES = {
    "/": ("page.html", "text/html"),
    "/page.css": ("page.css", "text/css"),
    "/page.js": ("page.js", "text/javascript"),
}
SHARED = {f"/{HOUSE_STYLE}": (HOUSE_STYLE, "text/css"), f"/{LIVE_CHART}": (LIVE_CHART, "text/javascript")}
MISDIRECTED = 421
HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src data:; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


def application(watcher: Watcher, names: Collection[str] = ()) -> web.Application:
    """The pages of a watcher that runs. `names`: by which others call this machine, besides its own."""

    @web.middleware
    async def with_headers(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        if not is_expected(request.headers.get("Host"), names):
            response: web.StreamResponse = web.Response(
                status=MISDIRECTED,
                text="this page answers to addresses and this machine's names alone; add a name with --name\n",
            )
        else:
            response = await handler(request)
        response.headers.update(HEADERS)
        return response

    async def file(request: web.Request) -> web.Response:
        name, kind = FILES[request.path]
        text = (resources.files("commonwatt_network.watch") / name).read_text(encoding="utf-8")
        return web.Response(text=text, content_type=kind)

    async def shared(request: web.Request) -> web.Response:
        name, kind = SHARED[request.path]
        return web.Response(text=page_file(name), content_type=kind)

    async def figures(request: web.Request) -> web.Response:
        return web.json_response(watcher.snapshot())

    async def metrics(request: web.Request) -> web.Response:
        return web.Response(
            body=exposition(watcher.snapshot()).encode(), headers={"Content-Type": CONTENT_TYPE}
        )

    app = web.Application(middlewares=[with_headers])
    for path in FILES:
        app.router.add_get(path, file)
    for path in SHARED:
        app.router.add_get(path, shared)
    app.router.add_get("/figures.json", figures)
    app.router.add_get("/metrics", metrics)
    return app


async def serve(
    watcher: Watcher, host: str, port: int, ready: Callable[[str], None], names: Collection[str] = ()
) -> None:
    """Watch and serve until cancelled; `ready` is told the address. Raises OSError when the port is taken."""
    async with watcher.running():
        runner = web.AppRunner(application(watcher, (host, *names)), access_log=None)
        await runner.setup()
        try:
            site = web.TCPSite(runner, host, port)
            await site.start()
            ready(f"http://{host}:{runner.addresses[0][1]}")
            await asyncio.Event().wait()
        finally:
            await runner.cleanup()
