# SPDX-License-Identifier: Apache-2.0
"""One peer that answers rich queries: the embedded one, and Fabric's own on a CouchDB where the tests are given one.

COUCHDB_URL=http://USER:PASSWORD@HOST:PORT names an empty server; the network's databases there are deleted before and
after.
"""

from __future__ import annotations

import base64
import json
import os
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from commonwatt_client.admin import CollectionConfig
from commonwatt_network.backends.native import COUCHDB_PASSWORD, COUCHDB_USER
from commonwatt_network.down import down
from commonwatt_network.model.topology import Channel, Topology, default_topology
from commonwatt_network.model.topology_parts import CouchDB
from commonwatt_network.up import up

from .conftest import RunningNetwork, quiet, require_backend, run_apart
from .probe_network import PROBE, Probe

MEMBER = "OR('NewtownMSP.member')"
CHANNEL = "richqueries"
COLLECTION = CollectionConfig("secrets", MEMBER)
ASSETS = {
    "asset1": {"docType": "asset", "owner": "tom", "size": 5, "color": "blue", "made": {"year": 2020},
               "tags": ["a", "b"]},
    "asset2": {"docType": "asset", "owner": "tom", "size": 10, "color": "red", "made": {"year": 2021}, "tags": []},
    "asset3": {"docType": "asset", "owner": "Anna", "size": 15, "color": "green", "tags": ["b", 3]},
    "asset4": {"docType": "asset", "owner": "bob", "size": 20, "color": "<blue>", "made": None},
    "asset5": {"docType": "other", "owner": "tom", "size": "large"},
}  # fmt: skip


@pytest.fixture(scope="module", params=["embedded", "native"])
def assets(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """One peer with the assets above, a value that is no JSON, and a private collection."""
    topology = _topology()
    if request.param == "native":
        topology = _with_couchdb(topology)
    version = require_backend(request.param)
    directory = tmp_path_factory.mktemp(request.param) / ".commonwatt"
    try:
        result = run_apart(lambda: up(directory, topology, request.param, quiet))
        network = RunningNetwork(request.param, version, result.nodes)
        network.deploy(
            PROBE,
            "assets",
            channel=CHANNEL,
            endorsement_policy=MEMBER,
            collections=(COLLECTION,),
        )
        run_apart(lambda: _fill(network))
        yield network
    finally:
        down(directory)
        if request.param == "native":
            _delete_databases()


def _topology() -> Topology:
    base = default_topology(homes=1)
    return base.model_copy(
        update={
            "organizations": {"newtown": base.organizations["newtown"]},
            "channels": {CHANNEL: Channel(organizations=["newtown"])},
            "chaincodes": {},
        }
    )


def _with_couchdb(topology: Topology) -> Topology:
    url = os.environ.get("COUCHDB_URL")
    if not url:
        pytest.skip("COUCHDB_URL names no CouchDB server for Fabric's peer")
    parts = urlsplit(url)
    os.environ[COUCHDB_USER], os.environ[COUCHDB_PASSWORD] = str(parts.username), str(parts.password)
    _delete_databases()
    address = f"http://{parts.hostname}:{parts.port}"
    return topology.model_copy(update={"state": CouchDB(couchdb=address)})


def _delete_databases() -> None:
    for name in _request("GET", "/_all_dbs"):
        if name.startswith((CHANNEL, "fabric__internal")):
            with suppress(OSError):
                _request("DELETE", "/" + quote(name, safe=""))


def _request(method: str, path: str) -> Any:
    parts = urlsplit(os.environ["COUCHDB_URL"])
    credentials = base64.b64encode(f"{parts.username}:{parts.password}".encode()).decode()
    request = urllib.request.Request(
        f"http://{parts.hostname}:{parts.port}{path}",
        method=method,
        headers={"Authorization": f"Basic {credentials}"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def assets_probe(gateway: Any) -> Probe:
    return Probe(gateway, gateway.get_network(CHANNEL).get_contract("assets"))


async def _fill(network: RunningNetwork) -> None:
    async with network.connect() as gateway:
        probe = assets_probe(gateway)
        entries = [{"key": key, "text": json.dumps(asset)} for key, asset in ASSETS.items()]
        await probe.submit("put_entries", [*entries, {"key": "plain", "text": "no JSON"}])
        for key, asset in ASSETS.items():
            value = json.dumps(asset).encode()
            await probe.submit("put_private", "secrets", key, transient={"value": value})
