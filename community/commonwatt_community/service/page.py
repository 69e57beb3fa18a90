# SPDX-License-Identifier: Apache-2.0
"""The OpenAPI document as a page for people: one file, without scripts and without anything from elsewhere."""

import base64
import hashlib
import json
from html import escape
from typing import Any

from commonwatt_client.pages import HOUSE_STYLE, page_file

Json = dict[str, Any]

_STYLE = (
    page_file(HOUSE_STYLE)
    + """
main { max-width: 60rem }
details { background: var(--paper); border: 1px solid var(--line); border-radius: .5rem; padding: .2rem .8rem }
summary { padding: .25rem 0; overflow-wrap: anywhere }
pre { white-space: pre-wrap; overflow-wrap: anywhere; padding: .5rem; border: 1px solid var(--line) }
table { width: 100%; margin: .5rem 0 }
td, th { text-align: left; vertical-align: top; white-space: normal }
"""
)

POLICY = "default-src 'none'; frame-ancestors 'none'; style-src 'sha256-{}'".format(
    base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode("ascii")
)


def page(document: Json) -> str:
    """The page; each route opens to its parameters, body and answers."""
    routes = [
        _route(method.upper(), path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    schemas = [_schema(name, schema) for name, schema in document["components"]["schemas"].items()]
    title = escape(document["info"]["title"])
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{_STYLE}</style></head>'
        f"<body><main><h1>{title}</h1><p>{escape(document['info']['description'])} "
        '<a href="openapi.json">openapi.json</a> is the same for programs.</p>'
        f"<h2>Routes</h2>{''.join(routes)}<h2>Bodies and answers</h2>{''.join(schemas)}</main></body></html>"
    )


def _route(method: str, path: str, operation: Json) -> str:
    said = f"<p>{escape(operation['description'])}</p>"
    parameters = "".join(
        f"<tr><td><code>{escape(one['name'])}</code></td><td>{escape(one['in'])}</td>"
        f"<td>{'' if one['required'] else 'optional: '}{escape(one['description'])}</td></tr>"
        for one in operation.get("parameters", ())
    )
    if parameters:
        said += _table(("parameter", "in", "what"), parameters)
    if "requestBody" in operation:
        said += f"<p>Body: {_link(operation['requestBody'])}</p>"
    answers = "".join(
        f"<tr><td>{escape(status)}</td><td>{escape(answer['description'])}</td><td>{_link(answer)}</td></tr>"
        for status, answer in operation["responses"].items()
    )
    said += _table(("status", "when", "what"), answers)
    head = f"<code>{escape(method)} {escape(path)}</code> {escape(operation['summary'])}"
    return f"<details><summary>{head}</summary>{said}</details>"


def _table(heads: tuple[str, ...], rows: str) -> str:
    head = "".join(f'<th scope="col">{name}</th>' for name in heads)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


def _link(part: Json) -> str:
    [content] = part["content"].values()
    name = content["schema"].get("$ref", "").rpartition("/")[2]
    return f'<a href="#{escape(name)}">{escape(name)}</a>' if name else "text"


def _schema(name: str, schema: Json) -> str:
    shown = escape(json.dumps(schema, indent=1))
    return f'<details id="{escape(name)}"><summary>{escape(name)}</summary><pre>{shown}</pre></details>'
