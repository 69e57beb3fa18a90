# SPDX-License-Identifier: Apache-2.0
"""A consortium's files: what organisations describe, pass on and review. Wrong ones change nothing."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from commonwatt_client.admin import (
    AdminError,
    ChaincodeDefinition,
    NotAgreedError,
    RefusedError,
    SequenceTakenError,
    decode_block,
    read_channel_config,
)
from commonwatt_network.channels import policies
from commonwatt_network.channels.readers import readers_of
from commonwatt_network.consortium.bundle import Bundle, BundleError, own_bundle, parse_bundle
from commonwatt_network.consortium.genesis import consortium_block, same_configuration
from commonwatt_network.consortium.host import OwnHost, init_host, open_host
from commonwatt_network.consortium.membership import is_overtaken, join, own_config
from commonwatt_network.consortium.organization import OrganizationDescription, load_description
from commonwatt_network.consortium.review import (
    ReviewError,
    approvals_needed,
    find_differences,
    organization_of,
    review_block,
)
from commonwatt_network.errors import UsageError
from commonwatt_network.model.topology import TopologyError
from commonwatt_network.trust import certificates
from commonwatt_network.trust.certificates import read_key_pair
from fabric_protos.common import common_pb2, configtx_pb2

NAMES = ("newtown", "glebe", "grid")


def describe(name: str, **changes: Any) -> OrganizationDescription:
    return OrganizationDescription.model_validate(
        {
            "name": name,
            "orderers": [{"host": f"orderer.{name}.example"}],
            "peers": [{"host": f"peer.{name}.example"}],
            "users": {"operator": {"role": "operator"}},
            **changes,
        }
    )


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, OwnHost]:
    folder = tmp_path_factory.mktemp("hosts")
    return {name: init_host(describe(name), folder / name) for name in NAMES}


@pytest.fixture(scope="module")
def bundles(hosts: dict[str, OwnHost]) -> dict[str, Bundle]:
    return {name: own_bundle(host) for name, host in hosts.items()}


@pytest.fixture(scope="module")
def block(bundles: dict[str, Bundle]) -> bytes:
    return consortium_block("newtown", list(bundles.values()), "majority")


@pytest.fixture
def altered(bundles: dict[str, Bundle]) -> Callable[..., bytes]:
    """Newtown's bundle as a file, with something changed in it."""

    def alter(change: Callable[[dict[str, Any]], object]) -> bytes:
        content = json.loads(bundles["newtown"].to_json())
        change(content)
        return json.dumps(content).encode()

    return alter


def test_a_description_needs_little(tmp_path: Path) -> None:
    path = tmp_path / "organization.yaml"
    path.write_text("name: lower-hunter\npeers: [{host: peer.hunter.example}]\n")
    description = load_description(path)
    assert description.msp_id == "LowerHunterMSP"
    assert description.peers[0].port == 7051
    assert description.bound(description.peers[0]) == "0.0.0.0"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("name: a\npeers: [{host: p.a}]\norderers: [{host: o.a, port: 7051}]\n", "share port 7051"),
        ("name: a\npeers: [{host: p.a, port: 7052}]\n", "peer0 and market share port 7052"),
        ("name: a\npears: [{host: p.a}]\n", "organization.yaml:2: unknown key pears; did you mean peers?"),
        ("name: a\npeers:\n  - host: p.a\n    prot: 1\n", "4: unknown key peers.0.prot; did you mean port?"),
        ("name: a\npeers: []\n", "peers"),
        ("name: a\npeers: [{host: 'p a'}]\n", "is not the DNS name"),
        ("name: A\npeers: [{host: p.a}]\n", "organization.yaml:1"),
        ("- a\n", "an organisation is a mapping"),
    ],
)
def test_a_wrong_description_is_refused_with_its_line(tmp_path: Path, text: str, expected: str) -> None:
    path = tmp_path / "organization.yaml"
    path.write_text(text)
    with pytest.raises(TopologyError, match=expected.replace("?", r"\?")):
        load_description(path)


def test_init_again_changes_nothing(tmp_path: Path) -> None:
    init_host(describe("newtown"), tmp_path)
    before = _files(tmp_path)
    init_host(describe("newtown"), tmp_path)
    assert _files(tmp_path) == before
    assert open_host(tmp_path).mspid == "NewtownMSP"


def test_init_goes_on_where_it_was_interrupted(tmp_path: Path) -> None:
    host = init_host(describe("newtown"), tmp_path)
    authority = _files(tmp_path / "organizations" / "newtown" / "ca")
    (host.peers[0].tls_directory / "server.crt").unlink()
    (tmp_path / "organization.json").unlink()
    init_host(describe("newtown"), tmp_path)
    assert (host.peers[0].tls_directory / "server.crt").exists()
    assert _files(tmp_path / "organizations" / "newtown" / "ca") == authority


