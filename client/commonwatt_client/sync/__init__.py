# SPDX-License-Identifier: Apache-2.0
# Written by `make sync` from commonwatt_client/__init__.py: change that file.
"""The same client without `await`: for plain scripts, notebooks (whatever loop runs there) and threads.

::

    from commonwatt_client.sync import connect_network_file

    with connect_network_file(".commonwatt/network.json", "newtown", "operator") as gateway:
        market = gateway.get_network("newtown").get_contract("market")
        house = '{"home": "house1", "home_class": "consumer"}'
        print(market.submit_transaction("register_home", house))

Every public name of `commonwatt_client` is here too; values, errors, identities, signers and policies are the same
objects. A gateway and what it gives may be used by several threads at once; one event stream by one thread, while any
other may close it. Administration is in `sync.admin`, Fabric CA in `sync.fabric_ca`.
"""

from commonwatt_client import (
    Block,
    BlockAndPrivateData,
    BlockTransaction,
    ChaincodeEvent,
    ChaincodeResponse,
    Checkpoint,
    ClientCertificate,
    ClientError,
    CommitError,
    CommitStatusError,
    ConfigurationError,
    ConnectionClosedError,
    EndorseError,
    ErrorCode,
    ErrorDetail,
    EvaluateError,
    EventsError,
    FileCheckpointer,
    FilteredBlock,
    FilteredTransaction,
    GatewayError,
    Identity,
    InMemoryCheckpointer,
    MalformedMessageError,
    NoNetworkError,
    Outcome,
    Peer,
    PrivateWrite,
    ReconnectPolicy,
    RetryPolicy,
    Signer,
    SigningError,
    Status,
    SubmitError,
    Timeouts,
    UnreachableError,
    ValidationCode,
    load_identity,
    private_key_signer,
)
from commonwatt_client.sync._threads import Connection
from commonwatt_client.sync.connecting import connect_network_file, connect_profile
from commonwatt_client.sync.contract import Contract
from commonwatt_client.sync.events import EventsRequest, EventStream
from commonwatt_client.sync.gateway import Gateway, connect
from commonwatt_client.sync.network import Network
from commonwatt_client.sync.transaction import Commit, Proposal, SubmittedTransaction, Transaction

__all__ = [
    "Block",
    "BlockAndPrivateData",
    "BlockTransaction",
    "ChaincodeEvent",
    "ChaincodeResponse",
    "Checkpoint",
    "ClientCertificate",
    "ClientError",
    "Commit",
    "CommitError",
    "CommitStatusError",
    "ConfigurationError",
    "Connection",
    "ConnectionClosedError",
    "Contract",
    "EndorseError",
    "ErrorCode",
    "ErrorDetail",
    "EvaluateError",
    "EventStream",
    "EventsError",
    "EventsRequest",
    "FileCheckpointer",
    "FilteredBlock",
    "FilteredTransaction",
    "Gateway",
    "GatewayError",
    "Identity",
    "InMemoryCheckpointer",
    "MalformedMessageError",
    "Network",
    "NoNetworkError",
    "Outcome",
    "Peer",
    "PrivateWrite",
    "Proposal",
    "ReconnectPolicy",
    "RetryPolicy",
    "Signer",
    "SigningError",
    "Status",
    "SubmitError",
    "SubmittedTransaction",
    "Timeouts",
    "Transaction",
    "UnreachableError",
    "ValidationCode",
    "connect",
    "connect_network_file",
    "connect_profile",
    "load_identity",
    "private_key_signer",
]
