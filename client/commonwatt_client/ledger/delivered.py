# SPDX-License-Identifier: Apache-2.0
"""What peers tell of a block beyond itself: filtered, without contents, or with the private data that go with it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from fabric_protos.ledger.rwset import rwset_pb2
from fabric_protos.ledger.rwset.kvrwset import kv_rwset_pb2

from commonwatt_client.errors import UnexpectedAnswerError
from commonwatt_client.ledger.block import Block, block_of
from commonwatt_client.ledger.transaction import ChaincodeEvent, chaincode_event, header_kind
from commonwatt_client.ledger.validation import ValidationCode
from commonwatt_client.ledger.wire import parse

PrivateValues = Mapping[tuple[int, str, str, str], bytes]
"""(the transaction's place in its block, chaincode, collection, key) -> the private value that it wrote."""


@dataclass(frozen=True, slots=True)
class FilteredTransaction:
    """What a filtered block tells of a transaction; its events come without payloads.

    ::

        async with gateway.get_network("newtown").filtered_block_events(start_block=1) as blocks:
            for each in (await anext(blocks)).transactions:
                print(each.transaction_id, each.validation_code.name)
    """

    transaction_id: str
    kind: str
    validation_code: ValidationCode
    events: tuple[ChaincodeEvent, ...]


@dataclass(frozen=True, slots=True)
class FilteredBlock:
    """A block's number and what became of its transactions, without their contents.

    ::

        async with gateway.get_network("newtown").filtered_block_events(start_block=1) as blocks:
            block = await anext(blocks)
            print(block.channel, block.number, len(block.transactions))
    """

    channel: str
    number: int
    transactions: tuple[FilteredTransaction, ...]


@dataclass(frozen=True, slots=True)
class PrivateWrite:
    """A write to a private data collection.

    Attributes:
        transaction_index: the transaction's place in its block, from 0.
        chaincode_name, collection, key: where it was written.
        value: the private value, empty for a deletion.
        is_delete: whether the key was deleted.

    ::

        async with gateway.get_network("newtown").block_and_private_data_events(start_block=1) as blocks:
            for write in (await anext(blocks)).private_writes:
                print(write.collection, write.key, write.value)
    """

    transaction_index: int
    chaincode_name: str
    collection: str
    key: str
    value: bytes
    is_delete: bool


@dataclass(frozen=True, slots=True)
class BlockAndPrivateData:
    """A block with the private data that the reader's organisation may see.

    ::

        async with gateway.get_network("newtown").block_and_private_data_events(start_block=1) as blocks:
            both = await anext(blocks)
            print(both.number, both.block.transactions[0].kind, len(both.private_writes))
    """

    block: Block
    private_writes: tuple[PrivateWrite, ...]

    @property
    def number(self) -> int:
        """The block's number."""
        return self.block.number

    @property
    def private_values(self) -> PrivateValues:
        """The values that were written, by place; deletions are left out."""
        return {
            (write.transaction_index, write.chaincode_name, write.collection, write.key): write.value
            for write in self.private_writes
            if not write.is_delete
        }


def filtered_block(message: Any) -> FilteredBlock:
    """A typed value of `peer.FilteredBlock`."""
    return FilteredBlock(
        message.channel_id,
        message.number,
        tuple(
            FilteredTransaction(
                item.txid,
                header_kind(item.type),
                ValidationCode(item.tx_validation_code),
                tuple(
                    chaincode_event(action.chaincode_event, message.number)
                    for action in item.transaction_actions.chaincode_actions
                    if action.chaincode_event.event_name
                ),
            )
            for item in message.filtered_transactions
        ),
    )


def block_and_private_data(message: Any) -> BlockAndPrivateData:
    """A typed value of `peer.BlockAndPrivateData`; raises UnexpectedAnswerError."""
    return BlockAndPrivateData(
        block_of(message.block, message.block.SerializeToString()),
        tuple(
            write
            for index in sorted(message.private_data_map)
            for write in _private_writes(index, message.private_data_map[index])
        ),
    )


def _private_writes(index: int, written: Any) -> Iterator[PrivateWrite]:
    if written.data_model != rwset_pb2.TxReadWriteSet.KV:
        raise UnexpectedAnswerError(f"private data of an unknown model {written.data_model}")
    for namespace in written.ns_pvt_rwset:
        for collection in namespace.collection_pvt_rwset:
            rwset = parse(kv_rwset_pb2.KVRWSet, collection.rwset)
            for write in rwset.writes:
                yield PrivateWrite(
                    index,
                    namespace.namespace,
                    collection.collection_name,
                    write.key,
                    write.value,
                    write.is_delete,
                )
