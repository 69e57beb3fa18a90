# SPDX-License-Identifier: Apache-2.0
"""The real `kubectl` makes, finds and deletes namespaces by UID, at an API server that knows namespaces alone."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from commonwatt_network.backends import cluster
from commonwatt_network.model.layout import Layout
from commonwatt_network.trust.identity import ensure_organization

PREFIX = "/api/v1/namespaces"


class ApiServer(ThreadingHTTPServer):
    """What `kubectl` needs of a cluster to get, create and delete namespaces."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Requests)
        self.namespaces: dict[str, dict[str, Any]] = {}
        self.made = 0

    def make(self, name: str, labels: dict[str, str]) -> dict[str, Any]:
        self.made += 1
        metadata = {
            "name": name,
            "labels": labels,
            "uid": f"uid-{self.made}",
            "resourceVersion": str(self.made),
        }
        self.namespaces[name] = {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}
        return self.namespaces[name]


class Requests(BaseHTTPRequestHandler):
    server: ApiServer

    def log_message(self, format: str, *arguments: Any) -> None:
        pass

    def answer(self, content: Any, code: int = 200) -> None:
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def refuse(self, code: int, reason: str) -> None:
        status = {"apiVersion": "v1", "kind": "Status", "status": "Failure", "reason": reason, "code": code}
        self.answer({**status, "message": reason}, code)

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        name = path.removeprefix(PREFIX).strip("/")
        resource = {
            "name": "namespaces",
            "namespaced": False,
            "kind": "Namespace",
            "verbs": ["get", "create", "delete"],
        }
        fixed = {
            "/readyz": b"ok",
            "/api": {"kind": "APIVersions", "versions": ["v1"]},
            "/apis": {"kind": "APIGroupList", "apiVersion": "v1", "groups": []},
            "/api/v1": {"kind": "APIResourceList", "groupVersion": "v1", "resources": [resource]},
        }
        if path in fixed:
            self.answer(fixed[path])
        elif path == PREFIX:
            named = [entry for entry in self.server.namespaces if f"metadata.name%3D{entry}&" in f"{query}&"]
            items = [self.server.namespaces[entry] for entry in named]
            self.answer(
                {
                    "kind": "NamespaceList",
                    "apiVersion": "v1",
                    "metadata": {"resourceVersion": "1"},
                    "items": items,
                }
            )
        elif name in self.server.namespaces:
            self.answer(self.server.namespaces[name])
        else:
            self.refuse(404, "NotFound")

    def do_POST(self) -> None:
        metadata = json.loads(self.body())["metadata"]
        if metadata["name"] in self.server.namespaces:
            self.refuse(409, "AlreadyExists")
        else:
            self.answer(self.server.make(metadata["name"], metadata.get("labels", {})), 201)

    def do_DELETE(self) -> None:
        name = self.path.removeprefix(PREFIX).strip("/")
        options = json.loads(self.body() or b"{}")
        if options.get("preconditions", {}).get("uid") != self.server.namespaces[name]["metadata"]["uid"]:
            self.refuse(409, "Conflict")
        else:
            self.answer(self.server.namespaces.pop(name))

    def body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        chunks = []
        while size := int(self.rfile.readline(), 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(chunks)


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ApiServer]:
    """A cluster that KUBECONFIG's current context leads to."""
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl is not on PATH")
    with ApiServer() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        entry = {"name": "home", "cluster": {"server": f"http://127.0.0.1:{server.server_port}"}}
        contexts = [{"name": "home", "context": {"cluster": "home", "user": ""}}]
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [entry],
            "contexts": contexts,
            "users": [],
        }
        (tmp_path / "config").write_text(json.dumps(config | {"current-context": "home"}))
        monkeypatch.setenv("KUBECONFIG", str(tmp_path / "config"))
        monkeypatch.setenv("KUBECACHEDIR", str(tmp_path / "cache"))
        yield server
        server.shutdown()


def test_namespaces_are_made_once_and_deleted_by_their_uid(server: ApiServer, tmp_path: Path) -> None:
    layout = Layout(tmp_path / ".commonwatt")
    for name in ("newtown", "grid"):
        ensure_organization(layout, name)
    server.make("grid", {})
    with pytest.raises(cluster.ForeignNamespaceError, match="namespace grid in kubectl's context home"):
        cluster.find_cluster(layout, ["newtown", "grid"])
    found = cluster.find_cluster(layout, ["newtown"])
    assert found == cluster.Cluster("home", {"newtown": ""})
    labels = {cluster.LABEL: cluster.mark(layout, "newtown")}
    manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "newtown", "labels": labels}}
    made = cluster.make_namespaces(layout, found, {"newtown": manifest})
    assert cluster.pinned(layout) == made == cluster.Cluster("home", {"newtown": "uid-2"})
    assert cluster.find_cluster(layout, ["newtown"]) == made
    with pytest.raises(cluster.KubectlError, match="create failed in context home: .*AlreadyExists"):
        cluster.make_namespaces(layout, found, {"newtown": manifest})
    with pytest.raises(cluster.KubectlError, match="delete failed in context home: .*Conflict"):
        cluster.delete_namespace(made, "newtown", "uid-1")
    assert set(server.namespaces) == {"newtown", "grid"}
    cluster.delete_namespace(made, "newtown", "uid-2")
    assert set(server.namespaces) == {"grid"}
    assert cluster.own_namespaces(layout, made) == {}
