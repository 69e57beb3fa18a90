# SPDX-License-Identifier: Apache-2.0
"""Real Fabric on hosts with IPv6 alone: reached by a name, by a bare address, and behind a router that forwards."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from commonwatt_network.consortium.bundle import read_bundle

from tests.support.fabric import require_backend
from tests.support.organisations import Member, found

from .namespaces import Internet

FORWARDING = Path(__file__).with_name("forwarding.py")
NETWORK = "fd09:8::"
pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]


@pytest.fixture
def three(tmp_path: Path) -> Iterator[dict[str, Member]]:
    """Three hosts that answer at IPv6 addresses alone, with the names of their nodes."""
    require_backend("native")
    internet = Internet(prefix_length=64)
    (tmp_path / "exchange").mkdir()
    everyone = {}
    try:
        try:
            internet.open()
        except (OSError, subprocess.CalledProcessError) as error:
            pytest.skip(f"network namespaces: {error}")
        for number, name in enumerate(("newtown", "glebe", "grid"), start=1):
            internet.add_host(name, f"{NETWORK}{number}")
            for kind in ("orderer", "peer"):
                internet.call(f"{kind}.{name}.example", f"{NETWORK}{number}")
            everyone[name] = Member(
                name, tmp_path / name, tmp_path / "exchange", 7050, inside=tuple(internet.command(name))
            )
        yield everyone
    finally:
        internet.close()


def test_hosts_with_ipv6_alone_trade(three: dict[str, Member]) -> None:
    newtown, glebe, grid = three.values()
    for member in three.values():
        member.describe(f"peer.{member.name}.example", listen="::")
        member.description["orderers"][0]["host"] = f"orderer.{member.name}.example"
    newtown.description["orderers"][0]["host"] = f"{NETWORK}1"
    # Grid's nodes bind other ports of the loopback interface alone: the router in front of them forwards.
    routes: list[str] = []
    for section, place in (("orderers", "orderer"), ("peers", "peer")):
        inside = grid.port(place, 1)
        grid.description[section][0] |= {"listen": "::1", "listen_port": inside}
        routes += [f"{NETWORK}3", str(grid.port(place)), "::1", str(inside)]
    router = subprocess.Popen([*grid.inside, sys.executable, str(FORWARDING), *routes])
    try:
        found(three, "all")
        assert read_bundle(newtown.bundle).orderers[0].address == f"[{NETWORK}1]:{newtown.port('orderer')}"
        for member in three.values():
            # All three organisations' peers endorse, each where the others dial it.
            member.trades()
            assert "waiting" not in member.run("org", "status")
        # Without the router, nobody reaches grid, and its endorsement is one of all three: this was no loopback.
        router.terminate()
        router.wait(timeout=10)
        assert f"orderer.grid.example:{grid.port('orderer')}" in glebe.run("org", "status")
    finally:
        router.kill()
        router.wait()
