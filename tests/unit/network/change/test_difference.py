# SPDX-License-Identifier: Apache-2.0
"""What leads from one topology to another, in words, and what is refused before anything is changed."""

from __future__ import annotations

from typing import Any

import pytest
from commonwatt_network.change.difference import difference
from commonwatt_network.change.placing import place, placement_of
from commonwatt_network.change.refusals import RefusedChangeError, version_key
from commonwatt_network.change.steps import AddOrderer, ReplaceServers
from commonwatt_network.model.layout import Layout
from commonwatt_network.model.nodes import Nodes, ports_needed, settle
from commonwatt_network.model.placement import read_placement
from commonwatt_network.model.topology import Topology, default_topology, keeping_image
from commonwatt_network.model.topology_parts import CONTRACTS_IMAGE


@pytest.fixture
def running() -> Topology:
    """One community, and three orderers."""
    return edited(default_topology(homes=2), orderers__organizations__orderers__nodes=3)


def edited(topology: Topology, **changes: Any) -> Topology:
    """With values changed at paths such as `channels__newtown__clock`; None deletes."""
    content = topology.model_dump(mode="json")
    for path, value in changes.items():
        *parents, last = path.split("__")
        place_: Any = content
        for parent in parents:
            place_ = place_[parent]
        if value is None:
            del place_[last]
        else:
            place_[last] = value
    return Topology.model_validate(content)


