# SPDX-License-Identifier: Apache-2.0
"""A network as fabric-samples name it, with Fabric CA, for other people's clients; and what they all are told.

It is the sample topology `test-network-ca` on ports of its own, with the test chaincode on `mychannel`.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from commonwatt_client.admin import CollectionConfig
from commonwatt_network.down import down
from commonwatt_network.model.topology import load_topology
from commonwatt_network.model.topology_parts import Ports
from commonwatt_network.samples_tree import write_tree
from commonwatt_network.up import up

from ..behaviour.conftest import RunningNetwork, quiet, run_apart
from ..behaviour.probe_network import PROBE
from ..support.fabric import require_backend

CHANNEL, CHAINCODE = "mychannel", "probe"
MEMBERS = "OR('Org1MSP.member', 'Org2MSP.member')"
COLLECTIONS = (
    CollectionConfig("shared", MEMBERS),
    CollectionConfig("agreed", MEMBERS, endorsement_policy="AND('Org1MSP.peer', 'Org2MSP.peer')"),
)
ORGANIZATION = "org1.example.com"


@contextmanager
def foreign_network(backend: str, folder: Path) -> Iterator[RunningNetwork]:
    """The network, up, with its samples' tree in `folder/organizations`."""
    version = require_backend(backend)
    if shutil.which("fabric-ca-server") is None:
        pytest.skip("fabric-ca-server is not on PATH; install Fabric CA's release")
    directory = folder / ".commonwatt"
    topology = load_topology("test-network-ca").model_copy(update={"ports": Ports()})
    try:
        result = run_apart(lambda: up(directory, topology, backend, quiet))
        network = RunningNetwork(backend, version, result.nodes)
        network.deploy(PROBE, CHAINCODE, channel=CHANNEL, endorsement_policy=MEMBERS, collections=COLLECTIONS)
        write_tree(network.nodes, folder)
        yield network
    finally:
        down(directory)


def settings_of(network: RunningNetwork) -> dict[str, Any]:
    """What a client is told: where the tree is, and the names in it."""
    tree = network.path.parent.parent / "organizations" / "peerOrganizations" / ORGANIZATION
    user = tree / "users" / f"User1@{ORGANIZATION}" / "msp"
    peer = network.nodes.gateway_peer(ORGANIZATION)
    registrar = network.nodes.topology.organizations[ORGANIZATION].registrar
    assert registrar is not None
    return {
        "profile": str(tree / "connection-org1.yaml"),
        "organization": ORGANIZATION,
        "certificate": str(user / "signcerts" / "cert.pem"),
        "privateKey": str(user / "keystore" / "priv_sk"),
        "tlsCertificate": str(tree / "peers" / peer.name / "tls" / "ca.crt"),
        "peer": peer.address,
        "peerName": peer.name,
        "authority": f"ca.{ORGANIZATION}",
        "registrar": registrar.name,
        "secret": registrar.secret,
        "mspid": "Org1MSP",
        "others": "Org2MSP",
        "channel": CHANNEL,
        "chaincode": CHAINCODE,
    }


def run_client(
    command: Sequence[str | Path], network: RunningNetwork, folder: Path, **more: Any
) -> dict[str, Any]:
    """What `command SETTINGS.json` prints on its last line."""
    file = folder / "settings.json"
    file.write_text(json.dumps(settings_of(network) | more))
    ran = subprocess.run([*command, file], capture_output=True, text=True, timeout=300)
    assert ran.returncode == 0, f"{ran.stdout[-2000:]}\n{ran.stderr[-4000:]}"
    answer: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
    return answer
