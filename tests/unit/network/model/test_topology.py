# SPDX-License-Identifier: Apache-2.0
"""Topologies: samples, defaults, the schema, and mistakes told with their line."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from datetime import date
from itertools import pairwise
from typing import Any

import pytest
from commonwatt_client.yaml_models import parse_model, words_of
from commonwatt_network.consortium.organization import OrganizationDescription
from commonwatt_network.model.topology import (
    SETTLED,
    Topology,
    TopologyError,
    default_topology,
    json_schema,
    load_topology,
    parse_topology,
    sample_topologies,
)
from pydantic import ValidationError

DEFAULT = sample_topologies()["default"]


@pytest.mark.parametrize("name", sample_topologies())
def test_every_sample_is_a_topology(name: str) -> None:
    topology = load_topology(name)
    assert topology.channels
    assert topology == parse_topology(sample_topologies()[name])


def test_the_default_sample_is_the_default() -> None:
    assert load_topology("default") == default_topology()
    assert default_topology().mspid("newtown") == "NewtownMSP"
    assert default_topology().mspid("orderers") == "OrdererMSP"


@pytest.mark.parametrize("communities", [1, 3, 12, 50])
def test_communities_share_the_retailer(communities: int) -> None:
    topology = default_topology(communities, homes=5)
    assert len(topology.channels) == communities
    assert all(channel.organizations[1] == "grid" for channel in topology.channels.values())
    assert len(topology.organizations) == communities + 1


def test_the_schema_refuses_unknown_keys_too() -> None:
    schema = json_schema()
    assert schema["additionalProperties"] is False
    assert {"organizations", "orderers", "channels"} <= schema["properties"].keys()
    assert all(model.get("additionalProperties", False) is False for model in schema["$defs"].values())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("homes", "hoomes"), "t.yaml:4: unknown key organizations.newtown.hoomes; did you mean homes?"),
        (
            ("homes: 60", "wind: 60"),
            "t.yaml:4: unknown key organizations.newtown.wind; allowed here: client_authentication",
        ),
        (("homes: 60", "homes: many"), "t.yaml:4: organizations.newtown.homes: "),
        (("{role: operator}", "{role: king}"), "t.yaml:6: organizations.newtown.users.operator.role: "),
        (("newtown, grid", "newtown, newtown"), "channel newtown names the organisation newtown twice"),
        (("[market]", "[bakery]"), "channel newtown names the chaincode bakery, which is not among: market"),
        (("mspid: OrdererMSP", "mspid: GridMSP"), "two organisations have the MSP id GridMSP"),
        (("mspid: OrdererMSP", "nodes: 2"), "raft takes 1, 3 or 5 orderers in all, not 2"),
        (("orderers:\n  org", "orderers:\n  consensus: bft\n  org"), "bft takes 4 orderers in all, not 1"),
        (
            ("  newtown:\n    homes", "  New Town:\n    homes"),
            "t.yaml:3: organizations.New Town: 'New Town' is not",
        ),
        (("  grid:\n", "  newtown:\n"), "t.yaml:7: key newtown was given already on line 3"),
        (("organizations:\n  newtown", "organizations: {\n  newtown"), "not YAML"),
        (
            ("newtown, grid", "newtown, newtown"),
            "t.yaml:15: channel newtown names the organisation newtown twice",
        ),
        (
            ("[market]", "\n    - market\n    - bakery"),
            "t.yaml:18: channel newtown names the chaincode bakery",
        ),
        (("mspid: OrdererMSP", "mspid: GridMSP"), "t.yaml:12: two organisations have the MSP id GridMSP"),
        (
            ("orderers: {mspid", "grid: {mspid"),
            "t.yaml:12: grid is both a member and an orderer organisation",
        ),
        (("mspid: OrdererMSP", "nodes: 2"), "t.yaml:10: raft takes 1, 3 or 5 orderers"),
        (("newtown:\n    homes", "no:\n    homes"), "t.yaml:3: organizations.False: takes text, not false"),
        (("homes: 60", "homes: 6.5"), "t.yaml:4: organizations.newtown.homes: takes a whole number, not 6.5"),
        (("homes: 60", "homes: 5001"), "t.yaml:4: organizations.newtown.homes: is 5000 or less, not 5001"),
        (
            ("{role: operator}", "{role: king}"),
            "takes 'operator', 'grid', 'home', 'meter' or 'carrier', not 'king'",
        ),
        (("homes: 60", "days_valid: 2024-02-30"), "t.yaml:4: '2024-02-30' is no timestamp"),
        (
            ("organizations:", "state: {couchdb: 'http://127.0.0.1:5984'}\norganizations:"),
            "one CouchDB for 2 peers, which would write over each other's state",
        ),
        (
            ("organizations:", "state: {couchdb: 'http://admin:secret@127.0.0.1:5984'}\norganizations:"),
            "http://HOST:PORT, without user and password",
        ),
        (
            (
                "organizations:",
                "state: {couchdb: {peer0.newtown: 'http://a:1', peer0.grid: 'http://a:1/'}}\norganizations:",
            ),
            "http://a:1 is also another peer's CouchDB",
        ),
        (
            (
                "organizations:",
                "state: {couchdb: {peer0.newtown: 'http://a:1', peer7.grid: 'http://a:2'}}\norganizations:",
            ),
            "peer0.grid has no CouchDB",
        ),
    ],
)
def test_mistakes_are_told_with_their_place(change: tuple[str, str], message: str) -> None:
    with pytest.raises(TopologyError) as refused:
        parse_topology(DEFAULT.replace(*change, 1), "t.yaml")
    assert message in str(refused.value)
    assert str(refused.value).startswith("t.yaml:")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            ("operator: {role: op", "admin: {role: op"),
            "t.yaml:6: every organisation has a user admin of its own",
        ),
        (
            ("operator: {role: op", "home001: {role: op"),
            "t.yaml:6: home001 is one of the organisation's 60 homes",
        ),
        (
            ("operator: {role: op", "home060: {role: op"),
            "t.yaml:6: home060 is one of the organisation's 60 homes",
        ),
        (
            ("name: none\n", "ca: fabric-ca\n", "operator: {role: op", "registrar: {role: op"),
            "t.yaml:7: registrar is who registers",
        ),
        (
            ("{role: operator}", "{attributes: {hf.Type: peer}}"),
            "t.yaml:6: hf.Type is stated by the authority",
        ),
        (
            ("{role: operator}", "{role: operator, attributes: {role: grid}}"),
            "t.yaml:6: the role is given twice",
        ),
        (("[market]", "[peer0]", "market: {}", "peer0: {}"), "t.yaml:18: peer0 is also a peer's name"),
        (
            ("[market]", "[qscc]", "market: {}", "qscc: {}"),
            "t.yaml:18: qscc is one of Fabric's own chaincodes",
        ),
        (("[market]", "[a--b]", "market: {}", "a--b: {}"), "t.yaml:18: Fabric takes no chaincode named a--b"),
        (
            ("[market]", "[ca]", "market: {}", "ca: {}\nca: fabric-ca"),
            "t.yaml:18: ca is also the name of the organisation's Fabric CA server",
        ),
        (
            ("orderers: {mspid", f"{'o' * 55}: {{mspid"),
            "t.yaml:12: the organisation's name has 55 characters; 54",
        ),
        (
            ("[market]", "[market]\n    batch: {preferred_bytes: 2000000, absolute_bytes: 1000000}"),
            "t.yaml:17: preferred_bytes 2000000 is more than absolute_bytes 1000000",
        ),
        (
            ("[market]", "[market]\n    batch:\n      absolute_bytes: 60000000"),
            "t.yaml:18: absolute_bytes is 51380224 at most, not 60000000: a block goes to peers",
        ),
    ],
)
def test_names_that_swallow_others_and_blocks_that_nobody_takes_are_refused(
    change: tuple[str, ...], message: str
) -> None:
    text = "name: none\n" + DEFAULT if change[0].startswith("name") else DEFAULT
    for old, new in zip(change[::2], change[1::2], strict=True):
        assert old in text
        text = text.replace(old, new, 1)
    with pytest.raises(TopologyError) as refused:
        parse_topology(text, "t.yaml")
    assert str(refused.value).startswith(message)


def test_names_that_nobody_has_are_free() -> None:
    text = DEFAULT.replace("operator: {role: op", "home061: {role: op").replace("[market]", "[peer1]")
    assert parse_topology(text.replace("market: {}", "peer1: {}")).organizations["newtown"].users.keys() == {
        "home061"
    }


def test_a_network_that_is_there_stays_readable() -> None:
    content = default_topology().model_dump(mode="json")
    content["channels"]["newtown"]["batch"] = {"preferred_bytes": 90 << 20, "absolute_bytes": 90 << 20}
    with pytest.raises(ValidationError):
        Topology.model_validate(content)
    assert Topology.model_validate(content, context=SETTLED)


WRONG: list[Any] = [
    None, [], {}, "x y!", "", -1, 1.5, 10**30, True, float("inf"), float("nan"), date(2024, 1, 1), b"x", ["a"],
    {"b": 1}, {1: 2}, {True: 2}, {None: 1},
]  # fmt: skip


def test_every_mistake_is_told_in_words_of_ours() -> None:
    """Each value of a whole topology, replaced by each of what is wrong somewhere."""
    whole = default_topology(homes=2).model_dump(mode="json")
    whole["organizations"]["newtown"] |= {"host": "192.0.2.1"}
    whole["organizations"]["newtown"]["users"]["operator"]["attributes"] = {"a": "b"}
    told = 0
    for place in places(whole):
        for wrong in WRONG:
            content = copy.deepcopy(whole)
            holder = content
            for part in place[:-1]:
                holder = holder[part]
            holder[place[-1]] = wrong
            try:
                Topology.model_validate(content)
            except ValidationError as error:
                words = [words_of(item) for item in error.errors()]
                assert not re.search(r"should|Value error|valid(ation)? err", " ".join(words)), words
                told += len(words)
    assert told > 1000


def places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if at:
        yield at
    entries = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    for name, entry in entries:
        yield from places(entry, (*at, name))


def bomb(levels: int) -> str:
    names = [f"a{level}" for level in range(levels)]
    return "a: &a0 [x, x]\n" + "".join(
        f"b{level}: &{name} [{', '.join([f'*{before}'] * 9)}]\n"
        for level, (before, name) in enumerate(pairwise(names))
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (bomb(12), "t.yaml:6: more than 50000 entries, aliases written out"),
        ("a: " + "[" * 100_000, "t.yaml:1: nested deeper than 50 levels"),
        ("- " * 100_000, "t.yaml:1: nested deeper than 50 levels"),
        (
            f"a0: &a0 {'[' * 40}{']' * 40}\na1: {'[' * 40}*a0{']' * 40}",
            "t.yaml:2: nested deeper than 50 levels",
        ),
        ("a:\n- &a [*a]", "t.yaml:2: *a stands inside what it names"),
        ("? [a]\n: b", "t.yaml:1: not YAML: found unhashable key"),
        ("a: b\nc: \0", "t.yaml:2: not YAML: the character U+0000"),
        ("homes: " + "9" * 5000, "t.yaml:1: '9999999999999999999999999999999999999999' is no int"),
        ("homes: !!int many", "t.yaml:1: 'many' is no int; put it in quotes"),
        ("#" * (5 << 20), "t.yaml:1: longer than 4194304 characters"),
    ],
)
def test_yaml_that_grows_or_nests_without_end_is_refused_in_one_line(text: str, said: str) -> None:
    expected = "an organisation"
    for read in (
        lambda: parse_topology(text, "t.yaml"),
        lambda: parse_model(OrganizationDescription, text, "t.yaml", expected, wrong=TopologyError),
    ):
        with pytest.raises(TopologyError) as refused:
            read()
        assert str(refused.value).startswith(said)
        assert len(str(refused.value).splitlines()) == 1


def test_aliases_and_merges_are_taken_and_their_mistakes_found_where_they_stand() -> None:
    text = DEFAULT.replace("    homes: 60", "    <<: &small\n      homes: 3\n      peers: 0").replace(
        "  grid:\n", "  glebe: {<<: *small, homes: 5, peers: 1}\n  grid:\n"
    )
    with pytest.raises(TopologyError) as refused:
        parse_topology(text, "t.yaml")
    assert str(refused.value) == "t.yaml:6: organizations.newtown.peers: is 1 or more, not 0"
    organizations = parse_topology(text.replace("peers: 0", "peers: 2")).organizations
    assert [(entry.homes, entry.peers) for entry in organizations.values()] == [(3, 2), (5, 1), (0, 1)]


def test_organisations_mistakes_are_told_at_their_own_line() -> None:
    text = """name: newtown
