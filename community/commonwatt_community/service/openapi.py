# SPDX-License-Identifier: Apache-2.0
"""The OpenAPI 3.1 document of the table of routes."""

from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue

from .problems import CONTENT_TYPE, STATUSES
from .route import API, Route

VERSION = "1"

Json = dict[str, Any]
_REF = "#/components/schemas/{model}"
_EVERYWHERE = ("bad_request", "wrong_host", "too_many_requests")


class _AsObjects(GenerateJsonSchema):
    """Named tuples as objects: so the contract writes them."""

    def named_tuple_schema(self, schema: Any) -> JsonSchemaValue:
        """The members of a named tuple, by name."""
        fields = {one["name"]: one["schema"] for one in schema["fields"]}
        return {
            "type": "object",
            "properties": {name: self.generate_inner(kind) for name, kind in fields.items()},
            "required": list(fields),
        }


def document(routes: tuple[Route, ...]) -> Json:
    """The document; each schema stands once, under its type's name."""
    schemas: Json = {"Problem": _problem()}
    paths: Json = {}
    for route in routes:
        paths.setdefault(API + route.path, {})[route.method.lower()] = _operation(route, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Commonwatt community service",
            "version": VERSION,
            "description": "The service carries homes' signed messages to the ledger and shows homes their records.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {
            "schemas": dict(sorted(schemas.items())),
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "cookie": {"type": "apiKey", "in": "cookie", "name": "cw_session"},
            },
        },
    }


def _operation(route: Route, schemas: Json) -> Json:
    operation: Json = {
        "operationId": route.name,
        "summary": route.says,
        "description": (route.handler.__doc__ or "").strip(),
        "responses": _responses(route, schemas),
    }
    if route.may:
        operation["security"] = [{"token": []}, {"cookie": []}]
        operation["description"] += f" For {', '.join(sorted(route.may))}."
    if route.parameters:
        operation["parameters"] = [
            {
                "name": one.name,
                "in": one.where,
                "required": one.needed,
                "description": one.says,
                "schema": one.schema,
            }
            for one in route.parameters
        ]
    if route.body is not None:
        content = {"application/json": {"schema": _schema(route.body, schemas, "validation")}}
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def _responses(route: Route, schemas: Json) -> Json:
    schema = (
        _schema(route.answer, schemas, "serialization") if route.answer is not None else {"type": "string"}
    )
    responses: Json = {
        str(route.status): {"description": "Done", "content": {route.content: {"schema": schema}}}
    }
    by_status: dict[int, set[str]] = {}
    for code in _codes(route):
        by_status.setdefault(STATUSES[code], set()).add(code)
    for status, codes in sorted(by_status.items()):
        responses[str(status)] = _refusal(", ".join(sorted(codes)))
    responses["default"] = _refusal("Any other code, such as one of the contract's")
    return responses


def _codes(route: Route) -> set[str]:
    codes = {*_EVERYWHERE, *route.problems}
    if route.may:
        codes |= {"login_required", "forbidden", "csrf", "peer_unreachable"}
    if any(one.name == "home" for one in route.parameters):
        codes.add("not_yours")
    if route.body is not None:
        codes |= {"not_json", "too_large"}
    return codes


def _refusal(description: str) -> Json:
    schema = {"$ref": _REF.format(model="Problem")}
    return {"description": description, "content": {CONTENT_TYPE: {"schema": schema}}}


def _schema(kind: Any, schemas: Json, mode: Any) -> Json:
    """A reference to the schema of a type, which is put among `schemas`."""
    schema = TypeAdapter(kind).json_schema(ref_template=_REF, mode=mode, schema_generator=_AsObjects)
    schemas.update(schema.pop("$defs", {}))
    name = str(schema.get("title") or kind.__name__)
    if schema.keys() != {"$ref"}:
        schemas[name] = schema
        return {"$ref": _REF.format(model=name)}
    return schema


def _problem() -> Json:
    return {
        "title": "Problem",
        "description": "RFC 9457; programs rely on `code`.",
        "type": "object",
        "required": ["type", "title", "status", "code", "detail"],
        "properties": {
            "type": {"type": "string"},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "code": {"type": "string"},
            "detail": {"type": "string"},
        },
    }
