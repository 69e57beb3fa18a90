# SPDX-License-Identifier: Apache-2.0
"""`commonwatt verify` on ledgers that are right and on ones that were forged with every key at hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import pytest
from commonwatt_audit.audit import Audit, FirstDifference
from commonwatt_audit.parallel import ParallelAudit
from commonwatt_client.admin import (
    APPLICATION,
    Block,
    decode_block,
    read_channel_config,
    remove_organization,
    set_batch,
)
from fabric_protos.common import common_pb2

from ..support.homes import home_id
from .audited import VALID, Ledger, audited_until, traded_blocks
from .forgery import (
    another_argument,
    endorsed_something_else,
    one_endorsement_less,
    with_flipped_signature,
    with_higher_s,
)

MVCC, PHANTOM, DUPLICATE = bytes([11]), bytes([12]), bytes([9])


@pytest.fixture(scope="module")
def ledger(network: Any) -> Ledger:
    """A day's trade on a running network, up to the round that was closed last."""
    return audited_until(network, traded_blocks(network), b'"state":"CLEARED"')


def test_what_honest_peers_would_sign_is_in_order(ledger: Ledger) -> None:
    assert ledger.difference_in(ledger.closing) == ""
    assert ledger.first_difference(ledger.forger.transaction(ledger.close)) == ""


@pytest.mark.parametrize("code", [*range(1, 26), 254, 255])
def test_a_good_transaction_is_not_to_be_called_invalid(ledger: Ledger, code: int) -> None:
    found = ledger.first_difference(ledger.close, codes=bytes([code]))
    assert found.endswith(", by the rules VALID: nothing is wrong with it")


def test_what_orderers_signed_is_not_to_be_changed(ledger: Ledger) -> None:
    award = ledger.closing.serialized.replace(b'"amount_naud":90000000', b'"amount_naud":90000001')
    assert award != ledger.closing.serialized
    after = ledger.forger.block(ledger.closing, [ledger.close], VALID)
    for what, block, words in (
        ("an award", decode_block(award), "its data are not those its header was made for"),
        ("an award with its hash", _rehashed(award), "no orderer of the channel signed it"),
        ("a block left out", after, f"it follows block {ledger.before[-1].number}"),
    ):
        assert words in ledger.difference_in(block), what


