"""Administration of a Fabric network from Python: no command-line tool is called.

`OrdererAdmin` speaks to an orderer's administration port, `PeerAdmin` to a peer. Every result is a frozen
dataclass, every failure an `AdminError` that says which party answered what, and what to do next.
"""

from commonwatt_client.admin.blocks import Block, block_data_hash, block_header_hash, decode_block
from commonwatt_client.admin.definition import (
    ApprovedDefinition,
    ChaincodeDefinition,
    CollectionConfig,
    CommitReadiness,
    CommittedDefinition,
    InstalledChaincode,
)
from commonwatt_client.admin.errors import (
    AdminError,
    AlreadyDoneError,
    ChannelExistsError,
    ChannelNotFoundError,
    ConnectionFailedError,
    InvalidInputError,
    NotAConsenterError,
    NotFoundError,
    NotReadyError,
    RefusedError,
    TimedOutError,
    UnexpectedAnswerError,
)
from commonwatt_client.admin.package import ChaincodeConnection, ChaincodePackage, package_ccaas, read_package
from commonwatt_client.admin.participation import ChannelInfo, OrdererAdmin
from commonwatt_client.admin.peer import ChainInfo, PeerAdmin
from commonwatt_client.admin.policy import OutOf, Principal, SignaturePolicy, parse_signature_policy
from commonwatt_client.admin.transactions import Transaction, decode_transaction

__all__ = [
    "AdminError",
    "AlreadyDoneError",
    "ApprovedDefinition",
    "Block",
    "ChainInfo",
    "ChaincodeConnection",
    "ChaincodeDefinition",
    "ChaincodePackage",
    "ChannelExistsError",
    "ChannelInfo",
    "ChannelNotFoundError",
    "CollectionConfig",
    "CommitReadiness",
    "CommittedDefinition",
    "ConnectionFailedError",
    "InstalledChaincode",
    "InvalidInputError",
    "NotAConsenterError",
    "NotFoundError",
    "NotReadyError",
    "OrdererAdmin",
    "OutOf",
    "PeerAdmin",
    "Principal",
    "RefusedError",
    "SignaturePolicy",
    "TimedOutError",
    "Transaction",
    "UnexpectedAnswerError",
    "block_data_hash",
    "block_header_hash",
    "decode_block",
    "decode_transaction",
    "package_ccaas",
    "parse_signature_policy",
    "read_package",
]
