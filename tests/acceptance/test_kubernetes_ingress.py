# SPDX-License-Identifier: Apache-2.0
"""Three organisations behind one address: an Ingress controller tells their nodes apart by the name in TLS.

    COMMONWATT_TEST_KUBE_CONTEXT=CONTEXT COMMONWATT_TEST_KUBE_INGRESS=CLASS,DOMAIN \
        pytest -m long -s tests/acceptance/test_kubernetes_ingress.py

The controller of that IngressClass passes TLS on. The names orderer0.newtown.DOMAIN, peer0.newtown.DOMAIN, and those of
glebe and grid, lead to its port 443, from here and from pods.
"""

from __future__ import annotations

import json
import os
import socket
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from commonwatt_network.programs.ports import choose_first_port

from tests.acceptance.cluster import kubectl, require_cluster
from tests.acceptance.test_compose_consortium import agree_on_ledger, first_trade, load
from tests.acceptance.test_kubernetes_consortium import FOUNDERS, InNamespace
from tests.support.organisations import PORTS, found

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]
INGRESS = "COMMONWATT_TEST_KUBE_INGRESS"
PORT = 443


@dataclass
class ByName(InNamespace):
    """An organisation whose nodes have DNS names that lead to the controller."""

    ingress_class: str = ""

    @property
    def nodes(self) -> dict[str, tuple[str, int]]:
        return {"orderer0": ("orderer", 0), "peer0": ("peer", 0)}

    def node(self, name: str) -> dict[str, Any]:
        bound = super().node(name)
        return {**bound, "port": PORT, "listen_port": bound["port"]}

    def outside(self) -> dict[str, Any]:
        return {"type": "Ingress", "ingressClassName": self.ingress_class}


@pytest.fixture(scope="module")
def founders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, ByName]]:
    """They have come as far as their first trade."""
    folder = tmp_path_factory.mktemp("names")
    (folder / "exchange").mkdir()
    ingress_class, _, domain = os.environ.get(INGRESS, "").partition(",")
    if not domain:
        pytest.skip(f"{INGRESS} names no IngressClass and the domain that leads to its controller")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KUBECONFIG", str(require_cluster(folder)))
        room = 3 * len(PORTS)
        first = choose_first_port(room * len(FOUNDERS), folder)
        members = {
            name: ByName(
                *(name, folder / name, folder / "exchange", first + n * room), ingress_class=ingress_class
            )
            for n, name in enumerate(FOUNDERS)
        }
        try:
            began = time.monotonic()
            for member in members.values():
                member.addresses = {node: f"{node}.{member.name}.{domain}" for node in member.nodes}
                member.redescribe()
            found(members)
            first_trade(members)
            print(f"\nfrom nothing to the first trade by names: {time.monotonic() - began:.1f} s, {load()}")
            yield members
        finally:
            for member in members.values():
                kubectl("delete", "namespace", member.namespace, "--ignore-not-found", "--wait=false")


def test_three_organisations_trade_behind_one_address(founders: dict[str, ByName]) -> None:
    agree_on_ledger(*founders.values())
    for member in founders.values():
        services = json.loads(member.kubectl("get", "services", "--output", "json"))["items"]
        assert {each["spec"]["type"] for each in services} == {"ClusterIP"}
        assert "waiting" not in member.run("org", "status")


def test_tls_ends_in_the_node_and_not_in_the_controller(founders: dict[str, ByName]) -> None:
    for member in founders.values():
        for node, host in member.addresses.items():
            authority = member.host.layout.tls_ca_certificate(member.name)
            context = ssl.create_default_context(cafile=str(authority))
            context.set_alpn_protocols(["h2"])
            with (
                socket.create_connection((host, PORT), timeout=10) as raw,
                context.wrap_socket(raw, server_hostname=host) as connection,
            ):
                shown = connection.getpeercert()
                assert shown
                names = {pair[1] for pair in shown["subjectAltName"]}
                assert {host, f"{node}.{member.name}"} <= names