def test_an_audit_on_all_processors_finds_the_same(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("commonwatt_audit.parallel.CHUNK", 8)
    audit = Audit()
    with ParallelAudit(audit) as parallel:
        for block in ledger.before:
            parallel.check(block)
    assert audit.findings.functions == ledger.audited.findings.functions
    number = next(block.number for block in ledger.before if b"submit_offer" in block.serialized)
    forged = _rehashed(ledger.before[number].serialized.replace(b"submit_offer", b"submit_loser"))
    with (
        pytest.raises(FirstDifference, match=f"block {number}: no orderer of the channel signed it"),
        ParallelAudit(Audit()) as parallel,
    ):
        for block in [*ledger.before[:number], forged]:
            parallel.check(block)


def _rehashed(content: bytes) -> Block:
    block = common_pb2.Block.FromString(content)
    block.header.data_hash = sha256(b"".join(block.data.data)).digest()
    return decode_block(block.SerializeToString())


def in_reads(parts: Any) -> None:
    """As if the round had been read before somebody wrote it."""
    parts.sets.reads[0].version.tx_num += 1


def in_range(parts: Any) -> None:
    """As if an offer had come after the bids were read."""
    del parts.sets.range_queries_info[0].raw_reads.kv_reads[-1]


def in_writes(parts: Any) -> None:
    """A bill of somebody's own making, agreed on by all endorsers."""
    award = next(write for write in parts.sets.writes if write.key.startswith("result/"))
    award.value = award.value.replace(b'"amount_naud":90000000', b'"amount_naud":90000001')


def other_chaincode(parts: Any) -> None:
    parts.outcome.chaincode_id.name = "market2"


def no_longer_that_id(parts: Any) -> None:
    parts.header.tx_id = "0" * 64


def test_each_forgery_is_named(ledger: Ledger) -> None:
    forger, close = ledger.forger, ledger.close
    home, (newtown, grid) = forger.home, forger.peers
    now = datetime.now(UTC)
    stranger = forger.double(forger.operator, now - timedelta(days=1), now + timedelta(days=1), "GridMSP")
    policy = "by the rules ENDORSEMENT_POLICY_FAILURE: only "
    signature = "by the rules BAD_CREATOR_SIGNATURE: its creator"
    forgeries = {
        "another signature": (with_flipped_signature(close), f"{signature}'s signature is not good"),
        "a higher S": (with_higher_s(close), f"{signature}'s signature is not good"),
        "an unknown authority": (
            forger.transaction(close, creator=stranger),
            f"{signature} holds a certificate that no authority of GridMSP issued",
        ),
        "one endorser": (
            forger.transaction(close, endorsers=[newtown]),
            f"{policy}NewtownMSP endorsed it, which does not satisfy the policy of market",
        ),
        "one endorser twice": (
            forger.transaction(close, endorsers=[grid, grid]),
            f"{policy}GridMSP endorsed it",
        ),
        "no endorser": (forger.transaction(close, endorsers=[]), f"{policy}nobody endorsed it"),
        "a home for a peer": (
            forger.transaction(close, endorsers=[home, grid]),
            f"{policy}GridMSP, NewtownMSP",
        ),
        "an endorsement taken away": (
            forger.transaction(close, after=one_endorsement_less),
            f"{policy}NewtownMSP",
        ),
        "an endorsement of something else": (
            forger.transaction(close, after=endorsed_something_else),
            f"{policy}GridMSP",
        ),
        "another argument": (
            forger.transaction(close, after=another_argument),
            "by the rules INVALID_ENDORSER_TRANSACTION: its endorsers were asked for something else",
        ),
        "another id": (
            forger.transaction(close, after=no_longer_that_id),
            "by the rules BAD_PROPOSAL_TXID: its id is not the hash",
        ),
        "another chaincode's outcome": (
            forger.transaction(close, before=other_chaincode),
            "by the rules INVALID_CHAINCODE: it is said to be of market",
        ),
        "an outdated read": (
            forger.transaction(close, before=in_reads),
            f"by the rules MVCC_READ_CONFLICT: account/{home_id('newtown', 3)} had changed",
        ),
        "a phantom": (
            forger.transaction(close, before=in_range),
            "by the rules PHANTOM_READ_CONFLICT: what is in bid/",
        ),
        "an award": (
            forger.transaction(close, before=in_writes),
            "(close_round): result/",
        ),
        "an id of an earlier block": (
            ledger.before[-1].envelopes[0],
            "by the rules DUPLICATE_TXID: its id was used before",
        ),
        "no envelope's payload": (
            b"\x0a\x02\xff\xff",
            "by the rules BAD_PAYLOAD: its payload cannot be read",
        ),
        "nothing": (b"", "by the rules BAD_COMMON_HEADER"),
    }
    for what, (envelope, words) in forgeries.items():
        found = ledger.first_difference(envelope)
        assert words in found, what
        assert f"block {ledger.closing.number}, transaction " in found, what
    assert "by the rules DUPLICATE_TXID: its id is used before it in this block" in ledger.first_difference(
        close, close
    )
    assert ledger.first_difference(close, close, codes=VALID + DUPLICATE) == ""


def test_verdicts_that_are_recorded_as_they_should_be_are_no_difference(ledger: Ledger) -> None:
    forger, close = ledger.forger, ledger.close
    assert ledger.first_difference(forger.transaction(close, before=in_reads), codes=MVCC) == ""
    assert ledger.first_difference(forger.transaction(close, before=in_range), codes=PHANTOM) == ""
    once_more = forger.transaction(close)
    assert ledger.first_difference(close, once_more, codes=VALID + MVCC) == ""
    assert "by the rules MVCC_READ_CONFLICT" in ledger.first_difference(close, once_more)


def test_a_block_without_verdicts_is_judged(ledger: Ledger) -> None:
    forger = ledger.forger
    forged = forger.transaction(ledger.close, endorsers=[])
    blocks = [forger.block(ledger.before[-1], [forged], b"")]
    blocks.append(forger.block(blocks[0], [ledger.close], b""))
    assert ledger.difference_in(*blocks) == ""


def test_certificates_must_be_in_force_at_the_time(ledger: Ledger) -> None:
    forger, close = ledger.forger, ledger.close
    now = datetime.now(UTC)
    expired = forger.double(forger.operator, forger.founded, forger.founded + timedelta(seconds=1))
    early = forger.double(forger.operator, now + timedelta(days=1), now + timedelta(days=36_000))
    for creator in (expired, early):
        found = ledger.first_difference(forger.transaction(close, creator=creator))
        assert "its creator's certificate (NewtownMSP) is valid from " in found

    def in_fifty_years(parts: Any) -> None:
        parts.header.timestamp.seconds = int((now + timedelta(days=18_000)).timestamp())

    found = ledger.first_difference(forger.transaction(close, creator=early, before=in_fifty_years))
    assert "its endorser's certificate (NewtownMSP) is valid from " in found


def test_whoever_is_revoked_counts_for_nothing_from_then_on(ledger: Ledger) -> None:
    forger, former = ledger.forger, ledger.before[-1]
    config_block = ledger.before[former.last_config_number]
    number = former.number + 1
    for revoked, words in (
        (
            forger.operator,
            "by the rules BAD_CREATOR_SIGNATURE: its creator holds a certificate that NewtownMSP has",
        ),
        (forger.peers[0], "by the rules ENDORSEMENT_POLICY_FAILURE: only GridMSP endorsed it"),
    ):
        revocation = forger.block(former, [forger.revocation(config_block, revoked)], VALID, config=number)
        found = ledger.difference_in(revocation, forger.block(revocation, [ledger.close], VALID))
        assert found.startswith(f"block {number + 1}, ")
        assert words in found


def test_blocks_are_orderers(ledger: Ledger) -> None:
    forger, former = ledger.forger, ledger.before[-1]
    impostor = replace(forger, orderer=forger.peers[1])
    assert "the orderers that signed it do not satisfy the channel's policy" in ledger.difference_in(
        impostor.block(former, [ledger.close], VALID)
    )


def test_an_orderers_certificate_is_in_force_when_it_signs(ledger: Ledger) -> None:
    forger, former = ledger.forger, ledger.before[-1]
    now = datetime.now(UTC)
    for begins, ends, words in (
        (forger.founded, forger.founded + timedelta(seconds=1), "its orderer's certificate (OrdererMSP)"),
        (now + timedelta(days=1), now + timedelta(days=2), "its orderer's certificate (OrdererMSP)"),
        (forger.founded, now + timedelta(days=1), ""),
    ):
        another = replace(forger, orderer=forger.double(forger.orderer, begins, ends))
        assert words in (found := ledger.difference_in(another.block(former, [ledger.close], VALID)))
        assert bool(found) == bool(words)


def wrong_sequence(made: Any) -> None:
    made.config.sequence += 1


def more_than_agreed(made: Any) -> None:
    """Every organisation's administrators may do what all together had to."""
    group = made.config.channel_group.groups["Application"]
    group.policies["Admins"].policy.value = group.policies["Readers"].policy.value


def no_update(made: Any) -> None:
    made.ClearField("last_update")


def of_another_channel(update: Any) -> None:
    update.channel_id = "harbour"


def of_before(update: Any) -> None:
    """As if somebody had changed the ordering section meanwhile."""
    update.read_set.groups["Orderer"].version += 1


def two_steps_at_once(update: Any) -> None:
    update.write_set.groups["Orderer"].values["BatchTimeout"].version += 1


def no_owner(update: Any) -> None:
    update.write_set.groups["Orderer"].values["BatchTimeout"].mod_policy = ""


def no_change(update: Any) -> None:
    update.write_set.CopyFrom(update.read_set)


def test_a_configuration_is_what_those_it_asks_agreed_to(ledger: Ledger) -> None:
    forger, former = ledger.forger, ledger.before[-1]
    block = ledger.before[former.last_config_number]
    current = read_channel_config(block)
    slower = set_batch(current, timeout_s=9)
    orderers, newtown, grid = map(forger.administrator, ("OrdererMSP", "NewtownMSP", "GridMSP"))
    now = datetime.now(UTC)
    stranger = forger.double(orderers, now, now + timedelta(days=1), "GridMSP")
    alone = remove_organization(current, APPLICATION, "GridMSP")
    batch = "changes /Channel/Orderer/BatchTimeout, which only {} signed: that does not satisfy /Channel/Orderer/Admins"
    envelopes = {
        "an orderer's own affair": (forger.configuration(block, slower, orderers), ""),
        "signed by others": (
            forger.configuration(block, slower, newtown, grid),
            batch.format("GridMSP, NewtownMSP"),
        ),
        "signed by nobody": (forger.configuration(block, slower), batch.format("nobody")),
        "signed by a node": (forger.configuration(block, slower, forger.orderer), batch.format("OrdererMSP")),
        "signed by a stranger": (forger.configuration(block, slower, stranger), batch.format("nobody")),
        "everybody's affair": (forger.configuration(block, alone, newtown, grid), ""),
        "one for both": (
            forger.configuration(block, alone, newtown, newtown),
            "changes /Channel/Application, which only NewtownMSP signed: that does not satisfy "
            "/Channel/Application/Admins",
        ),
    }
    for edit, words in (
        (wrong_sequence, f"leads to sequence {current.sequence + 2}, from {current.sequence}"),
        (more_than_agreed, "does not lead to the configuration that the block holds"),
        (no_update, "is missing"),
    ):
        envelopes[edit.__name__] = (forger.configuration(block, slower, orderers, after=edit), words)
    for edit, words in (
        (of_another_channel, "is for channel harbour"),
        (of_before, "was made for another version of /Channel/Orderer"),
        (two_steps_at_once, "raises /Channel/Orderer/BatchTimeout to version 2, not 1"),
        (no_owner, "leaves open who may change /Channel/Orderer/BatchTimeout"),
        (no_change, "changes nothing"),
    ):
        envelopes[edit.__name__] = (forger.configuration(block, slower, orderers, before=edit), words)
    for what, (envelope, words) in envelopes.items():
        found = ledger.difference_in(forger.block(former, [envelope], VALID, config=former.number + 1))
        assert words in found, what
        assert bool(found) == bool(words), what
