# SPDX-License-Identifier: Apache-2.0
"""What Fabric writes, decoded: one model for event streams, administration, auditors and reports.

`block`, `transaction` and `read_write_set` model blocks and their contents; `delivered` what peers deliver beside
them. `configuration` models channel configurations, `readers` who reads blocks by them, and `policy` endorsement
policies. `hashes` has the hashes that hold it together, and `verification` checks that need nobody's word. Nothing
here does I/O.
Every reader of bytes raises `UnexpectedAnswerError`, which is a `MalformedMessageError`, for bytes that are not what
they should be.
"""

from commonwatt_client.ledger.block import Block, BlockSignature, decode_block
from commonwatt_client.ledger.configuration import (
    BatchSize,
    ChannelConfig,
    Consenter,
    Organization,
    read_channel_config,
)
from commonwatt_client.ledger.delivered import (
    BlockAndPrivateData,
    FilteredBlock,
    FilteredTransaction,
    PrivateWrite,
)
from commonwatt_client.ledger.hashes import block_data_hash, block_header_hash
from commonwatt_client.ledger.policy import OutOf, Principal, SignaturePolicy, parse_signature_policy
from commonwatt_client.ledger.read_write_set import NamespaceReadWriteSet, RangeQuery, Read, Version, Write
from commonwatt_client.ledger.readers import Opening, openings
from commonwatt_client.ledger.transaction import (
    BlockTransaction,
    ChaincodeAction,
    ChaincodeEvent,
    Creator,
    Endorsement,
    decode_transaction,
)
from commonwatt_client.ledger.validation import ValidationCode
from commonwatt_client.ledger.verification import (
    Authorities,
    Flaw,
    endorsers_that_signed,
    orderers_that_signed,
    verify_block,
    verify_chain,
    verify_signature,
    verify_transaction,
)

__all__ = [
    "Authorities",
    "BatchSize",
    "Block",
    "BlockAndPrivateData",
    "BlockSignature",
    "BlockTransaction",
    "ChaincodeAction",
    "ChaincodeEvent",
    "ChannelConfig",
    "Consenter",
    "Creator",
    "Endorsement",
    "FilteredBlock",
    "FilteredTransaction",
    "Flaw",
    "NamespaceReadWriteSet",
    "Opening",
    "Organization",
    "OutOf",
    "Principal",
    "PrivateWrite",
    "RangeQuery",
    "Read",
    "SignaturePolicy",
    "ValidationCode",
    "Version",
    "Write",
    "block_data_hash",
    "block_header_hash",
    "decode_block",
    "decode_transaction",
    "endorsers_that_signed",
    "openings",
    "orderers_that_signed",
    "parse_signature_policy",
    "read_channel_config",
    "verify_block",
    "verify_chain",
    "verify_signature",
    "verify_transaction",
]
