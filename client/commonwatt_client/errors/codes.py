# SPDX-License-Identifier: Apache-2.0
"""The causes of failures that are not a block's verdict on a transaction (`ValidationCode`)."""

from enum import IntEnum, StrEnum


class ErrorCode(StrEnum):
    """Why something failed; `explain.explain(code)` tells what each means and what to do next.

    ::

        try:
            await market.submit_transaction("close_round", '{"round": "99999999"}')
        except EndorseError as error:
            print(error.code is ErrorCode.CHAINCODE_REFUSED)
    """

    # What nodes answer before a transaction is in a block.
    TOO_MANY_REQUESTS = "TOO_MANY_REQUESTS"
    MESSAGE_TOO_LARGE = "MESSAGE_TOO_LARGE"
    PEER_UNREACHABLE = "PEER_UNREACHABLE"
    ENDORSER_UNREACHABLE = "ENDORSER_UNREACHABLE"
    ORDERER_UNAVAILABLE = "ORDERER_UNAVAILABLE"
    ORDERER_NOT_JOINED = "ORDERER_NOT_JOINED"
    DEADLINE_EXCEEDED = "DEADLINE_EXCEEDED"
    NO_ENDORSERS = "NO_ENDORSERS"
    ENDORSEMENTS_DIFFER = "ENDORSEMENTS_DIFFER"
    CHAINCODE_REFUSED = "CHAINCODE_REFUSED"
    CHAINCODE_UNAVAILABLE = "CHAINCODE_UNAVAILABLE"
    NOT_DETERMINISTIC = "NOT_DETERMINISTIC"
    DUPLICATE_TRANSACTION = "DUPLICATE_TRANSACTION"
    ACCESS_DENIED = "ACCESS_DENIED"
    NOT_FOUND = "NOT_FOUND"
    CANCELLED = "CANCELLED"
    CHECKPOINT_OF_ANOTHER_LEDGER = "CHECKPOINT_OF_ANOTHER_LEDGER"
    # Of administration.
    REFUSED = "REFUSED"
    CHANNEL_NOT_FOUND = "CHANNEL_NOT_FOUND"
    CHANNEL_EXISTS = "CHANNEL_EXISTS"
    ALREADY_DONE = "ALREADY_DONE"
    SIGNATURES_MISSING = "SIGNATURES_MISSING"
    NOT_AGREED = "NOT_AGREED"
    SEQUENCE_TAKEN = "SEQUENCE_TAKEN"
    PRIVATE_DATA_MISSING = "PRIVATE_DATA_MISSING"
    NOT_READY = "NOT_READY"
    NOT_A_CONSENTER = "NOT_A_CONSENTER"
    # Of this side.
    INVALID_INPUT = "INVALID_INPUT"
    NO_NETWORK = "NO_NETWORK"
    SIGNING_FAILED = "SIGNING_FAILED"
    MALFORMED_MESSAGE = "MALFORMED_MESSAGE"
    CONNECTION_CLOSED = "CONNECTION_CLOSED"
    OTHER = "OTHER"


class FabricCACode(IntEnum):
    """Fabric CA's own error codes, those with advice by name (fabric-ca: `lib/caerrors`); 0 for no code."""

    NO_CODE = 0
    AUTHENTICATION_FAILED = 20
    NO_SUCH_IDENTITY = 63
    NOT_AUTHORIZED = 71
    REGISTERED_ALREADY = 74

    @classmethod
    def _missing_(cls, value: object) -> "FabricCACode | None":
        if not isinstance(value, int):
            return None
        other = int.__new__(cls, value)
        other._name_ = f"FABRIC_CA_{value}"
        other._value_ = value
        return other
