# SPDX-License-Identifier: Apache-2.0
"""Whatever a block holds, each transaction gets the code that real Fabric gives it, and the next block comes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Any

import pytest
from commonwatt_audit.audit import Audit
from commonwatt_client import load_identity, private_key_signer
from commonwatt_client.admin import (
    Authorities,
    ChaincodeDefinition,
    CollectionConfig,
    decode_block,
    read_channel_config,
    verify_block,
)
from commonwatt_client.admin.definition import commit_arguments
from commonwatt_client.ledger import Block
from commonwatt_network.channels.genesis import genesis_block
from commonwatt_network.embedded.channels.blocks import build_block
from commonwatt_network.embedded.channels.transactions import BlockParser, Codes
from commonwatt_network.embedded.lifecycle.records import NAMESPACES, Definition, Parameters, write_record
from commonwatt_network.embedded.peer.channel import PeerChannel
from commonwatt_network.embedded.trust.signing import SignatureChecks, SigningIdentity
from commonwatt_network.embedded.validation import block
from commonwatt_network.model.layout import Layout
from commonwatt_network.model.nodes import Nodes, ports_needed, settle
from commonwatt_network.model.topology import parse_topology
from commonwatt_network.programs.ports import choose_first_port
from commonwatt_network.trust.identity import ensure_identities
from cryptography.hazmat.primitives.serialization import Encoding
from fabric_protos.common import common_pb2
from fabric_protos.ledger.rwset.kvrwset import kv_rwset_pb2 as kv
from fabric_protos.peer.lifecycle import chaincode_definition_pb2, lifecycle_pb2

from .conftest import audit
from .forged import CHANNEL, Edit, Member, Parts, authority, forge, member
from .mutations import (
    flipped_point,
    harmless_sets,
    hostile,
    mistaken_identity,
    named_by,
    twin,
    unknown_curve,
    unknown_subject,
    unknown_version,
)
from .test_validation import PROGRAMS, codes_of

NAME = "poisoned"
TWO = "OutOf(2, 'NewtownMSP.member', 'NewtownMSP.member', 'GridMSP.member')"
SHARED = CollectionConfig("shared", "OR('NewtownMSP.member', 'GridMSP.member')")
TOPOLOGY = """
organizations:
  newtown: {homes: 1, users: {operator: {role: operator}}}
  grid: {users: {operator: {role: grid}}}
orderers: {organizations: {orderers: {mspid: OrdererMSP, nodes: 1}}}
channels:
  trials: {organizations: [newtown, grid]}
