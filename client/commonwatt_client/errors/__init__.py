# SPDX-License-Identifier: Apache-2.0
"""The client's failures, and what each one says: one tree for the Gateway, administration and Fabric CA.

::

    ClientError                     everything below
    ├── ConfigurationError          arguments, a file or a key that cannot be used (also a ValueError)
    │   └── NoNetworkError          the file that describes the network is not there: none was started here
    ├── UnreachableError            a node of the network could not be reached
    ├── SigningError                no signature could be made: no signer, or the signer failed
    ├── MalformedMessageError       bytes that are not the Fabric message they should be (also a ValueError)
    ├── ConnectionClosedError       the connection was closed before or during the call
    ├── FabricCAError               a certificate authority was not reached, or refused
    ├── GatewayError                a transaction or an event stream failed on the network
    │   ├── EvaluateError           evaluating; nothing was sent to the orderer
    │   ├── EndorseError            collecting endorsements; nothing was sent to the orderer
    │   ├── SubmitError             handing the endorsed transaction to the orderer; it may still commit
    │   ├── CommitStatusError       asking whether it committed; it may have, ask again by its transaction id
    │   ├── CommitError             it was ordered into a block and is invalid there; it changed nothing
    │   └── EventsError             an event stream ended and could not be resumed
    └── AdminError                  an administrative step failed
        ├── ConnectionFailedError   the node could not be reached, or its TLS certificate was not accepted
        │                           (also an UnreachableError)
        ├── RefusedError            the node understood the request and refused it
        │   ├── ChannelNotFoundError    it does not know the channel
        │   ├── ChannelExistsError      it has joined the channel already
        │   ├── AlreadyDoneError        exactly this was done before; nothing is left to do
        │   ├── SignaturesMissingError  a policy of the channel asks for more signatures than the update has
        │   ├── NotAgreedError          an organisation has not approved exactly this chaincode definition
        │   ├── SequenceTakenError      another chaincode definition is in force under this sequence, or a later one
        │   ├── PrivateDataMissingError it lacks a private value that it should hold
        │   └── NotFoundError           it has no such block, transaction, package, definition or snapshot request
        ├── NotReadyError           it cannot yet: no leader, or its peers have not found each other; ask again
        ├── NotAConsenterError      an orderer joined a channel without being one of its consenters
        ├── UnexpectedAnswerError   bytes that are not what Fabric's protocol promises (also a MalformedMessageError)
        ├── TimedOutError           the state waited for did not come in time
        └── InvalidInputError       refused here, before anything was sent (also a ConfigurationError)

Each has `code` (the cause), `status` (what the node answered with), `party` (the node), `transaction_id`, `advice`, and
the failure below it as its `__cause__`. Tell failures apart by class and `code`, never by words of their text.
"""

from commonwatt_client.errors.administration import (
    AdminError,
    AlreadyDoneError,
    ChannelExistsError,
    ChannelNotFoundError,
    ConnectionFailedError,
    InvalidInputError,
    NotAConsenterError,
    NotAgreedError,
    NotFoundError,
    NotReadyError,
    PrivateDataMissingError,
    RefusedError,
    SequenceTakenError,
    SignaturesMissingError,
    TimedOutError,
    UnexpectedAnswerError,
)
from commonwatt_client.errors.authority import FabricCAError
from commonwatt_client.errors.base import (
    ClientError,
    ConfigurationError,
    ConnectionClosedError,
    MalformedMessageError,
    NoNetworkError,
    SigningError,
    UnreachableError,
)
from commonwatt_client.errors.codes import ErrorCode, FabricCACode
from commonwatt_client.errors.gateway import (
    ChaincodeResponse,
    CommitError,
    CommitStatusError,
    EndorseError,
    ErrorDetail,
    EvaluateError,
    EventsError,
    GatewayError,
    SubmitError,
    chaincode_response_in,
)

__all__ = [
    "AdminError",
    "AlreadyDoneError",
    "ChaincodeResponse",
    "ChannelExistsError",
    "ChannelNotFoundError",
    "ClientError",
    "CommitError",
    "CommitStatusError",
    "ConfigurationError",
    "ConnectionClosedError",
    "ConnectionFailedError",
    "EndorseError",
    "ErrorCode",
    "ErrorDetail",
    "EvaluateError",
    "EventsError",
    "FabricCACode",
    "FabricCAError",
    "GatewayError",
    "InvalidInputError",
    "MalformedMessageError",
    "NoNetworkError",
    "NotAConsenterError",
    "NotAgreedError",
    "NotFoundError",
    "NotReadyError",
    "PrivateDataMissingError",
    "RefusedError",
    "SequenceTakenError",
    "SignaturesMissingError",
    "SigningError",
    "SubmitError",
    "TimedOutError",
    "UnexpectedAnswerError",
    "UnreachableError",
    "chaincode_response_in",
]
