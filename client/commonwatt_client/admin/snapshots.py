# SPDX-License-Identifier: Apache-2.0
"""A peer's ledger snapshots: request, cancel, list what is pending."""

from typing import Any

from fabric_protos.common import common_pb2
from fabric_protos.peer import snapshot_pb2

from commonwatt_client.admin.signing import Signatory
from commonwatt_client.errors import InvalidInputError
from commonwatt_client.ledger.wire import parse, serialize


async def snapshot_request(signatory: Signatory, channel: str, block_number: int) -> Any:
    """A ``protos.SignedSnapshotRequest`` for one block; 0 is the newest one."""
    if not 0 <= block_number < 2**64:
        raise InvalidInputError(f"{block_number} is not a block number")
    return await _signed(
        signatory,
        snapshot_pb2.SnapshotRequest(
            signature_header=parse(common_pb2.SignatureHeader, signatory.signature_header()),
            channel_id=channel,
            block_number=block_number,
        ),
    )


async def snapshot_query(signatory: Signatory, channel: str) -> Any:
    """A ``protos.SignedSnapshotRequest`` for the list of pending ones."""
    return await _signed(
        signatory,
        snapshot_pb2.SnapshotQuery(
            signature_header=parse(common_pb2.SignatureHeader, signatory.signature_header()),
            channel_id=channel,
        ),
    )


async def _signed(signatory: Signatory, request: Any) -> Any:
    content = serialize(request)
    return snapshot_pb2.SignedSnapshotRequest(request=content, signature=await signatory.sign(content))
