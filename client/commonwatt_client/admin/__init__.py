"""Administration of a Fabric network from Python: no command-line tool is called.

`OrdererAdmin` speaks to an orderer's administration port, `PeerAdmin` to a peer. Every result is a frozen
dataclass, every failure an `AdminError` that says which party answered what, and what to do next.
"""

from commonwatt_client.admin.blocks import Block, block_data_hash, block_header_hash, decode_block
from commonwatt_client.admin.config_update import (
    assemble_update,
    compute_update,
    sign_update,
    signed_by,
    wait_for_config,
)
from commonwatt_client.admin.configuration import (
    BatchSize,
    ChannelConfig,
    Consenter,
    Organization,
    read_channel_config,
)
from commonwatt_client.admin.configuration_checks import find_mistakes
from commonwatt_client.admin.configuration_edits import (
    add_organization,
    remove_organization,
    set_anchor_peers,
    set_batch,
    set_capability,
    set_orderer_endpoints,
)
from commonwatt_client.admin.configuration_groups import APPLICATION, CHANNEL, ORDERER
from commonwatt_client.admin.consenters import add_consenter, remove_consenter, replace_consenter
from commonwatt_client.admin.definition import (
    ApprovedDefinition,
    ChaincodeDefinition,
    CollectionConfig,
    CommitReadiness,
    CommittedDefinition,
    InstalledChaincode,
)
from commonwatt_client.admin.discovery import DiscoveredConfig, DiscoveredPeer, Endorsers
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
from commonwatt_client.admin.ordering import OrderingClient
from commonwatt_client.admin.package import ChaincodeConnection, ChaincodePackage, package_ccaas, read_package
from commonwatt_client.admin.participation import ChannelInfo, OrdererAdmin
from commonwatt_client.admin.peer import ChainInfo, PeerAdmin
from commonwatt_client.admin.policy import OutOf, Principal, SignaturePolicy, parse_signature_policy
from commonwatt_client.admin.revocation import revoke_certificates
from commonwatt_client.admin.transactions import Transaction, decode_transaction
from commonwatt_client.admin.verification import (
    Authorities,
    Flaw,
    orderers_that_signed,
    verify_block,
    verify_chain,
    verify_signature,
    verify_transaction,
)

__all__ = [
    "APPLICATION",
    "CHANNEL",
    "ORDERER",
    "AdminError",
    "AlreadyDoneError",
    "ApprovedDefinition",
    "Authorities",
    "BatchSize",
    "Block",
    "ChainInfo",
    "ChaincodeConnection",
    "ChaincodeDefinition",
    "ChaincodePackage",
    "ChannelConfig",
    "ChannelExistsError",
    "ChannelInfo",
    "ChannelNotFoundError",
    "CollectionConfig",
    "CommitReadiness",
    "CommittedDefinition",
    "ConnectionFailedError",
    "Consenter",
    "DiscoveredConfig",
    "DiscoveredPeer",
    "Endorsers",
    "Flaw",
    "InstalledChaincode",
    "InvalidInputError",
    "NotAConsenterError",
    "NotFoundError",
    "NotReadyError",
    "OrdererAdmin",
    "OrderingClient",
    "Organization",
    "OutOf",
    "PeerAdmin",
    "Principal",
    "RefusedError",
    "SignaturePolicy",
    "TimedOutError",
    "Transaction",
    "UnexpectedAnswerError",
    "add_consenter",
    "add_organization",
    "assemble_update",
    "block_data_hash",
    "block_header_hash",
    "compute_update",
    "decode_block",
    "decode_transaction",
    "find_mistakes",
    "orderers_that_signed",
    "package_ccaas",
    "parse_signature_policy",
    "read_channel_config",
    "read_package",
    "remove_consenter",
    "remove_organization",
    "replace_consenter",
    "revoke_certificates",
    "set_anchor_peers",
    "set_batch",
    "set_capability",
    "set_orderer_endpoints",
    "sign_update",
    "signed_by",
    "verify_block",
    "verify_chain",
    "verify_signature",
    "verify_transaction",
    "wait_for_config",
]
