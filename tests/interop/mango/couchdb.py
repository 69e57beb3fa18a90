# SPDX-License-Identifier: Apache-2.0
"""A CouchDB server that the person who runs the tests has: COUCHDB_URL=http://admin:password@127.0.0.1:5984."""

from __future__ import annotations

import base64
import json
import os
import secrets
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import urlsplit

import pytest


class CouchDB:
    """One database of its own, gone after the test."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        credentials = f"{parts.username}:{parts.password}".encode()
        self._authorization = f"Basic {base64.b64encode(credentials).decode()}"
        self._url = f"{parts.scheme}://{parts.hostname}:{parts.port or 5984}"
        self._name = f"commonwatt{secrets.token_hex(6)}"

    def request(self, method: str, path: str, body: Any = None) -> Any:
        """The answer, an error's body too."""
        request = urllib.request.Request(
            f"{self._url}/{self._name}{path}",
            data=None if body is None else json.dumps(body).encode(),
            method=method,
            headers={"Authorization": self._authorization, "Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                return json.load(response)
        except urllib.error.HTTPError as error:
            return json.load(error)

    def fill(self, documents: list[dict[str, Any]], indexes: list[list[str]]) -> None:
        self.request("PUT", "?q=1")
        answers = self.request("POST", "/_bulk_docs", {"docs": documents})
        assert all("ok" in answer for answer in answers), answers
        for fields in indexes:
            self.request("POST", "/_index", {"index": {"fields": fields}})

    def find(self, query: dict[str, Any]) -> Any:
        return self.request("POST", "/_find", query)


def couchdb() -> CouchDB:
    """A new database; skips the test where there is no server."""
    url = os.environ.get("COUCHDB_URL")
    if not url:
        pytest.skip("COUCHDB_URL names no CouchDB server")
    return CouchDB(url)