def test_more_users_come_later_but_what_others_were_told_stays(tmp_path: Path) -> None:
    init_host(describe("newtown"), tmp_path)
    init_host(describe("newtown", homes=2), tmp_path)
    assert (tmp_path / "organizations" / "newtown" / "users" / "home002" / "private_key.pem").exists()
    before = _files(tmp_path)
    for other in (
        describe("glebe"),
        describe("newtown", mspid="OtherMSP"),
        describe("newtown", peers=[{"host": "elsewhere.example"}]),
    ):
        with pytest.raises(UsageError, match="newtown's, with another"):
            init_host(other, tmp_path)
    assert _files(tmp_path) == before


def test_a_bundle_is_the_same_every_time_and_holds_no_secret(hosts: dict[str, OwnHost]) -> None:
    host = hosts["newtown"]
    text = own_bundle(host).to_json()
    assert text == own_bundle(open_host(host.layout.directory)).to_json()
    assert parse_bundle(text.encode(), "file") == own_bundle(host)
    keys = [path for path in host.layout.directory.rglob("*") if path.name.endswith((".key", "key.pem"))]
    assert len(keys) >= 9
    for path in keys:
        body = path.read_text().splitlines()[1:-1]
        assert not any(line in text for line in body), path
        assert path.stat().st_mode & 0o077 == 0, path
    assert "PRIVATE" not in text


def test_a_bundle_with_a_private_key_is_refused(
    altered: Callable[..., bytes], hosts: dict[str, OwnHost]
) -> None:
    key = (hosts["newtown"].layout.organization("newtown") / "tlsca" / "ca.key").read_text()
    for content in (
        altered(lambda bundle: bundle.update(key=key)),
        altered(lambda bundle: bundle.update(tls_authority=bundle["tls_authority"] + key)),
        altered(lambda bundle: bundle["orderers"][0].update(tls_certificate=key)),
    ):
        with pytest.raises(BundleError, match="holds a private key, which must never leave its host"):
            parse_bundle(content, "newtown.json")


def test_nothing_hides_beside_a_certificate(altered: Callable[..., bytes]) -> None:
    secret = "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg\n"
    for content in (
        altered(lambda bundle: bundle.update(tls_authority=secret + bundle["tls_authority"])),
        altered(lambda bundle: bundle.update(enrolment_authority=bundle["enrolment_authority"] * 2)),
    ):
        with pytest.raises(BundleError, match="not one PEM certificate and nothing else"):
            parse_bundle(content, "newtown.json")


def test_an_expired_certificate_is_refused(
    altered: Callable[..., bytes], hosts: dict[str, OwnHost], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(certificates, "BACKDATED", timedelta(days=30))
    pair = certificates.issue_tls(_tls_authority(hosts["newtown"]), "o", ["orderer.newtown.example"], -1)
    expired = altered(
        lambda bundle: bundle["orderers"][0].update(tls_certificate=pair.certificate_pem.decode())
    )
    yesterday = datetime.now(UTC) - timedelta(days=1)
    with pytest.raises(BundleError, match=f"expired on {yesterday:%Y-%m-%d}"):
        parse_bundle(expired, "newtown.json")


def test_a_foreign_certificate_is_refused(
    altered: Callable[..., bytes], hosts: dict[str, OwnHost], bundles: dict[str, Bundle]
) -> None:
    foreign = bundles["glebe"].orderers[0].tls_certificate
    with pytest.raises(BundleError, match="is foreign: the organisation's TLS authority did not issue it"):
        parse_bundle(altered(lambda bundle: bundle["orderers"][0].update(tls_certificate=foreign)), "a.json")
    named = certificates.issue_tls(_tls_authority(hosts["newtown"]), "o", ["elsewhere.example"], 30)
    other = altered(
        lambda bundle: bundle["orderers"][0].update(tls_certificate=named.certificate_pem.decode())
    )
    with pytest.raises(BundleError, match=r"does not name orderer.newtown.example"):
        parse_bundle(other, "a.json")


def test_a_leaf_or_a_shared_key_is_no_pair_of_authorities(altered: Callable[..., bytes]) -> None:
    def leaf(bundle: dict[str, Any]) -> None:
        bundle["enrolment_authority"] = bundle["orderers"][0]["tls_certificate"]

    def shared(bundle: dict[str, Any]) -> None:
        bundle["enrolment_authority"] = bundle["tls_authority"]

    with pytest.raises(BundleError, match="is not a certificate authority's"):
        parse_bundle(altered(leaf), "a.json")
    with pytest.raises(BundleError, match="have one key"):
        parse_bundle(altered(shared), "a.json")


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"[]", b"null", b"\xff\xfe", b'{"format": 2}', b"[" * 5000, b"x" * (2 << 20)]
)
def test_junk_is_no_bundle(content: bytes) -> None:
    with pytest.raises(BundleError, match=r"junk\.json"):
        parse_bundle(content, "junk.json")