"""
BLOCK = 50
MISTAKES = (flipped_point, unknown_curve, unknown_version, unknown_subject)
# Codes that hostile envelopes of every sequence lead to.
MET = {
    "VALID",
    "BAD_PAYLOAD",
    "BAD_CREATOR_SIGNATURE",
    "INVALID_ENDORSER_TRANSACTION",
    "ENDORSEMENT_POLICY_FAILURE",
    "MVCC_READ_CONFLICT",
    "PHANTOM_READ_CONFLICT",
    "BAD_RESPONSE_PAYLOAD",
    "BAD_RWSET",
    "INVALID_CHAINCODE",
}


class Trials:
    """A channel at one peer without a network: whoever has these blocks signed decides what they hold."""

    def __init__(self, nodes: Nodes, directory: Path) -> None:
        peer, orderer = nodes.peers_of(CHANNEL)[0], nodes.orderers[0]
        self.nodes = nodes
        self.orderer = SigningIdentity.from_directory(orderer.directory / "msp", orderer.mspid)
        self.channel = PeerChannel(
            CHANNEL,
            directory / "ledger.sqlite",
            SigningIdentity.from_directory(peer.directory / "msp", peer.mspid),
            SignatureChecks(),
            BlockParser(),
            lambda *_: (),
        )
        self.audit = Audit()
        genesis = common_pb2.Block.FromString(genesis_block(nodes, CHANNEL))
        self.channel.start_with(genesis)
        self.audit.check(decode_block(genesis.SerializeToString()))
        self.authorities = Authorities.of(read_channel_config(decode_block(genesis.SerializeToString())))
        assert self.commit([self._definition()]) == ["VALID"]

    def commit(self, envelopes: list[bytes]) -> list[str]:
        """The codes of a block of these. The audit comes to the same, and everything that reads blocks reads it."""
        channel = self.channel
        block = build_block(channel.height, channel.ledger.last_hash, envelopes, 0, self.orderer)
        channel.commit(block)
        kept = channel.block(block.header.number)
        found = decode_block(kept.SerializeToString())
        self.audit.check(found)
        verify_block(found, self.authorities)
        assert len(found.transactions) == len(Block.parse(found.serialized).transactions) == len(envelopes)
        assert len(channel.transactions(found.number)) == len(envelopes)
        return [code.name for code in found.validations]

    def _definition(self) -> bytes:
        """What brings the chaincode into force."""
        wanted = ChaincodeDefinition(NAME, "1.0", endorsement_policy=TWO, collections=(SHARED,))
        arguments = lifecycle_pb2.CommitChaincodeDefinitionArgs.FromString(commit_arguments(wanted))
        endorsement = chaincode_definition_pb2.ChaincodeEndorsementInfo(
            version="1.0", endorsement_plugin="escc"
        )
        validation = chaincode_definition_pb2.ChaincodeValidationInfo(
            validation_plugin="vscc", validation_parameter=arguments.validation_parameter
        )
        parameters = Parameters(
            *(each.SerializeToString() for each in (endorsement, validation, arguments.collections))
        )
        written: dict[str, bytes] = {}
        record = Definition(1, parameters).record()
        write_record(NAMESPACES, NAME, record, lambda _: None, written.__setitem__)

        def writes(parts: Parts) -> None:
            content = [kv.KVWrite(key=key, value=value) for key, value in sorted(written.items())]
            parts.namespaces = [("_lifecycle", kv.KVRWSet(writes=content))]

        peers = [
            Member(
                load_identity(peer.mspid, peer.directory / "msp" / "signcerts" / "cert.pem"),
                private_key_signer(peer.directory / "msp" / "keystore" / "key.pem"),
            )
            for peer in self.nodes.peers_of(CHANNEL)
        ]
        admin = member(self.nodes, "newtown", "admin")
        return forge(admin, peers, "_lifecycle", "", writes).envelope

    def close(self) -> None:
        self.channel.close()


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Nodes:
    layout = Layout(tmp_path_factory.mktemp("poison"))
    topology = parse_topology(TOPOLOGY)
    made = settle(topology, layout, choose_first_port(ports_needed(topology), layout.directory))
    ensure_identities(made)
    return made


@pytest.fixture
def trials(nodes: Nodes, tmp_path: Path) -> Iterator[Trials]:
    with closing(Trials(nodes, tmp_path)) as made:
        yield made


def fuzz(trials: Trials, seed: int, cases: int) -> Counter[str]:
    """Blocks of hostile envelopes, each with an honest one at its end; how often each code was given."""
    random, seen = Random(seed), Counter[str]()
    home, operator = member(trials.nodes, "newtown", "home001"), member(trials.nodes, "grid", "operator")
    newtown = authority(trials.nodes, "newtown")
    for _ in range(cases // BLOCK):
        envelopes = [hostile(random, home, operator, NAME, newtown).envelope for _ in range(BLOCK)]
        codes = trials.commit([*envelopes, forge(home, [home, operator], NAME, "honest").envelope])
        assert codes[-1] == "VALID"
        seen.update(codes)
    return seen


def test_each_of_2000_hostile_envelopes_gets_a_code(trials: Trials, caplog: pytest.LogCaptureFixture) -> None:
    seen = fuzz(trials, 0, 2_000)
    assert seen.keys() >= MET
    assert not caplog.records, "a transaction that cannot be judged is one whose fault nobody foresaw"


@pytest.mark.long
@pytest.mark.parametrize("seed", range(1, 11))
def test_each_of_50000_hostile_envelopes_gets_a_code(
    trials: Trials, seed: int, caplog: pytest.LogCaptureFixture
) -> None:
    assert fuzz(trials, seed, 5_000).keys() >= MET
    assert not caplog.records


def test_a_fault_that_nobody_foresaw_costs_one_transaction(
    trials: Trials, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The failing check stands for any: all that are known are cured."""
    home, operator = member(trials.nodes, "newtown", "home001"), member(trials.nodes, "grid", "operator")
    cursed, honest = (forge(home, [home, operator], NAME, key) for key in ("cursed", "honest"))
    judge = block.endorsers

    def fail(endorsed: Any, registry: Any) -> Any:
        if endorsed.namespaces[0].public.writes[0].key == "cursed":
            raise RuntimeError("no check has failed like this before")
        return judge(endorsed, registry)

    monkeypatch.setattr(block, "endorsers", fail)
    channel = trials.channel
    built = build_block(
        channel.height, channel.ledger.last_hash, [cursed.envelope, honest.envelope], 0, trials.orderer
    )
    channel.commit(built)
    assert [code for _, code in channel.transactions(built.header.number)] == [
        Codes.INVALID_OTHER_REASON,
        Codes.VALID,
    ]
    assert cursed.transaction_id in caplog.text


