# SPDX-License-Identifier: Apache-2.0
"""Hosts by name, IPv4 and IPv6: as people write them, as addresses have them, as certificates name them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from commonwatt_network.backends.configuration import orderer_configuration, peer_configuration
from commonwatt_network.channels.genesis import hosts_of
from commonwatt_network.consortium.bundle import own_bundle
from commonwatt_network.consortium.genesis import consortium_block
from commonwatt_network.consortium.host import init_host
from commonwatt_network.consortium.organization import OrganizationDescription, load_description
from commonwatt_network.consortium.review import review_block
from commonwatt_network.errors import UsageError
from commonwatt_network.model.addresses import HostName, in_brackets, is_name, split_address
from commonwatt_network.trust.certificates import create_authority, issue_tls
from pydantic import TypeAdapter, ValidationError


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("::1", "[::1]"),
        ("[2001:DB8:0::1]", "[2001:db8::1]"),
        ("192.0.2.1", "192.0.2.1"),
        ("peer.newtown.example", "peer.newtown.example"),
    ],
)
def test_an_ipv6_address_stands_in_brackets(written: str, kept: str) -> None:
    assert TypeAdapter(HostName).validate_python(written) == kept
    assert TypeAdapter(HostName).validate_python(kept) == kept
    assert split_address(f"{kept}:7051") == (kept.strip("[]"), 7051)


@pytest.mark.parametrize(
    "wrong",
    [
        *("", "two words", "a:b", "fe80::1%eth0", "[::1", "-x", 5, None, "[::1]:7050"),
        *("192.0.2.300", "192.0.2", "7", "a..b", "a.-b", "a" * 64, "a." * 126 + "bc"),
    ],
)
def test_anything_else_is_no_host(wrong: object) -> None:
    with pytest.raises(ValidationError, match="DNS name, IPv4 or IPv6"):
        TypeAdapter(HostName).validate_python(wrong)


def test_names_are_told_from_addresses() -> None:
    assert is_name("peer0")
    assert is_name("7.newtown.example")
    assert not is_name("192.0.2.7")
    assert not is_name("[::1]")


def test_certificates_name_addresses_as_addresses() -> None:
    authority = create_authority("tlsca.newtown", "newtown")
    made = issue_tls(authority, "peer0.newtown", ["localhost", "192.0.2.1", "[2001:db8::1]"], 30)
    assert hosts_of(made.certificate) == ["localhost", "192.0.2.1", in_brackets("2001:db8::1")]


def description(**changes: Any) -> OrganizationDescription:
    return OrganizationDescription.model_validate(
        {
            "name": "newtown",
            "orderers": [{"host": "2001:db8::7"}],
            "peers": [{"host": "peer.newtown.example", "listen": "192.0.2.9", "listen_port": 17051}],
            **changes,
        }
    )


def test_a_channel_has_the_address_that_fabric_can_dial(tmp_path: Path) -> None:
    """Fabric puts a colon between a consenter's host and port, whatever the host is."""
    bundle = own_bundle(init_host(description(), tmp_path))
    config = review_block(consortium_block("newtown", [bundle])).config
    assert [consenter.address for consenter in config.consenters] == ["[2001:db8::7]:7050"]
    assert config.consenters[0].host == "[2001:db8::7]"
    assert config.orderer_organizations["NewtownMSP"].orderer_endpoints == ("[2001:db8::7]:7050",)
    assert config.application_organizations["NewtownMSP"].anchor_peers == ("peer.newtown.example:7051",)


def test_what_a_node_binds_is_apart_from_what_others_dial(tmp_path: Path) -> None:
    host = init_host(description(), tmp_path)
    core = yaml.safe_load(
        peer_configuration(host.peers[0], "x:1", "n", tmp_path, (3, 1, 5), hosts_apart=True)
    )["peer"]
    assert core["listenAddress"] == "192.0.2.9:17051"
    assert core["address"] == core["gossip"]["externalEndpoint"] == "peer.newtown.example:7051"
    general = yaml.safe_load(orderer_configuration(host.orderers[0], []))["General"]
    # Every address, IPv6 too; Fabric would read "[::]" itself as a list.
    assert host.orderers[0].listen_address == "[::]:7050"
    assert general["ListenAddress"] == {"File": str(host.orderers[0].directory / "listen")}
    plain = description(peers=[{"host": "peer.newtown.example"}])
    assert plain.bound(plain.peers[0]) == "0.0.0.0"


@pytest.mark.parametrize(
    ("nodes", "says"),
    [
        ('[{host: "::1"}]', "Fabric's peers cannot tell each other an IPv6 address"),
        ("[{host: a.example, port: 443, listen_port: 7052}]", "share port 7052"),
        ("[{host: a.example}, {host: b.example, port: 8051, listen_port: 7051}]", "share port 7051"),
    ],
)
def test_what_could_not_work_is_refused(tmp_path: Path, nodes: str, says: str) -> None:
    file = tmp_path / "organization.yaml"
    file.write_text(f"name: newtown\npeers: {nodes}\n")
    with pytest.raises(UsageError, match=says):
        load_description(file)
