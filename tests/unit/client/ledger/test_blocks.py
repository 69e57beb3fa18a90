# SPDX-License-Identifier: Apache-2.0
"""A recorded ledger, decoded and audited; and what happens when someone has touched it."""

from dataclasses import replace

import pytest
from commonwatt_client.admin import (
    Authorities,
    Block,
    ChannelConfig,
    InvalidInputError,
    UnexpectedAnswerError,
    decode_block,
    decode_transaction,
    orderers_that_signed,
    read_channel_config,
    verify_block,
    verify_chain,
    verify_transaction,
)
from commonwatt_client.ledger import BlockTransaction, ChaincodeAction
from commonwatt_client.ledger.hashes import block_header_bytes
from commonwatt_client.ledger.read_write_set import decode_read_write_sets
from commonwatt_client.ledger.validation import ValidationCode
from fabric_protos.common import common_pb2
from hypothesis import given
from hypothesis import strategies as st


def test_blocks_are_decoded(ledger: list[Block]) -> None:
    assert [block.number for block in ledger] == [0, 1, 2, 3, 4]
    assert [block.last_config_number for block in ledger] == [0, 0, 0, 0, 4]
    assert {block.channel_id for block in ledger} == {"newtown"}
    assert all(block.validations == (ValidationCode.VALID,) for block in ledger)
    kinds = [block.transactions[0].kind for block in ledger]
    assert kinds == ["CONFIG", *["ENDORSER_TRANSACTION"] * 3, "CONFIG"]


def test_a_transaction_is_decoded_to_its_writes(ledger: list[Block]) -> None:
    transaction = ledger[3].transactions[0]
    (action,) = transaction.actions
    assert transaction.valid
    assert transaction.creator.mspid == "NewtownMSP"
    assert (action.chaincode, action.status) == ("_lifecycle", 200)
    assert action.arguments[0] == b"CommitChaincodeDefinition"
    assert {endorsement.endorser.mspid for endorsement in action.endorsements} == {"NewtownMSP", "GridMSP"}
    (written,) = [each for each in action.read_write_sets if each.namespace == "_lifecycle"]
    keys = [write.key for write in written.writes]
    assert "namespaces/fields/market/Sequence" in keys
    assert "namespaces/metadata/market" in keys
    assert {each.collection for each in written.collections} == {
        "_implicit_org_NewtownMSP",
        "_implicit_org_GridMSP",
    }


def test_the_recorded_ledger_holds(ledger: list[Block], genesis_config: ChannelConfig) -> None:
    authorities = Authorities.of(genesis_config)
    assert verify_chain(ledger) == []
    assert [flaw for block in ledger for flaw in verify_block(block, authorities)] == []
    signers = [[signer.mspid for signer in orderers_that_signed(block, genesis_config)] for block in ledger]
    assert signers == [[], *[["OrdererMSP"]] * 4]


def test_a_changed_block_is_noticed(ledger: list[Block], genesis_config: ChannelConfig) -> None:
    swapped = replace(ledger[2], envelopes=ledger[1].envelopes)
    assert [flaw.block_number for flaw in verify_chain([ledger[1], swapped, ledger[3]])] == [2]
    assert [flaw.block_number for flaw in verify_chain([ledger[0], ledger[2]])] == [2]
    forged = replace(ledger[2], data_hash=ledger[1].data_hash)
    assert [flaw.block_number for flaw in verify_chain([forged, ledger[3]])] == [2, 3]
    assert orderers_that_signed(forged, genesis_config) == ()


def with_action(transaction: BlockTransaction, action: ChaincodeAction) -> BlockTransaction:
    """The transaction as if this were what its bytes hold."""
    changed = replace(transaction)
    changed.__dict__["actions"] = (action,)
    return changed


