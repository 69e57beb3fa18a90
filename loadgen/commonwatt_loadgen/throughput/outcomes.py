# SPDX-License-Identifier: Apache-2.0
"""What became of a transaction, by class; only `committed` counts as throughput."""

import grpc
from commonwatt_client import ClientError, CommitError, ErrorCode, GatewayError, ValidationCode

COMMITTED = "committed"
CONFLICT = "conflict"
POLICY = "policy"
LIMITED = "limited"
TIMED_OUT = "timed out"
REFUSED = "refused"
FAILED = "failed"

OUTCOMES = (COMMITTED, CONFLICT, POLICY, LIMITED, TIMED_OUT, REFUSED, FAILED)
MEANINGS = {
    COMMITTED: "in a block and valid",
    CONFLICT: "invalid: another transaction changed what it had read (MVCC or phantom)",
    POLICY: "invalid: the endorsement policy was not satisfied",
    LIMITED: "refused by a peer's limit of concurrent calls",
    TIMED_OUT: "a deadline passed in some phase",
    REFUSED: "refused by the contract",
    FAILED: "anything else",
}

_CONFLICTS = {ValidationCode.MVCC_READ_CONFLICT, ValidationCode.PHANTOM_READ_CONFLICT}


def classify_code(code: ValidationCode) -> str:
    """The class of a transaction that is in a block."""
    if code is ValidationCode.VALID:
        return COMMITTED
    if code in _CONFLICTS:
        return CONFLICT
    return POLICY if code is ValidationCode.ENDORSEMENT_POLICY_FAILURE else FAILED


def classify_error(error: ClientError) -> str:
    """The class of a transaction that failed on its way."""
    if isinstance(error, CommitError):
        return classify_code(error.code)
    if not isinstance(error, GatewayError):
        return FAILED
    if error.status is grpc.StatusCode.DEADLINE_EXCEEDED:
        return TIMED_OUT
    if error.code is ErrorCode.TOO_MANY_REQUESTS:
        return LIMITED
    return REFUSED if error.chaincode_response is not None else FAILED
