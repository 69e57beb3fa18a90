# SPDX-License-Identifier: Apache-2.0
"""Chaincodes of a topology: any program, a server elsewhere, definitions in Fabric's own words, mistakes in ours."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from commonwatt_network.model.chaincode_rules import chaincode_mistakes
from commonwatt_network.model.topology import SETTLED, Topology, TopologyError, load_topology, parse_topology

NETWORK = """
organizations:
  newtown: {}
  grid: {}
  glebe: {}
orderers:
  organizations:
    orderers: {mspid: OrdererMSP}
channels:
  trials:
    organizations: [newtown, grid]
    chaincodes: [assets]
chaincodes:
  assets:
"""


def topology(tmp_path: Path, *lines: str) -> Topology:
    path = tmp_path / "topology.yaml"
    path.write_text(NETWORK + "".join(f"    {line}\n" for line in lines))
    return load_topology(path)


def mistake(tmp_path: Path, *lines: str) -> str:
    with pytest.raises(TopologyError) as refused:
        topology(tmp_path, *lines)
    said = str(refused.value).removeprefix(f"{tmp_path}/topology.yaml:")
    assert "\n" not in said
    return said.partition(": ")[2]


def test_a_command_runs_in_the_folder_of_its_file(tmp_path: Path) -> None:
    assets = topology(tmp_path, "command: node 'my index.js' --listen {address}", "workers: 2").chaincodes[
        "assets"
    ]
    assert assets.command == ["node", "my index.js", "--listen", "{address}"]
    assert (assets.module, assets.folder) == (None, tmp_path)
    listed = topology(tmp_path, "command: [./assets, -v]", "folder: built").chaincodes["assets"]
    assert (listed.command, listed.folder) == (["./assets", "-v"], tmp_path / "built")


def test_a_module_of_the_files_folder_has_it_too_and_the_market_none(tmp_path: Path) -> None:
    assert topology(tmp_path, "module: assets").chaincodes["assets"].folder == tmp_path
    assert topology(tmp_path, "version: '2'").chaincodes["assets"].folder is None


def test_collections_take_fabrics_names_ours_or_a_file_of_fabrics(tmp_path: Path) -> None:
    fabrics = [
        {
            "name": "bills", "policy": "OR('NewtownMSP.member')", "requiredPeerCount": 0, "maxPeerCount": 3,
            "blockToLive": 7, "memberOnlyRead": True, "memberOnlyWrite": True,
            "endorsementPolicy": {"signaturePolicy": "OR('NewtownMSP.peer')"},
        },
        {
            "name": "meters", "policy": "OR('GridMSP.member')",
            "endorsementPolicy": {"channelConfigPolicy": "Channel/Application/Endorsement"},
        },
    ]  # fmt: skip
    (tmp_path / "collections.json").write_text(json.dumps(fabrics))
    by_file = topology(tmp_path, "collections: collections.json").chaincodes["assets"].collections
    inline = topology(tmp_path, f"collections: {json.dumps(fabrics)}").chaincodes["assets"].collections
    ours = (
        topology(
            tmp_path,
            "collections:",
            "  - {name: bills, policy: OR('NewtownMSP.member'), max_peer_count: 3, block_to_live: 7,",
            "     member_only_read: true, member_only_write: true, endorsement_policy: OR('NewtownMSP.peer')}",
            "  - {name: meters, policy: OR('GridMSP.member'), endorsement_policy: /Channel/Application/Endorsement}",
        )
        .chaincodes["assets"]
        .collections
    )
    assert by_file == inline == ours
    assert ours is not None
    assert (ours[1].max_peer_count, ours[1].member_only_read) == (1, False), "Fabric's defaults"


def test_a_chaincode_that_no_channel_runs_may_name_members_to_come(tmp_path: Path) -> None:
    made = topology(tmp_path, "version: '1'")
    later = made.chaincodes["assets"].model_copy(update={"endorsement_policy": "OR('LaterMSP.peer')"})
    unused = made.model_copy(update={"chaincodes": {**made.chaincodes, "unused": later}})
    assert list(chaincode_mistakes(unused)) == []
    [(words, place)] = chaincode_mistakes(made.model_copy(update={"chaincodes": {"assets": later}}))
    assert "names LaterMSP, which is nobody's MSP id" in words
    assert place == ("chaincodes", "assets", "endorsement_policy")


def test_what_is_kept_of_a_topology_is_read_again_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "ca.crt").write_text("")
    made = topology(
        tmp_path, "address: chaincode.example.com:9999", "tls_authority: ca.crt", "init_required: true"
    )
    assert made.chaincodes["assets"].tls_authority == tmp_path / "ca.crt"
    assert Topology.model_validate(made.model_dump(mode="json"), context=SETTLED) == made


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["command: x", "module: y"], "one of module, command, address, addresses, not module and command"),
        (["command: ''"], "chaincodes.assets.command: takes 1 or more entries, not 0"),
        (["command: \"node 'x\""], "cannot be split into words"),
        (["environment: {CHAINCODE_ID: x}"], "CHAINCODE_ID is settled by the kit for every chaincode server"),
        (["environment: {LEVEL: 3}"], "takes text, not 3; put it in quotes"),
        (["environment: {a-b: x}"], "a variable's name"),
        (["address: nowhere", "tls_authority: ca.crt"], "host:port, such as chaincode.example.com:9999"),
        (["address: a:9999"], "a server that runs elsewhere needs tls_authority"),
        (["tls_authority: ca.crt"], "tls_authority is for a server that runs elsewhere (address)"),
        (
            ["addresses: {newtown: a:1}", "tls_authority: ca.crt"],
            "chaincode assets runs for grid too: give its server's address",
        ),
        (
            ["addresses: {newtown: a:1, grid: b:1, nobody: c:1}", "tls_authority: ca.crt"],
            "nobody is not among the organisations: newtown, grid, glebe",
        ),
        (
            ["address: a:1", "tls_authority: ca.crt", "client_authentication: true"],
            "which registers under one package id alone: give each organisation a server",
        ),
        (["endorsement_policy: AND('NewtownMSP.peer'"], "signature policy"),
        (["endorsement_policy: /Channel/Nothing"], "'/Channel/Nothing' is no policy of a channel"),
        (
            ["endorsement_policy: OR('NewtwonMSP.peer')"],
            "chaincode assets: the policy names NewtwonMSP, which is nobody's MSP id; did you mean NewtownMSP?",
        ),
        (
            ["endorsement_policy: AND('NewtownMSP.peer', 'GlebeMSP.peer')"],
            "no peers of channel trials can fulfil AND('NewtownMSP.peer', 'GlebeMSP.peer')",
        ),
        (["endorsement_policy: OR('GridMSP.admin')"], "no peers of channel trials can fulfil OR('GridMSP.admin')"),
        (
            ["endorsement_policy: /Channel/Application/GlebeMSP/Endorsement"],
            "names GlebeMSP, which is not on channel trials",
        ),
        (
            ["collections: [{name: bills, policy: OR('GlebeMSP.member')}]"],
            "chaincode assets, collection bills: the policy names GlebeMSP, which is not on channel trials",
        ),
        (
            ["collections: [{name: bills, policy: \"AND('GridMSP.member', 'NewtownMSP.member')\"}]"],
            "who holds the data is an OR of members",
        ),
        (["collections: [{name: bills, policy: OR('GridMSP.client')}]"], "no peer holds the data by"),
        (
            ["collections: [{name: b, policy: OR('GridMSP.peer')}, {name: b, policy: OR('GridMSP.peer')}]"],
            "two collections have the name b",
        ),
        (["collections: [{name: _b, policy: OR('GridMSP.peer')}]"], "no _ first"),
        (
            ["collections: [{name: b, policy: OR('GridMSP.peer'), requiredPeerCount: 2}]"],
            "requires 2 other peers (required_peer_count) and sends to 1 at most (max_peer_count)",
        ),
        (["collections: missing.json"], "missing.json: No such file or directory"),
        (["collections: topology.yaml"], "chaincodes.assets.collections: takes a list, not entries"),
    ],
)  # fmt: skip
def test_mistakes_say_what_and_what_is_right(lines: list[str], said: str, tmp_path: Path) -> None:
    assert said in mistake(tmp_path, *lines)


def test_an_endless_file_of_collections_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "collections.json").write_text(" " * (2 << 20))
    assert "larger than 1048576 bytes" in mistake(tmp_path, "collections: collections.json")


def test_a_text_without_a_file_has_no_folder() -> None:
    assert parse_topology(f"{NETWORK}    module: assets\n").chaincodes["assets"].folder is None
