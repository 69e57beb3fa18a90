# SPDX-License-Identifier: Apache-2.0
"""What `commonwatt doctor` says of an organisation's host."""

from __future__ import annotations

import socket
from contextlib import closing
from pathlib import Path

import pytest
from commonwatt_network import finding
from commonwatt_network.consortium import examination
from commonwatt_network.consortium.examination import examine_host
from commonwatt_network.consortium.host import OwnHost, init_host
from commonwatt_network.consortium.organization import OrganizationDescription
from commonwatt_network.programs.ports import choose_first_port


def organisation(folder: Path, host: str = "localhost", days: int = 365) -> OwnHost:
    first = choose_first_port(6, folder)
    description = OrganizationDescription.model_validate(
        {
            "name": "newtown",
            "orderers": [
                {"host": host, "port": first, "admin_port": first + 1, "operations_port": first + 2}
            ],
            "peers": [{"host": "localhost", "port": first + 3, "operations_port": first + 4}],
            "chaincode": {"port": first + 5},
            "days_valid": days,
        }
    )
    return init_host(description, folder)


def found(host: OwnHost) -> dict[str, finding.Finding]:
    return {each.what: each for each in examine_host(host)}


def test_a_sound_host(tmp_path: Path) -> None:
    says = found(organisation(tmp_path))
    for what in ("names", "ports", "certificates"):
        assert says[what].good, says[what]
    assert "364 days" in says["certificates"].says
    assert "clock" in says


def test_a_name_that_leads_nowhere_and_a_port_that_is_taken(tmp_path: Path) -> None:
    host = organisation(tmp_path, "orderer.newtown.invalid")
    with closing(socket.create_server(("127.0.0.1", host.peers[0].port))):
        says = found(host)
    assert not says["names"].good
    assert "orderer.newtown.invalid leads nowhere" in says["names"].says
    assert not says["ports"].good
    assert f"{host.peers[0].port} (peer0.newtown)" in says["ports"].says


def test_a_port_of_ipv6_alone_counts_too(tmp_path: Path) -> None:
    host = organisation(tmp_path)
    try:
        taken = socket.create_server(("::1", host.peers[0].port), family=socket.AF_INET6)
    except OSError as error:
        pytest.skip(f"no IPv6 here: {error}")
    with closing(taken):
        assert not found(host)["ports"].good


def test_a_certificate_that_was_not_renewed_in_time(tmp_path: Path) -> None:
    says = found(organisation(tmp_path, days=1))["certificates"]
    assert not says.good
    assert "commonwatt org renew" in says.says


def test_signs_of_life(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = tmp_path / "tcp_keepalive_time"
    monkeypatch.setattr(examination, "KEEPALIVE", kept)
    for seconds, good in (("7200", False), ("2", True)):
        kept.write_text(f"{seconds}\n")
        says = found(organisation(tmp_path / seconds))["signs of life"]
        assert says.good is good
        assert f"after {seconds} s" in says.says