def test_a_changed_transaction_is_noticed(ledger: list[Block], genesis_config: ChannelConfig) -> None:
    authorities = Authorities.of(genesis_config)
    transaction, other = ledger[3].transactions[0], ledger[2].transactions[0]
    action = transaction.actions[0]
    assert verify_transaction(transaction, authorities) == []
    changes = {
        "creator's signature": replace(transaction, signature=other.signature),
        "its id": replace(transaction, transaction_id=other.transaction_id),
        "asked for something else": with_action(
            transaction, replace(action, proposal_payload=other.actions[0].proposal_payload)
        ),
        "endorsement of": with_action(transaction, replace(action, response_payload=b"other")),
        "creator's certificate": replace(transaction, creator=replace(transaction.creator, mspid="GridMSP")),
    }
    for expected, changed in changes.items():
        assert any(expected in reason for reason in verify_transaction(changed, authorities)), expected


def test_only_configuration_blocks_hold_a_configuration(ledger: list[Block]) -> None:
    assert read_channel_config(ledger[4]).sequence == 1
    with pytest.raises(InvalidInputError, match="fetch block 0"):
        read_channel_config(ledger[3])


def test_header_bytes_are_der_whatever_the_number() -> None:
    assert block_header_bytes(0, b"", b"\1").hex() == "3008020100040004" + "0101"
    assert block_header_bytes(128, b"", b"").hex() == "30080202008004000400"
    long = block_header_bytes(2**64 - 1, b"\0" * 200, b"")
    assert long[:4].hex() == "3081d802"


@given(st.data())
def test_damaged_blocks_decode_or_fail_with_a_typed_error(ledger: list[Block], data: st.DataObject) -> None:
    content = bytearray(ledger[data.draw(st.integers(0, 4))].serialized)
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        block = decode_block(bytes(content))
        assert len(block.transactions) == len(block.envelopes)
        assert block.channel_id is not None
    except UnexpectedAnswerError:
        return


@given(st.binary(max_size=300))
def test_any_bytes_decode_or_fail_with_a_typed_error(content: bytes) -> None:
    for decode in (decode_block, decode_transaction, decode_read_write_sets):
        try:
            decode(content)
        except UnexpectedAnswerError:
            continue


@pytest.mark.parametrize("junk", [b"\xff", common_pb2.SignatureHeader(creator=b"\xff").SerializeToString()])
def test_a_signature_of_nobody_counts_for_nothing(
    ledger: list[Block], genesis_config: ChannelConfig, junk: bytes
) -> None:
    """Beside an orderer's own: peers take such a block, so a reader must."""
    block = common_pb2.Block.FromString(ledger[1].serialized)
    metadata = common_pb2.Metadata.FromString(block.metadata.metadata[common_pb2.SIGNATURES])
    metadata.signatures.add(signature_header=junk, signature=b"none")
    block.metadata.metadata[common_pb2.SIGNATURES] = metadata.SerializeToString()
    read = decode_block(block.SerializeToString())
    assert orderers_that_signed(read, genesis_config) == orderers_that_signed(ledger[1], genesis_config)


def test_what_peers_found_invalid_need_not_be_readable(ledger: list[Block]) -> None:
    block = common_pb2.Block.FromString(ledger[3].serialized)
    envelope = common_pb2.Envelope.FromString(block.data.data[0])
    payload = common_pb2.Payload.FromString(envelope.payload)
    payload.data = b"\xff"
    envelope.payload = payload.SerializeToString()
    block.data.data[:] = [envelope.SerializeToString(), b"\xff"]
    codes = (ValidationCode.BAD_PAYLOAD, ValidationCode.NIL_ENVELOPE)
    block.metadata.metadata[common_pb2.TRANSACTIONS_FILTER] = bytes(codes)
    headed, unreadable = decode_block(block.SerializeToString()).transactions
    assert (headed.kind, headed.creator_mspid, headed.actions) == ("ENDORSER_TRANSACTION", "NewtownMSP", ())
    assert (unreadable.kind, unreadable.validation_code, unreadable.endorsers) == ("UNREADABLE", codes[1], ())


def test_one_validation_code_per_transaction(ledger: list[Block]) -> None:
    block = common_pb2.Block.FromString(ledger[1].serialized)
    block.metadata.metadata[common_pb2.TRANSACTIONS_FILTER] = b"\0\0"
    with pytest.raises(UnexpectedAnswerError, match="1 transactions but 2 validation codes"):
        decode_block(block.SerializeToString())