COMMUNITY = {
    "organizations__glebe": {"homes": 2, "users": {"operator": {"role": "operator"}}},
    "channels__glebe": {"organizations": ["glebe", "grid"], "chaincodes": ["market"]},
}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, []),
        (
            {"images__peer": "hyperledger/fabric-peer:3.1.6", "images__chaincode": "market:2"},
            [
                "change images: peers from hyperledger/fabric-peer:3.1.6, "
                "until now hyperledger/fabric-peer:3.1.5",
                f"change images: chaincode servers from market:2, until now {CONTRACTS_IMAGE}",
            ],
        ),
        (
            {"images__chaincode": "market:2", "chaincodes__market__version": "1.1"},
            ["upgrade chaincode market from 1.0 to 1.1 on channel newtown, from image market:2"],
        ),
        (
            COMMUNITY,
            [
                "add organisation glebe (GlebeMSP): 1 peer, 2 homes, 1 user",
                "add channel glebe of glebe and grid with chaincode market 1.0",
            ],
        ),
        (
            {"channels__newtown__readers": "members"},
            [
                "channel newtown: every member, each home too, reads all its blocks from now on, the old ones too",
            ],
        ),
        (
            {"organizations__newtown__homes": 4, "organizations__newtown__users__auditor": {}},
            ["issue certificates of newtown: homes home003 to home004, user auditor"],
        ),
        ({"organizations__newtown__peers": 2}, ["add peer1.newtown, on channel newtown"]),
        (
            {"organizations__newtown__peers": 2, "organizations__newtown__new_peers": "snapshot"},
            [
                "settings from now on: newtown: new_peers blocks becomes snapshot",
                "add peer1.newtown, on channel newtown, from a snapshot of peer0.newtown",
            ],
        ),
        (
            {"orderers__organizations__orderers__nodes": 5},
            [
                "add an orderer of orderers to channel newtown: 4 consenters then",
                "add an orderer of orderers to channel newtown: 5 consenters then",
            ],
        ),
        (
            {"orderers__organizations__orderers__nodes": 1},
            [
                "take the last orderer of orderers off channel newtown: 2 consenters then",
                "take the last orderer of orderers off channel newtown: 1 consenter then",
            ],
        ),
        (
            {"chaincodes__market__version": "1.10"},
            ["upgrade chaincode market from 1.0 to 1.10 on channel newtown"],
        ),
        (
            {"chaincodes__market__workers": 2},
            ["restart the servers of chaincode market: 2 workers each"],
        ),
        (
            {
                "chaincodes__market__environment": {"LEVEL": "debug"},
                "chaincodes__market__endorsement_policy": "OR('NewtownMSP.peer', 'GridMSP.peer')",
            },
            [
                "restart the servers of chaincode market: with another LEVEL in their environment; endorsement policy "
                "OR('NewtownMSP.peer', 'GridMSP.peer')"
            ],
        ),
        (
            {
                "chaincodes__market__collections": [{"name": "bills", "policy": "OR('NewtownMSP.member')"}],
                "chaincodes__market__init_required": True,
            },
            [
                "change the definition of chaincode market on channel newtown: collection bills comes; Init is required"
            ],
        ),
        (
            {"chaincodes__market__version": "1.1", "chaincodes__market__endorsement_policy": "OR('GridMSP.peer')"},
            [
                "upgrade chaincode market from 1.0 to 1.1 on channel newtown; endorsement policy OR('GridMSP.peer')"
            ],
        ),
        (
            {"channels__newtown__batch": {"timeout_ms": 100, "max_messages": 10}},
            [
                "channel newtown: blocks are cut after 100 ms, 10 messages or 2097152 bytes (at most 10485760); until "
                "now after 50 ms, 500 messages or 2097152 bytes (at most 10485760)"
            ],
        ),
        (
            {
                "organizations__retailer": {"mspid": "RetailerMSP"},
                "channels__newtown__organizations": ["newtown", "grid", "retailer"],
            },
            [
                "add organisation retailer (RetailerMSP): 1 peer, 0 homes, 0 users",
                "retailer joins channel newtown",
            ],
        ),
        (
            {"orderers__organizations__carriers": {"nodes": 2}},
            [
                "add the first orderer of carriers to channel newtown: 4 consenters then",
                "add an orderer of carriers to channel newtown: 5 consenters then",
            ],
        ),
    ],
)  # fmt: skip
def test_says_the_difference_in_words(running: Topology, changes: dict[str, Any], words: list[str]) -> None:
    wanted = edited(running, **changes)
    steps = difference(running, wanted)
    assert [step.words for step in steps] == words
    assert (steps[-1].after if steps else running) == wanted
    assert difference(wanted, wanted) == []


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"name": "other"}, "another name is another network"),
        ({"ports__first": 20000}, "keeps its own"),
        ({"ca": "fabric-ca"}, "ca: identities of this network are issued by built-in"),
        ({"organizations__grid__host": "10.0.0.7"}, "organisation grid: its nodes keep their host, this machine"),
        ({"orderers__organizations__orderers__host": "10.0.0.7"}, "organisation orderers: its nodes keep their host"),
        ({"chaincodes__market__version": "0.9"}, "1.0 runs, 0.9 would be a downgrade"),
        ({"chaincodes__market__module": "other"}, "under the version 1.0 that runs"),
        ({"orderers__organizations__orderers__nodes": 4, "orderers__consensus": "bft"}, "ordered by raft cannot go on"),
        ({"organizations__newtown__homes": 1}, "2 homes have accounts, 1 would lose"),
        ({"organizations__newtown__mspid": "OtherMSP"}, "is in every certificate"),
        ({"organizations__newtown__users__operator": None}, "the certificate of operator stays valid"),
        ({"channels__newtown__clock": "live"}, "founded as simulated"),
        ({"channels__newtown__market": "forward"}, "its market is ex_post for good"),
        ({"channels__newtown__endorsement": "any"}, "endorsement all was agreed"),
        ({"channels__newtown__organizations": ["grid", "newtown"]}, "is newtown for good"),
        ({"channels__newtown__organizations": ["newtown"]}, "channel newtown would be orphaned by grid"),
        ({"channels__newtown__chaincodes": []}, "no way to take a chaincode off"),
        ({**COMMUNITY, "channels__newtown": None}, "channel newtown would be orphaned: its ledger"),
        (
            {**COMMUNITY, "channels__newtown": None, "organizations__newtown": None},
            "organisation newtown cannot go: its 2 homes have accounts",
        ),
    ],
)  # fmt: skip
def test_refuses_with_the_reason(running: Topology, changes: dict[str, Any], reason: str) -> None:
    wanted = edited(running, **changes)
    with pytest.raises(RefusedChangeError, match=reason):
        difference(running, wanted)


def test_names_every_reason_at_once(running: Topology) -> None:
    wanted = edited(running, chaincodes__market__version="0.1", organizations__newtown__homes=0)
    with pytest.raises(RefusedChangeError) as refused:
        difference(running, wanted)
    assert len(str(refused.value).splitlines()) == 3


def test_an_image_that_the_file_leaves_out_stays_whatever_version_the_kit_has(running: Topology) -> None:
    earlier = running.model_copy(
        update={"images": running.images.model_copy(update={"chaincode": "commonwatt-chaincode:0.0.9"})}
    )
    assert keeping_image(earlier, default_topology()).images == earlier.images
    named = Topology.model_validate(
        default_topology().model_dump(mode="json") | {"images": {"chaincode": "market:2"}}
    )
    assert keeping_image(earlier, named) == named


def test_orders_versions_as_people_do() -> None:
    versions = ["1.0-rc1", "1.0", "1.0.1", "1.2", "1.10", "2"]
    assert sorted(set(versions), key=version_key) == versions


