# SPDX-License-Identifier: Apache-2.0
"""One table says what each route takes and answers and who may call it; server and OpenAPI document are made of it."""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from aiohttp import web
from pydantic import BaseModel, ConfigDict, ValidationError

from .caller import Caller, Role
from .parts import Parts
from .problems import Problem

API = "/api/v1"
SMALL_BODY = 16_384
_INTEGER = re.compile(r"-?[0-9]{1,15}")

Json = dict[str, Any]
Answer = Json | bytes | web.StreamResponse


class Body(BaseModel):
    """A body in JSON with exactly the members that it names."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


@dataclass(frozen=True)
class Parameter:
    """A value in the path, the query or a header, with the JSON Schema that bounds it."""

    name: str
    where: Literal["path", "query", "header"]
    schema: Json
    says: str
    needed: bool = True

    def value(self, text: str | None) -> Any:
        """The value of a text; Problem ``bad_request`` for one out of its bounds, or for none where it is needed."""
        if text is None:
            if self.needed:
                raise Problem("bad_request", f"{self.name} is missing")
            return self.schema.get("default")
        if self.schema["type"] == "integer":
            if (
                not _INTEGER.fullmatch(text)
                or not self.schema["minimum"] <= int(text) <= self.schema["maximum"]
            ):
                low, high = self.schema["minimum"], self.schema["maximum"]
                raise Problem("bad_request", f"{self.name} is an integer from {low} to {high}")
            return int(text)
        if "enum" in self.schema:
            if text not in self.schema["enum"]:
                raise Problem("bad_request", f"{self.name} is one of {', '.join(self.schema['enum'])}")
        elif not re.fullmatch(self.schema["pattern"], text, re.ASCII):
            raise Problem("bad_request", f"{self.name} does not match {self.schema['pattern']}")
        return text


@dataclass(frozen=True)
class Call:
    """A request whose caller, values and body were judged."""

    request: web.Request
    parts: Parts
    address: str
    session: Caller | None
    values: Mapping[str, Any]
    body: Any

    @property
    def caller(self) -> Caller:
        """The session; the table says that the route has one."""
        assert self.session is not None
        return self.session

    @property
    def home(self) -> str:
        """The home that the path or query names, or else the caller's own."""
        return str(self.values.get("home") or self.caller.home)


Handler = Callable[[Call], Awaitable[Answer]]


@dataclass(frozen=True)
class Route:
    """A method of a path.

    Attributes:
        may: roles that may call it; empty for any caller, with or without a session.
        body: the kind of body, if there is one.
        answer: the type of a successful answer in JSON, for the document.
        content: its media type.
        guess: a try of a secret, of which an address has few.
        action: what the audit log calls it; empty where it is not noted.
        problems: codes beyond those that every route has.
    """

    method: str
    path: str
    handler: Handler
    says: str
    may: frozenset[Role] = frozenset()
    parameters: tuple[Parameter, ...] = ()
    body: type[Body] | None = None
    answer: Any = None
    content: str = "application/json"
    status: int = 200
    largest_body: int = SMALL_BODY
    guess: bool = False
    action: str = ""
    problems: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The operation's id: the handler's name."""
        return self.handler.__name__

    def values(self, request: web.Request) -> dict[str, Any]:
        """The parameters' values in a request; Problem for one that is wrong, unknown or given twice."""
        found = {}
        for one in self.parameters:
            if one.where == "path":
                text: str | None = request.match_info[one.name]
            elif one.where == "header":
                text = request.headers.get(one.name)
            else:
                given = request.query.getall(one.name, [])
                if len(given) > 1:
                    raise Problem("bad_request", f"{one.name} is given twice")
                text = given[0] if given else None
            found[one.name] = one.value(text)
        known = {one.name for one in self.parameters if one.where == "query"}
        unknown = sorted(set(request.query) - known)
        if unknown:
            raise Problem("bad_request", f"the route has no parameter {unknown[0][:40]}")
        return found

    def read(self, content: bytes) -> Body | None:
        """The body; Problem ``bad_request`` names places, never values."""
        if self.body is None:
            return None
        try:
            return self.body.model_validate_json(content)
        except ValidationError as error:
            first = error.errors(include_url=False, include_context=False, include_input=False)[0]
            place = ".".join(map(str, first["loc"]))[:80]
            raise Problem(
                "bad_request", f"the body at {place or 'its start'}: {first['msg'][:160]}"
            ) from None


def integer(low: int, high: int, **more: Any) -> Json:
    """The schema of an integer within bounds."""
    return {"type": "integer", "minimum": low, "maximum": high, **more}


def text(pattern: str, **more: Any) -> Json:
    """The schema of a text that matches a pattern as a whole."""
    return {"type": "string", "pattern": f"^(?:{pattern})$", **more}


def one_of(*words: str, **more: Any) -> Json:
    """The schema of one of some words."""
    return {"type": "string", "enum": list(words), **more}
