# SPDX-License-Identifier: Apache-2.0
"""What a chaincode server is told, by the names that official libraries read; and where peers dial it."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from commonwatt_client.admin import read_package
from commonwatt_network.errors import UsageError
from commonwatt_network.model.layout import Layout
from commonwatt_network.model.nodes import Nodes, settle
from commonwatt_network.model.topology import Topology, default_topology
from commonwatt_network.model.topology_chaincode import Chaincode
from commonwatt_network.programs.chaincode_servers import chaincode_package, server_programs
from commonwatt_network.programs.second_servers import second_program
from commonwatt_network.trust.identity import ensure_identities


def settled(tmp_path: Path, chaincode: Chaincode) -> Nodes:
    base = default_topology(homes=1)
    topology = Topology.model_validate(base.model_dump() | {"chaincodes": {"market": chaincode.model_dump()}})
    nodes = settle(topology, Layout(tmp_path / "network"), 12_000)
    ensure_identities(nodes)
    return nodes


def test_every_library_finds_what_it_reads(tmp_path: Path) -> None:
    chaincode = Chaincode(
        command=["serve", "--at={address}", "{port}", "{package_id}", "{other}"],  # type: ignore[arg-type]
        environment={"PLACE": "at {address}"},
        folder=tmp_path,
        workers=3,
    )
    nodes = settled(tmp_path, chaincode)
    program = next(each for each in server_programs(nodes) if each.name == "market.grid")
    variables, package = program.environment, chaincode_package(nodes, "market", "grid")
    address = nodes.chaincode_server("market", "grid").address
    port = address.rpartition(":")[2]
    assert program.command == ["serve", f"--at={address}", port, package.package_id, "{other}"]
    assert (program.directory, variables["PLACE"], variables["CHAINCODE_WORKERS"]) == (
        tmp_path,
        f"at {address}",
        "3",
    )
    assert {variables[name] for name in ("CHAINCODE_ID", "CORE_CHAINCODE_ID_NAME", "CORE_CHAINCODE_ID")} == {
        package.package_id
    }
    assert variables["CHAINCODE_SERVER_ADDRESS"] == variables["CORE_CHAINCODE_ADDRESS"] == address
    assert (variables["CORE_PEER_LOCALMSPID"], variables["CORE_PEER_TLS_ENABLED"]) == ("GridMSP", "true")
    assert variables["CHAINCODE_TLS_DISABLED"] == "false"
    key = Path(variables["CHAINCODE_TLS_KEY"])
    assert variables["CORE_TLS_CLIENT_KEY_FILE"] == variables["CORE_CHAINCODE_TLS_KEY_FILE"] == str(key)
    in_base64 = Path(variables["CORE_TLS_CLIENT_KEY_PATH"])
    assert base64.b64decode(in_base64.read_bytes()) == key.read_bytes()
    assert in_base64.stat().st_mode & 0o777 == 0o600
    authorities = {
        variables[name]
        for name in (
            "CHAINCODE_TLS_CLIENT_CACERT", "CHAINCODE_CLIENT_CA_CERT", "CORE_CHAINCODE_TLS_CLIENT_CACERT_FILE",
            "CORE_PEER_TLS_ROOTCERT_FILE",
        )
    }  # fmt: skip
    assert authorities == {str(nodes.layout.tls_ca_certificate("grid"))}

    second = second_program(nodes.layout, program, package.package_id, "127.0.0.1:9")
    assert second.command == ["serve", "--at=127.0.0.1:9", "9", package.package_id, "{other}"]
    assert (second.environment["PLACE"], second.environment["CHAINCODE_WORKERS"]) == ("at 127.0.0.1:9", "3")


def test_a_server_elsewhere_is_no_process_and_is_dialled_by_its_own_authority(tmp_path: Path) -> None:
    authority = tmp_path / "ca.crt"
    nodes = settled(tmp_path, Chaincode(address="cc.example.com:9999", tls_authority=authority))
    assert (nodes.chaincode_servers, server_programs(nodes)) == ((), [])
    with pytest.raises(UsageError, match=r"ca.crt: No such file or directory; it is to be the CA of"):
        chaincode_package(nodes, "market", "grid")
    authority.write_text("not PEM")
    with pytest.raises(UsageError, match="root_cert is not a PEM certificate"):
        chaincode_package(nodes, "market", "grid")
    authority.write_bytes(nodes.layout.tls_ca_certificate("newtown").read_bytes())
    packages = [chaincode_package(nodes, "market", name) for name in ("newtown", "grid")]
    assert packages[0] == packages[1], "one server, one package id"
    _, connection = read_package(packages[0].content)
    assert (connection["address"], connection["client_auth_required"]) == ("cc.example.com:9999", False)
    assert connection["root_cert"] == authority.read_text()


def test_servers_elsewhere_that_demand_a_certificate_see_the_organisations_own(tmp_path: Path) -> None:
    authority = tmp_path / "ca.crt"
    places = {"newtown": "a.example.com:1", "grid": "b.example.com:2"}
    chaincode = Chaincode(addresses=places, tls_authority=authority, client_authentication=True)
    nodes = settled(tmp_path, chaincode)
    authority.write_bytes(nodes.layout.tls_ca_certificate("newtown").read_bytes())
    for organization, address in places.items():
        _, connection = read_package(chaincode_package(nodes, "market", organization).content)
        shown = nodes.layout.chaincode_client_tls(organization) / "server.crt"
        assert (connection["address"], connection["client_cert"]) == (address, shown.read_text())
