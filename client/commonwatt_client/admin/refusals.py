# SPDX-License-Identifier: Apache-2.0
"""What peers and orderers mean by their refusals: the kind of error and the advice, by what their texts
contain.
"""

import re

import grpc

from commonwatt_client.errors import (
    AdminError,
    AlreadyDoneError,
    ChannelExistsError,
    ChannelNotFoundError,
    NotAgreedError,
    NotFoundError,
    NotReadyError,
    PrivateDataMissingError,
    RefusedError,
    SequenceTakenError,
    SignaturesMissingError,
)

_JOIN_FIRST = "join it first"
_NEXT_SEQUENCE = "query the committed definition and use its next()"
_BE_ADMIN = "use an identity of the node's own organisation with the admin role"
_WAIT = "wait until its peers and orderers have found each other, then ask again"

# First match of these patterns wins; texts as of Fabric 2.5 and 3.1.
_MEANINGS: tuple[tuple[str, type[AdminError], str], ...] = (
    ("no Raft leader", NotReadyError, _WAIT),
    # What an orderer says of every change of consenters until it has heard of the others since it started.
    ("nodes are alive, configuration will result in quorum loss", NotReadyError, _WAIT),
    ("no peer combination can satisfy", NotReadyError, _WAIT),
    ("failed to find any endorsing peers", NotReadyError, _WAIT),
    ("no orderers could successfully", NotReadyError, _WAIT),
    # What gRPC in the gateway's peer says while that peer takes up another configuration or list of nodes.
    ("client connection is closing", NotReadyError, _WAIT),
    (
        "from orderer: .*channel does not exist",
        NotReadyError,
        "wait until the other organisations' orderers have joined it too, then ask again",
    ),
    (
        "ProposalResponsePayloads do not match",
        NotReadyError,
        "wait until its peers are level, then ask again",
    ),
    ("not installed on sufficient peers", NotReadyError, "approve with a package id in enough organisations"),
    ("with unchanged content", AlreadyDoneError, ""),
    ("already successfully installed", AlreadyDoneError, ""),
    ("with different parameters", RefusedError, _NEXT_SEQUENCE),
    ("redefine the current committed sequence", AlreadyDoneError, ""),
    ("channel already exists", ChannelExistsError, "it has joined already; ask how it stands"),
    (r"\] already exists with state", ChannelExistsError, "it has joined already; ask how it stands"),
    ("channel does not exist", ChannelNotFoundError, _JOIN_FIRST),
    ("Failed to get policy manager for channel", ChannelNotFoundError, _JOIN_FIRST),
    ("could not get last config for channel", ChannelNotFoundError, _JOIN_FIRST),
    ("cannot find ledger for", ChannelNotFoundError, _JOIN_FIRST),
    ("channel '[^']*' not found", ChannelNotFoundError, _JOIN_FIRST),
    ("not found on peer", ChannelNotFoundError, _JOIN_FIRST),
    (
        "private data matching public hash version is not available",
        PrivateDataMissingError,
        "wait until another member's peer has sent it; approvals that no peer of the organisation holds are made anew, "
        "for the definition's next sequence",
    ),
    ("no snapshot request", NotFoundError, "list the pending ones"),
    ("no such block", NotFoundError, ""),
    ("no such transaction", NotFoundError, ""),
    ("chaincode install package", NotFoundError, "query the installed chaincodes for their package ids"),
    ("could not fetch approved chaincode definition", NotFoundError, "approve it first"),
    (" is not defined", NotFoundError, "commit its definition first"),
    ("but new definition must be sequence", SequenceTakenError, _NEXT_SEQUENCE),
    (
        "not agreed to by this org",
        NotAgreedError,
        "every endorsing organisation approves exactly this definition first",
    ),
    ("incorrect timestamp", RefusedError, "set this machine's clock: it differs too much from the node's"),
    ("does not contain OU", RefusedError, _BE_ADMIN),
    ("creator is malformed", RefusedError, "use an identity of an organisation that the node knows"),
    (
        "failed constructing descriptor",
        NotReadyError,
        "commit its definition, and wait until enough peers have it",
    ),
    ("^access denied$", RefusedError, "use a member of a channel that the node has joined"),
    ("access denied", RefusedError, _BE_ADMIN),
    (
        "not satisfied: implicit policy evaluation failed",
        SignaturesMissingError,
        "collect the missing signatures",
    ),
    (r"policy for \[", SignaturesMissingError, "collect the missing signatures"),
    (
        "request body too large",
        RefusedError,
        "raise ChannelParticipation.MaxRequestBodySize in its orderer.yaml",
    ),
    ("404 page not found", RefusedError, "orderers before Fabric 3.1 lack this: use OrderingClient"),
    ("HTTP status 405", RefusedError, "orderers before Fabric 3.1 lack this: use OrderingClient"),
    ("docker build is disabled", RefusedError, "configure its ccaas external builder"),
)


def refusal(action: str, party: str, status: grpc.StatusCode | int | None, *answers: str) -> AdminError:
    """The typed error for a refused action. answers: the node's text first, then what others said to it."""
    answer = "; ".join(filter(None, answers))
    kind, advice = next(
        ((kind, advice) for text, kind, advice in _MEANINGS if re.search(text, answer)), (RefusedError, "")
    )
    return kind(f"cannot {action}", party=party, answer=answer, advice=advice, status=status)
