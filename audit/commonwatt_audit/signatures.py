# SPDX-License-Identifier: Apache-2.0
"""Who signed a block and its transactions: the part of an audit that needs no state, and most of its time."""

from dataclasses import dataclass
from functools import lru_cache

from commonwatt_client.ledger import (
    Block,
    ChannelConfig,
    decode_block,
    orderers_that_signed,
    read_channel_config,
)
from commonwatt_client.ledger.validation import ValidationCode
from fabric_protos.common import common_pb2
from fabric_protos.msp import identities_pb2
from google.protobuf.message import DecodeError

from commonwatt_audit.envelopes import Judged, judge
from commonwatt_audit.members import date
from commonwatt_audit.policies import Policies
from commonwatt_audit.updates import fault_of_update

BLOCK_VALIDATION = "/Channel/Orderer/BlockValidation"


@dataclass(frozen=True)
class Signed:
    """A block by itself.

    fault: what is wrong with the orderers' signatures or with the configuration it brings, in words; empty for nothing.
    """

    fault: str
    transactions: tuple[Judged, ...]


def look_at(block: Block, config_block: bytes) -> Signed:
    """Check all signatures of a block. `config_block` holds the configuration in force before it, serialised."""
    config, policies = trust(config_block)
    orderers = tuple(
        each.serialized
        or identities_pb2.SerializedIdentity(mspid=each.mspid, id_bytes=each.certificate).SerializeToString()
        for each in orderers_that_signed(block, config)
    )
    members = policies.members
    transactions = tuple(judge(content, config.channel, members) for content in block.envelopes)
    fault = _fault_of_orderers(orderers, transactions, policies)
    if not fault and brings_configuration(block):
        fault = fault_of_update(block, config, policies)
    return Signed(fault, transactions)


def _fault_of_orderers(
    orderers: tuple[bytes, ...], transactions: tuple[Judged, ...], policies: Policies
) -> str:
    if not orderers:
        return "no orderer of the channel signed it"
    if not policies.satisfied_at(BLOCK_VALIDATION, orderers):
        return "the orderers that signed it do not satisfy the channel's policy for blocks"
    # A block bears no time: it is of the time of one of its transactions whose own certificates were in force.
    times_s = {
        each.time_s for each in transactions if each.code == ValidationCode.VALID and not each.outdated
    }
    signers = {serialized: policies.members.member(serialized) for serialized in orderers}
    in_force = tuple(
        serialized for serialized, member in signers.items() if any(map(member.in_force, times_s))
    )
    if times_s and not policies.satisfied_at(BLOCK_VALIDATION, in_force):
        outdated = next(member for serialized, member in signers.items() if serialized not in in_force)
        return (
            f"its orderer's certificate ({outdated.mspid}) is valid {outdated.period}, "
            f"its transactions are of {date(min(times_s))} to {date(max(times_s))}"
        )
    return ""


def brings_configuration(block: Block) -> bool:
    """Whether the block holds a configuration, in force from the next block on; it then holds nothing else."""
    if len(block.envelopes) != 1 or any(block.validations):
        return False
    try:
        payload = common_pb2.Payload.FromString(common_pb2.Envelope.FromString(block.envelopes[0]).payload)
        header = common_pb2.ChannelHeader.FromString(payload.header.channel_header)
    except DecodeError:
        return False
    return bool(header.type == common_pb2.CONFIG)


def look_at_several(blocks: list[tuple[bytes, bytes]]) -> list[Signed]:
    """The same for several serialised blocks, each with its configuration: work for another process."""
    return [look_at(decode_block(block), config) for block, config in blocks]


@lru_cache(maxsize=4)
def trust(config_block: bytes) -> tuple[ChannelConfig, Policies]:
    """The configuration in a serialised block, and its policies."""
    config = read_channel_config(decode_block(config_block))
    return config, Policies(config)
