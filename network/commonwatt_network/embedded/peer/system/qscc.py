# SPDX-License-Identifier: Apache-2.0
"""`qscc`: blocks and transactions of a channel's ledger."""

from __future__ import annotations

from typing import Any

from fabric_protos.common import common_pb2, ledger_pb2
from fabric_protos.peer import transaction_pb2

from commonwatt_network.embedded.channels.blocks import TRANSACTIONS_FILTER
from commonwatt_network.embedded.channels.proposals import Proposal
from commonwatt_network.embedded.peer.channel import PeerChannel
from commonwatt_network.embedded.peer.system.responses import failure, success
from commonwatt_network.embedded.peer.views import AccessView
from commonwatt_network.embedded.simulation import Simulator
from commonwatt_network.embedded.trust.access import AccessDenied


def run_qscc(
    peer: AccessView, _: PeerChannel | None, proposal: Proposal, arguments: list[bytes], __: Simulator | None
) -> Any:
    """The Response to GetChainInfo, GetBlockByNumber, GetBlockByHash, GetBlockByTxID or GetTransactionByID."""
    if len(arguments) < 2:
        return failure(f"Incorrect number of arguments, {len(arguments)}")
    function, channel_id = (argument.decode(errors="replace") for argument in arguments[:2])
    if proposal.chaincode_name != "qscc":
        return failure(
            "Rejecting invoke of QSCC from another chaincode because of potential for deadlocks, original "
            f"invocation for '{proposal.chaincode_name}'"
        )
    if function != "GetChainInfo" and len(arguments) < 3:
        return failure(f"missing 3rd argument for {function}")
    channel = peer.channels.get(channel_id)
    if channel is None:
        return failure(f"Invalid chain ID, {channel_id}")
    try:
        peer.check_channel_access(f"qscc/{function}", channel, proposal)
    except AccessDenied as error:
        return failure(f"access denied for [{function}][{channel_id}]: [{error}]")
    if function == "GetChainInfo":
        return _chain_info(channel)
    implementation = FUNCTIONS.get(function)
    if implementation is None:
        return failure(f"Requested function {function} not found.")
    return implementation(channel, arguments[2])


def _chain_info(channel: PeerChannel) -> Any:
    info = ledger_pb2.BlockchainInfo(
        height=channel.height,
        currentBlockHash=channel.ledger.last_hash,
        previousBlockHash=channel.ledger.previous_hash,
    )
    if channel.ledger.first_number:
        info.bootstrappingSnapshotInfo.lastBlockInSnapshot = channel.ledger.first_number - 1
    return success(info.SerializeToString())


def _block_by_number(channel: PeerChannel, argument: bytes) -> Any:
    text = argument.decode(errors="replace")
    if not text.isascii() or not text.isdigit() or int(text) >= 1 << 64:
        return failure(
            f'Failed to parse block number with error strconv.ParseUint: parsing "{text}": invalid syntax'
        )
    number = int(text)
    if number == (1 << 64) - 1:  # Fabric's way to ask for the newest block
        number = channel.height - 1
    encoded = channel.ledger.block_bytes(number) if number < channel.height else None
    if encoded is None:
        first = channel.ledger.first_number
        reason = (
            f"no such block number [{text}] in index"
            if number >= first
            else f"cannot serve block [{number}]. {_from_snapshot(channel)}"
        )
        return failure(f"Failed to get block number {text}, error {reason}")
    return success(encoded)


def _block_by_hash(channel: PeerChannel, argument: bytes) -> Any:
    number = channel.ledger.block_number_by_hash(argument)
    if number is None:
        text = argument.decode(errors="replace")
        return failure(
            f"Failed to get block hash {text}, error no such block hash [{argument.hex()}] in index"
        )
    return success(channel.ledger.block_bytes(number) or b"")


def _block_by_transaction(channel: PeerChannel, argument: bytes) -> Any:
    txid = argument.decode(errors="replace")
    found = channel.ledger.transaction(txid)
    if found is None:
        return failure(f"Failed to get block for txID {txid}, error no such transaction ID [{txid}] in index")
    encoded = channel.ledger.block_bytes(found.block_number)
    if encoded is None:
        return failure(f"Failed to get block for txID {txid}, error {_no_details(channel, txid)}")
    return success(encoded)


def _transaction(channel: PeerChannel, argument: bytes) -> Any:
    txid = argument.decode(errors="replace")
    found = channel.ledger.transaction(txid)
    if found is None:
        return failure(
            f"Failed to get transaction with id {txid}, error no such transaction ID [{txid}] in index"
        )
    block = channel.ledger.block(found.block_number)
    if block is None:
        return failure(f"Failed to get transaction with id {txid}, error {_no_details(channel, txid)}")
    processed = transaction_pb2.ProcessedTransaction(
        transactionEnvelope=common_pb2.Envelope.FromString(block.data.data[found.position]),
        validationCode=block.metadata.metadata[TRANSACTIONS_FILTER][found.position],
    )
    return success(processed.SerializeToString())


def _no_details(channel: PeerChannel, txid: str) -> str:
    return f"details for the TXID [{txid}] not available. {_from_snapshot(channel, 'Ledger')}"


def _from_snapshot(channel: PeerChannel, what: str = "The ledger is") -> str:
    return f"{what} bootstrapped from a snapshot. First available block = [{channel.ledger.first_number}]"


FUNCTIONS = {
    "GetBlockByNumber": _block_by_number,
    "GetBlockByHash": _block_by_hash,
    "GetBlockByTxID": _block_by_transaction,
    "GetTransactionByID": _transaction,
}
