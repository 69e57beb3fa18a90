# SPDX-License-Identifier: Apache-2.0
"""The complete Python client for Hyperledger Fabric's Gateway.

::

    import asyncio
    from commonwatt_client import connect_network_file

    async def main():
        async with connect_network_file(".commonwatt/network.json", "newtown", "operator") as gateway:
            market = gateway.get_network("newtown").get_contract("market")
            house = '{"home": "house1", "home_class": "consumer"}'
            print(await market.submit_transaction("register_home", house))

    asyncio.run(main())

The same names without `await` are in `commonwatt_client.sync`; administration is in `commonwatt_client.admin`.
Names follow Fabric's Gateway API in snake_case.
"""

import logging
from typing import Any

from commonwatt_client._aio import Connection
from commonwatt_client._connection import ClientCertificate, Peer
from commonwatt_client._retrying import Outcome
from commonwatt_client._transactions import Status
from commonwatt_client.checkpoint import Checkpoint, FileCheckpointer, InMemoryCheckpointer
from commonwatt_client.connecting import connect_network_file, connect_profile
from commonwatt_client.contract import Contract
from commonwatt_client.errors import (
    ChaincodeResponse,
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
    GatewayError,
    MalformedMessageError,
    NoNetworkError,
    SigningError,
    SubmitError,
    UnreachableError,
)
from commonwatt_client.events import EventsRequest, EventStream
from commonwatt_client.gateway import Gateway, connect
from commonwatt_client.identity import Identity, load_identity
from commonwatt_client.ledger import (
    Block,
    BlockAndPrivateData,
    BlockTransaction,
    ChaincodeEvent,
    FilteredBlock,
    FilteredTransaction,
    PrivateWrite,
    ValidationCode,
)
from commonwatt_client.network import Network
from commonwatt_client.retry import ReconnectPolicy, RetryPolicy
from commonwatt_client.signers import Signer, private_key_signer
from commonwatt_client.timeouts import Timeouts
from commonwatt_client.transaction import Commit, Proposal, SubmittedTransaction, Transaction

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

# Failover, reconnection, retries and resubmissions are told here, to those who ask for it.
logging.getLogger(__name__).addHandler(logging.NullHandler())


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version  # a hundredth of a second that few have use for

        return version("commonwatt-client")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