def test_bundles_that_overlap_are_refused(bundles: dict[str, Bundle]) -> None:
    newtown, glebe = bundles["newtown"], bundles["glebe"]
    peers = [newtown.peers[0]]
    for other, claim in (
        (newtown, "the name newtown"),
        (glebe.model_copy(update={"mspid": "NewtownMSP"}), "the MSP id NewtownMSP"),
        (glebe.model_copy(update={"peers": peers}), "the address peer.newtown.example:7051"),
        (glebe.model_copy(update={"tls_authority": newtown.tls_authority}), "an authority"),
    ):
        with pytest.raises(BundleError, match=f"both claim {claim}"):
            consortium_block("newtown", [newtown, other])


def test_one_bundle_may_not_claim_an_address_twice(altered: Callable[..., bytes]) -> None:
    with pytest.raises(BundleError, match=r"two of its nodes have the address peer.newtown.example:7051"):
        parse_bundle(altered(lambda bundle: bundle["peers"].append(bundle["peers"][0])), "a.json")


def test_a_channel_needs_a_name_bundles_and_an_orderer(bundles: dict[str, Bundle]) -> None:
    newtown = bundles["newtown"]
    with pytest.raises(TopologyError, match="no channel name"):
        consortium_block("New Town", [newtown])
    with pytest.raises(TopologyError, match="endorsement 'some'"):
        consortium_block("newtown", [newtown], "some")
    with pytest.raises(BundleError, match="at least one bundle"):
        consortium_block("newtown", [])
    with pytest.raises(BundleError, match="has an orderer"):
        consortium_block("newtown", [newtown.model_copy(update={"orderers": []})])


def test_the_channel_does_not_depend_on_the_order_of_bundles(
    bundles: dict[str, Bundle], block: bytes
) -> None:
    assert same_configuration(block, consortium_block("newtown", list(bundles.values())[::-1], "majority"))
    assert not same_configuration(block, consortium_block("newtown", list(bundles.values()), "all"))
    assert not same_configuration(block, consortium_block("other", list(bundles.values()), "majority"))


def test_a_review_says_who_and_which_rules(block: bytes) -> None:
    review = review_block(block)
    assert review.mistakes == ()
    assert [line.split(":")[0] for line in review.members] == ["GlebeMSP", "GridMSP", "NewtownMSP"]
    assert (
        "orderers orderer.glebe.example:7050; peers met first at peer.glebe.example:7051" in review.members[0]
    )
    assert review.rules[0] == "a transaction counts when 2 of 3 organisations endorsed it with a peer"
    assert "etcdraft orders with 3 orderers and goes on with 1 of them lost" in review.rules[-1]
    assert len(review.fingerprint) == 64
    assert approvals_needed(review.config) == 2
    assert organization_of(review.config, "orderer.grid.example:7050") == "GridMSP"


def test_a_review_names_what_is_foreign(bundles: dict[str, Bundle]) -> None:
    stolen = bundles["glebe"].orderers[0].model_copy(update={"host": "orderer.newtown.example"})
    mixed = bundles["newtown"].model_copy(update={"orderers": [stolen]})
    review = review_block(consortium_block("newtown", [mixed, bundles["grid"]]))
    expected = "the TLS certificate of consenter orderer.newtown.example:7050 is foreign: NewtownMSP did not issue it"
    assert review.mistakes == (expected,)


@pytest.mark.parametrize(
    ("readers", "words"),
    [("operators", "homes do not"), ("members", "every member reads all its blocks, each home too")],
)
def test_a_review_says_who_reads(bundles: dict[str, Bundle], readers: Any, words: str) -> None:
    review = review_block(consortium_block("newtown", list(bundles.values()), readers=readers))
    assert review.mistakes == ()
    assert sum(words in rule for rule in review.rules) == 1


def test_operators_are_who_reads_unless_the_founders_say_otherwise(bundles: dict[str, Bundle]) -> None:
    assert readers_of(review_block(consortium_block("newtown", list(bundles.values()))).config) == "operators"
    with pytest.raises(TopologyError, match="readers 'everybody': operators or members"):
        consortium_block("newtown", list(bundles.values()), readers="everybody")  # type: ignore[arg-type]


