# SPDX-License-Identifier: Apache-2.0
"""What is written for a chaincode server, and how many organisations must approve."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from commonwatt_client.admin import ChannelConfig, InvalidInputError, read_package
from commonwatt_network.channels.deploy import forward_market
from commonwatt_network.channels.groups import msp_value
from commonwatt_network.channels.policies import implicit, signed_by_role
from commonwatt_network.connected.deploy import approvals_needed, package_of
from commonwatt_network.connected.server import server_files
from commonwatt_network.errors import UsageError
from cryptography import x509
from fabric_protos.common import configtx_pb2


def test_the_package_is_the_same_every_time_and_keys_are_their_owners_alone(tmp_path: Path) -> None:
    made = server_files(tmp_path, "market_1.0", "cc.example.com:9999", "Org1MSP")
    assert server_files(tmp_path, "market_1.0", "cc.example.com:9999", "Org1MSP") == made
    package, connection = read_package(made.package_file.read_bytes())
    assert package == made.package
    assert (connection["address"], connection["client_auth_required"]) == ("cc.example.com:9999", True)
    secret = [made.package_file, made.environment_file, *(tmp_path / "tls").glob("*.key")]
    assert len(secret) == 5  # three keys, the package, the environment
    assert {stat.S_IMODE(file.stat().st_mode) for file in secret} == {0o600}
    assert f"CHAINCODE_ID={package.package_id}\n" in made.environment_file.read_text()


@pytest.mark.parametrize("address", ["10.0.0.7:9999", "[::1]:9999", "moved.example.com:9999"])
def test_a_server_that_moves_gets_a_certificate_of_its_new_name(tmp_path: Path, address: str) -> None:
    first = server_files(tmp_path, "market_1.0", "cc.example.com:9999", "Org1MSP")
    authority = (tmp_path / "tls" / "ca.crt").read_bytes()
    moved = server_files(tmp_path, "market_1.0", address, "Org1MSP")
    assert moved.package.package_id != first.package.package_id
    assert (tmp_path / "tls" / "ca.crt").read_bytes() == authority
    certificate = x509.load_pem_x509_certificate((tmp_path / "tls" / "server.crt").read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [str(name.value) for name in names] == [address.rpartition(":")[0].strip("[]")]


def test_damaged_certificates_are_said(tmp_path: Path) -> None:
    server_files(tmp_path, "market_1.0", "cc.example.com:9999", "Org1MSP")
    (tmp_path / "tls" / "ca.key").write_text("damaged")
    with pytest.raises(UsageError, match="delete the folder"):
        server_files(tmp_path, "market_1.0", "cc.example.com:9999", "Org1MSP")


@pytest.mark.parametrize("address", ["nowhere", "host:0", "host:port"])
def test_an_address_that_is_none(tmp_path: Path, address: str) -> None:
    with pytest.raises(InvalidInputError, match="is not host:port"):
        server_files(tmp_path, "market_1.0", address, "Org1MSP")


def test_a_package_of_another_tool(tmp_path: Path) -> None:
    made = server_files(tmp_path, "market_1.0", "cc.example.com:9999", "Org1MSP")
    assert package_of(made.package_file) == made.package
    with pytest.raises(UsageError, match="No such file"):
        package_of(tmp_path / "nowhere.tar.gz")
    with (tmp_path / "huge.tar.gz").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(UsageError, match="larger than 100 MiB"):
        package_of(tmp_path / "huge.tar.gz")


def config(members: int, rule: str) -> ChannelConfig:
    root = configtx_pb2.ConfigGroup()
    application = root.groups["Application"]
    for number in range(members):
        group = application.groups[f"Org{number}"]
        group.values["MSP"].CopyFrom(msp_value(f"Org{number}MSP", b"authority", b"TLS authority"))
    policy = signed_by_role("Org0", "ADMIN") if rule == "signature" else implicit(rule, "Endorsement")
    if rule != "none":
        application.policies["LifecycleEndorsement"].CopyFrom(policy)
    return ChannelConfig("trades", 0, root.SerializeToString())


@pytest.mark.parametrize(
    ("members", "rule", "needed"),
    [
        (3, "MAJORITY", 2),
        (4, "MAJORITY", 3),
        (1, "MAJORITY", 1),
        (3, "ANY", 1),
        (3, "ALL", 3),
        (3, "signature", 3),
    ],
)
def test_how_many_organisations_must_approve(members: int, rule: str, needed: int) -> None:
    assert approvals_needed(config(members, rule)) == needed


def test_a_forward_market_is_for_two_organisations_and_both_write_the_same() -> None:
    described = forward_market(config(2, "ALL"))
    assert described["endorsement_policy"] == "AND('Org0MSP.peer', 'Org1MSP.peer')"
    assert [collection.name for collection in described["collections"]] == ["community"]
    for members in (1, 3):
        with pytest.raises(
            UsageError, match="channel trades has the members Org0MSP.*; a forward market has two"
        ):
            forward_market(config(members, "ALL"))