def with_sets(*sets: Any) -> Edit:
    def edit(parts: Parts) -> None:
        parts.namespaces = [(name, content) for name, content in sets]

    return edit


def summary(degree: int) -> Any:
    """A range query with a Merkle summary of this degree."""
    query = kv.RangeQueryInfo(itr_exhausted=True)
    query.reads_merkle_hashes.max_degree, query.reads_merkle_hashes.max_level = degree, 1
    query.reads_merkle_hashes.max_level_hashes.append(b"hash")
    return kv.KVRWSet(range_queries_info=[query])


TWICE = kv.KVRWSet(writes=[kv.KVWrite(key="k", value=b"1"), kv.KVWrite(key="k", value=b"2")])
SETS: dict[str, tuple[str, Any]] = {
    "a summary of degree 0": ("PHANTOM_READ_CONFLICT", summary(0)),
    "a summary of degree 1": ("PHANTOM_READ_CONFLICT", summary(1)),
    "a key twice": ("VALID", TWICE),
}


@pytest.mark.parametrize("what", SETS)
def test_read_write_sets_that_no_peer_makes(trials: Trials, what: str) -> None:
    home, operator = member(trials.nodes, "newtown", "home001"), member(trials.nodes, "grid", "operator")
    code, content = SETS[what]
    before = forge(home, [home, operator], NAME, "k").envelope
    assert trials.commit([before]) == ["VALID"]
    strange = forge(home, [home, operator], NAME, "k", with_sets((NAME, content))).envelope
    assert trials.commit([strange]) == [code]


@pytest.mark.parametrize("valid", [True, False], ids=["beside enough others", "alone"])
@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.__name__)
def test_an_endorser_that_cannot_be_read_is_passed_over(trials: Trials, mistake: Any, valid: bool) -> None:
    home, operator = member(trials.nodes, "newtown", "home001"), member(trials.nodes, "grid", "operator")
    wrong = named_by(home, mistake(Random(1), home.certificate.public_bytes(Encoding.DER)))
    endorsers = [wrong, operator, home] if valid else [wrong, operator]
    envelope = forge(home, endorsers, NAME, "k").envelope
    assert trials.commit([envelope]) == ["VALID" if valid else "ENDORSEMENT_POLICY_FAILURE"]


def test_a_creator_that_cannot_be_read_is_refused(trials: Trials) -> None:
    home, operator = member(trials.nodes, "newtown", "home001"), member(trials.nodes, "grid", "operator")
    certificate = home.certificate.public_bytes(Encoding.DER)
    creators = [named_by(home, mistake(Random(1), certificate)) for mistake in MISTAKES]
    envelopes = [forge(creator, [home, operator], NAME, "k").envelope for creator in creators]
    assert trials.commit(envelopes) == ["BAD_CREATOR_SIGNATURE"] * len(MISTAKES)


def test_a_member_counts_once_whichever_s_its_certificate_shows(trials: Trials) -> None:
    home, operator = member(trials.nodes, "newtown", "home001"), member(trials.nodes, "grid", "operator")
    for endorsers, code in (
        ([home, twin(home)], "ENDORSEMENT_POLICY_FAILURE"),
        ([twin(home), operator], "VALID"),
    ):
        assert trials.commit([forge(home, endorsers, NAME, "k").envelope]) == [code]


# Beside real Fabric


@pytest.mark.long
async def test_500_hostile_envelopes_get_the_codes_of_real_fabric(network: Any, tmp_path: Path) -> None:
    """Whatever network ordered them: an embedded peer and an auditor come to the codes of its peers."""
    network.deploy(PROGRAMS, NAME, endorsement_policy=TWO)
    random = Random(5)
    home, operator = member(network.nodes, "newtown", "home001"), member(network.nodes, "grid", "operator")
    newtown = authority(network.nodes, "newtown")
    transactions = [
        forge(home, [operator, mistaken_identity(random, home, newtown, exotic=False)], NAME, "k")
        if number % 2
        else forge(home, [home, operator], NAME, "k", harmless_sets(random))
        for number in range(500)
    ]
    transactions.append(forge(home, [home, twin(home)], NAME, "k"))
    codes = Counter(await codes_of(network, transactions))
    assert codes.keys() >= {
        "VALID",
        "ENDORSEMENT_POLICY_FAILURE",
        "MVCC_READ_CONFLICT",
        "PHANTOM_READ_CONFLICT",
    }
    await audit(network, tmp_path)