peers:
- host: a.example
- {host: b.example, port: 7052, operations_port: 9445}
chaincode:
  name: peer1
homes: 2
users:
  admin: {role: operator}
  home002: {role: home}
"""
    with pytest.raises(TopologyError) as refused:
        parse_model(OrganizationDescription, text, "o.yaml", "an organisation", wrong=TopologyError)
    assert str(refused.value) == "o.yaml:5: peer1 and peer1 share port 7052 of this host; give each its own"
    with pytest.raises(TopologyError) as refused:
        parse_model(
            OrganizationDescription,
            text.replace("7052", "7053"),
            "o.yaml",
            "an organisation",
            wrong=TopologyError,
        )
    assert [line.split(": ")[:2] for line in str(refused.value).splitlines()] == [
        ["o.yaml:9", "every organisation has a user admin of its own; give this one another name"],
        ["o.yaml:10", "home002 is one of the organisation's 2 homes; give this user another name"],
        [
            "o.yaml:6",
            "peer1 is also a peer's name, and its server would be taken for it; give the chaincode another name",
        ],
    ]


def test_several_mistakes_are_told_at_once() -> None:
    text = (
        DEFAULT.replace("homes: 60", "homes: -1")
        .replace("clock", "x")
        .replace("market: {}", "market: {workers: 0}")
    )
    with pytest.raises(TopologyError) as refused:
        parse_topology(text, "t.yaml")
    assert len(str(refused.value).splitlines()) == 2
