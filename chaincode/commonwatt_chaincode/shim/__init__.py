# SPDX-License-Identifier: Apache-2.0
"""A chaincode library for Hyperledger Fabric: contracts, the ledger they see, and the server that peers dial.

Generic: it knows nothing of what a contract does. See docs/chaincode.md.
"""

from .configuration import ServerConfig, config_from_environment
from .contract import Contract, Handler, Roles, evaluate, query, transaction
from .dispatch import chaincode
from .endorsement import KeyEndorsementPolicy
from .errors import ChaincodeCallError, ConfigurationError, InvalidRequest, PeerError, Refusal, StreamClosed
from .identity import ClientIdentity
from .keys import create_composite_key, split_composite_key
from .proposal import SignedProposal
from .queries import Query
from .results import KeyModification, KeyValue, Page, Response, Timestamp
from .server import run_from_environment, serve
from .stub import Stub

__all__ = [
    "ChaincodeCallError",
    "ClientIdentity",
    "ConfigurationError",
    "Contract",
    "Handler",
    "InvalidRequest",
    "KeyEndorsementPolicy",
    "KeyModification",
    "KeyValue",
    "Page",
    "PeerError",
    "Query",
    "Refusal",
    "Response",
    "Roles",
    "ServerConfig",
    "SignedProposal",
    "StreamClosed",
    "Stub",
    "Timestamp",
    "chaincode",
    "config_from_environment",
    "create_composite_key",
    "evaluate",
    "query",
    "run_from_environment",
    "serve",
    "split_composite_key",
    "transaction",
]
