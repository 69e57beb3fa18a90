# SPDX-License-Identifier: Apache-2.0
"""The pages and their files as a service hands them out: small, unchanging, under a policy without inline script."""

import gzip
import hashlib
from collections.abc import Awaitable, Callable, Mapping
from importlib import resources

import jinja2
from aiohttp import web
from commonwatt_client.pages import HOUSE_STYLE, page_file

from ..statement.page import page_style
from ..texts import texts

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
STATEMENT_STYLE = "/portal/statement.css"

Handler = Callable[[web.Request], Awaitable[web.Response]]

_TYPES = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml", "html": "text/html"}
_FILES = ("portal.css", "portal.js", "operator.js", "page.js", "charts.js", "sun.svg")
# Which page an address shows, and its script. /join is for both: the page itself sees who comes in.
_PAGES = {
    "/": ("resident.html", "portal.js"),
    "/join": ("resident.html", "portal.js"),
    "/operator": ("operator.html", "operator.js"),
}


def add_pages(app: web.Application) -> None:
    """Add the residents' page, the operators' page, and their files to a service."""
    for path, (template, script) in _PAGES.items():
        page = _rendered(template, script=script, path="/operator" if path == "/operator" else "/")
        app.router.add_get(path, _handed_out(page, "html"))
    for name in _FILES:
        app.router.add_get(f"/portal/{name}", _handed_out(_file(name), name.rpartition(".")[2]))
    app.router.add_get(f"/portal/{HOUSE_STYLE}", _handed_out(page_file(HOUSE_STYLE), "css"))
    app.router.add_get(STATEMENT_STYLE, _handed_out(page_style(), "css"))


def _handed_out(text: str, kind: str) -> Handler:
    """A handler for content that never changes while the service runs."""
    content = text.encode("utf-8")
    packed = gzip.compress(content, 9, mtime=0)
    tag = f'"{hashlib.sha256(content).hexdigest()[:20]}"'
    headers: Mapping[str, str] = {
        "Cache-Control": "no-cache",
        "Content-Security-Policy": POLICY,
        "ETag": tag,
        "Vary": "Accept-Encoding",
    }

    async def hand_out(request: web.Request) -> web.Response:
        if request.headers.get("If-None-Match") == tag:
            return web.Response(status=304, headers=headers)
        if "gzip" in request.headers.get("Accept-Encoding", ""):
            coded = {**headers, "Content-Encoding": "gzip"}
            return web.Response(body=packed, headers=coded, content_type=_TYPES[kind], charset="utf-8")
        return web.Response(body=content, headers=headers, content_type=_TYPES[kind], charset="utf-8")

    return hand_out


def _rendered(template: str, **values: str) -> str:
    pages = jinja2.Environment(
        loader=jinja2.FunctionLoader(_file),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
    )
    return pages.get_template(template).render(t=texts("portal"), **values)


def _file(name: str) -> str:
    return resources.files(__package__).joinpath("pages", name).read_text("utf-8")