def test_overlapping_names_and_ports_cannot_be_written(running: Topology) -> None:
    with pytest.raises(ValueError, match="both a member and an orderer"):
        edited(running, organizations__orderers={})
    with pytest.raises(ValueError, match="two organisations have the MSP id"):
        edited(running, organizations__other={"mspid": "GridMSP"})


class TestPlacing:
    @pytest.fixture
    def layout(self, tmp_path: Any) -> Layout:
        return Layout(tmp_path)

    @pytest.fixture
    def before(self, running: Topology, layout: Layout) -> Nodes:
        return settle(running, layout, 16900)

    def placed(self, before: Nodes, wanted: Topology, *moving: str) -> Nodes:
        placement = place(before, wanted, before.layout, moving)
        return settle(wanted, before.layout, 16900, read_placement(placement.to_json()))  # type: ignore[arg-type]

    def test_who_is_there_keeps_name_and_ports(self, before: Nodes, running: Topology) -> None:
        after = self.placed(before, edited(running, **COMMUNITY))
        ports = placement_of(after).ports
        assert placement_of(before).ports.items() <= ports.items()
        flat = [port for entry in ports.values() for port in entry]
        assert len(set(flat)) == len(flat)
        assert {peer.name for peer in after.peers} - {peer.name for peer in before.peers} == {"peer0.glebe"}

    def test_fabric_ca_servers_have_ports_of_the_networks_block(
        self, layout: Layout, running: Topology
    ) -> None:
        topology = edited(running, ca="fabric-ca")
        before = settle(topology, layout, 16900)
        assert [server.name for server in before.authorities] == ["ca.orderers", "ca.newtown", "ca.grid"]
        assert sorted(before.ports()) == list(range(16900, 16900 + ports_needed(topology)))
        after = self.placed(before, edited(topology, **COMMUNITY))
        ports = {server.name: server.port for server in after.authorities}
        assert ports.items() > {server.name: server.port for server in before.authorities}.items()
        assert ports["ca.glebe"] not in before.ports()

    def test_orderers_of_two_organisations_keep_their_names(self, layout: Layout, running: Topology) -> None:
        both = {"north": {"nodes": 1}, "south": {"nodes": 2}}
        two = edited(running, orderers__organizations=both)
        before = settle(two, layout, 16900)
        steps = difference(
            two, edited(two, orderers__organizations={"north": {"nodes": 3}, "south": {"nodes": 2}})
        )
        assert [type(step) for step in steps] == [AddOrderer, AddOrderer]
        after = self.placed(before, steps[-1].after)
        assert [(node.name, node.organization) for node in after.orderers] == [
            ("orderer0", "north"), ("orderer3", "north"), ("orderer4", "north"), ("orderer1", "south"),
            ("orderer2", "south"),
        ]  # fmt: skip

    def test_replaced_servers_move(self, before: Nodes, running: Topology) -> None:
        [step] = difference(running, edited(running, chaincodes__market__version="1.1"))
        assert isinstance(step, ReplaceServers)
        after = self.placed(before, step.after, "market.newtown", "market.grid")
        old = {server.name: server.port for server in before.chaincode_servers}
        assert all(server.port != old[server.name] for server in after.chaincode_servers)
        assert [node.port for node in after.fabric_nodes] == [node.port for node in before.fabric_nodes]


def test_collections_stay_or_grow_but_never_go(running: Topology) -> None:
    bills = {"name": "bills", "policy": "OR('NewtownMSP.member')", "block_to_live": 5}
    described = edited(running, chaincodes__market__collections=[bills])
    more = edited(running, chaincodes__market__collections=[bills, {**bills, "name": "meters"}])
    assert [step.words for step in difference(described, more)] == [
        "change the definition of chaincode market on channel newtown: collection meters comes"
    ]
    with pytest.raises(RefusedChangeError, match="the collection meters cannot be taken away"):
        difference(more, described)
    forgetful = edited(running, chaincodes__market__collections=[{**bills, "block_to_live": 6}])
    with pytest.raises(RefusedChangeError, match="keeps its data for 5 blocks"):
        difference(described, forgetful)
    [step] = difference(described, running)  # left out, they stay as they are on the channel
    assert step.words == "settings from now on: chaincode market as it is described"


def test_closing_a_channel_says_what_stays_open(running: Topology) -> None:
    """Channels that were made before `readers` was said are read by every member."""
    open_ = edited(running, channels__newtown__readers="members")
    [step] = difference(open_, running)
    assert "operators, administrators and nodes alone read its blocks from now on" in step.words
    assert "old blocks stay readable" in step.words
    assert "begin a new channel" in step.words
