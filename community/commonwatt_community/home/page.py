# SPDX-License-Identifier: Apache-2.0
"""The household's page, on this machine alone: it shows what the agent does and why, and has a button that pauses
it."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import resources

from commonwatt_client.pages import HOUSE_STYLE, page_file
from pydantic import TypeAdapter, ValidationError

from ..meters.web import Request, Response, serving
from .living import LivingHome
from .state import State
from .wishes import Wishes

HOST = "127.0.0.1"
_FILES = {
    "/": ("page.html", "text/html; charset=utf-8"),
    "/page.js": ("page.js", "text/javascript; charset=utf-8"),
    "/page.css": ("page.css", "text/css; charset=utf-8"),
}
_WISHES = TypeAdapter(Wishes)


@asynccontextmanager
async def page_of(living: LivingHome, state: State, port: int) -> AsyncIterator[int]:
    """Serve the page until the block ends; gives its port. ConfigurationError where it cannot be had."""

    async def answers(request: Request) -> Response:
        if request.method == "GET" and request.path in _FILES:
            name, kind = _FILES[request.path]
            return Response(200, (resources.files(__package__) / name).read_bytes(), kind)
        if (request.method, request.path) == ("GET", f"/{HOUSE_STYLE}"):
            return Response(200, page_file(HOUSE_STYLE).encode(), "text/css; charset=utf-8")
        if (request.method, request.path) == ("GET", "/state.json"):
            return Response(200, json.dumps(state.shown()).encode(), "application/json")
        if (request.method, request.path) == ("POST", "/wishes"):
            return _wished(request)
        return Response(404, b"there is no such page\n")

    def _wished(request: Request) -> Response:
        # A page of another site cannot send this type without asking first, and is not answered.
        if request.headers.get("content-type", "").partition(";")[0] != "application/json":
            return Response(415, b"send application/json\n")
        try:
            wishes = _WISHES.validate_json(request.body)
        except ValidationError:
            return Response(400, b"these are no wishes; docs/home.md has them\n")
        living.wish("household", wishes)
        return Response(204)

    async with serving(HOST, port, answers) as chosen:
        yield chosen