async def test_a_block_in_which_an_organisation_widened_its_readers_is_not_joined(
    bundles: dict[str, Bundle], tmp_path: Path
) -> None:
    host = init_host(describe("newtown"), tmp_path)
    block = common_pb2.Block.FromString(consortium_block("newtown", [own_bundle(host), bundles["grid"]]))
    envelope = common_pb2.Envelope.FromString(block.data.data[0])
    payload = common_pb2.Payload.FromString(envelope.payload)
    config = configtx_pb2.ConfigEnvelope.FromString(payload.data)
    readers = config.config.channel_group.groups["Application"].groups["GridMSP"].policies["Readers"]
    readers.CopyFrom(policies.signed_by_role("GridMSP", "MEMBER"))
    payload.data = config.SerializeToString()
    envelope.payload = payload.SerializeToString()
    block.data.data[0] = envelope.SerializeToString()
    before = _files(tmp_path)
    with pytest.raises(ReviewError, match="is not joined: GridMSP's policy .*Readers lets others read"):
        await join(host, block.SerializeToString(), print)
    assert _files(tmp_path) == before


def test_a_block_is_held_against_the_own_bundle(
    bundles: dict[str, Bundle], block: bytes, tmp_path: Path
) -> None:
    config = review_block(block).config
    assert find_differences(config, bundles["newtown"]) == ()
    impostor = own_bundle(init_host(describe("newtown"), tmp_path))
    assert [text.split(" in it")[0] for text in find_differences(config, impostor)] == [
        "NewtownMSP's authority",
        "NewtownMSP's TLS authority",
        "the certificate of the orderer orderer.newtown.example:7050",
    ]
    stranger = bundles["newtown"].model_copy(update={"mspid": "StrangerMSP"})
    assert find_differences(config, stranger) == ("StrangerMSP is not a member of channel newtown",)
    moved = bundles["newtown"].model_copy(update={"orderers": []})
    assert find_differences(config, moved) == (
        "it lists orderer.newtown.example:7050 as NewtownMSP's orderer, which is none of this host",
    )


@pytest.mark.parametrize("content", [b"", b"junk", b"\x0a\x00", bytes(1000)])
def test_junk_is_no_block(content: bytes) -> None:
    with pytest.raises(ReviewError, match="no channel's first block"):
        review_block(content)


async def test_a_foreign_block_is_not_joined_and_nothing_changes(
    block: bytes, bundles: dict[str, Bundle], tmp_path: Path
) -> None:
    host = init_host(describe("newtown"), tmp_path)
    before = _files(tmp_path)
    with pytest.raises(ReviewError, match="is foreign"):
        await join(host, block, print)
    genuine = consortium_block("newtown", [own_bundle(host), bundles["grid"]])
    with pytest.raises(UsageError, match=r"is not running; start it with `commonwatt org start`"):
        await join(host, genuine, print)
    with pytest.raises(UsageError, match="has not joined channel newtown"):
        own_config(host, "newtown")
    assert _files(tmp_path) == before


def test_an_organisation_is_one_in_both_sections(block: bytes) -> None:
    config = read_channel_config(decode_block(block))
    assert set(config.application_organizations) == set(config.orderer_organizations)
    for name, member in config.application_organizations.items():
        ordering = config.orderer_organizations[name]
        assert member.root_certificates == ordering.root_certificates
        assert config.root.groups["Application"].groups[name].values["MSP"].value == (
            config.root.groups["Orderer"].groups[name].values["MSP"].value
        )


def _tls_authority(host: OwnHost) -> certificates.KeyPair:
    folder = host.layout.organization(host.name) / "tlsca"
    return read_key_pair(folder / "ca.crt", folder / "ca.key")


def _files(folder: Path) -> dict[str, bytes]:
    def walk() -> Iterator[tuple[str, bytes]]:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and path.name != "lock":
                yield str(path.relative_to(folder)), path.read_bytes()

    return dict(walk())


FIRST = ChaincodeDefinition("market", "1.0")


@pytest.mark.parametrize(
    ("error", "committed", "overtaken"),
    [
        (NotAgreedError("cannot commit"), None, True),
        (SequenceTakenError("cannot commit"), None, True),
        (SequenceTakenError("cannot commit"), ChaincodeDefinition("market", "1.1"), False),
        (RefusedError("cannot commit"), None, False),
    ],
    ids=["a peer behind", "a peer ahead", "another definition in force", "another refusal"],
)
def test_a_commit_is_asked_for_again_when_peers_were_a_block_apart(
    error: AdminError, committed: ChaincodeDefinition | None, overtaken: bool
) -> None:
    assert is_overtaken(error, committed, FIRST) is overtaken
