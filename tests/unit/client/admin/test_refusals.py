# SPDX-License-Identifier: Apache-2.0
"""What nodes say, told apart by what to do next; the texts are Fabric's own."""

import pytest
from commonwatt_client.admin import (
    AdminError,
    ChannelNotFoundError,
    NotAgreedError,
    NotReadyError,
    PrivateDataMissingError,
    RefusedError,
    SequenceTakenError,
    SignaturesMissingError,
)
from commonwatt_client.admin.refusals import refusal


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ("channel does not exist", ChannelNotFoundError),
        (
            "received unsuccessful response from orderer: status=BAD_REQUEST, info=channel does not exist",
            NotReadyError,
        ),
        ("failed to assemble transaction: ProposalResponsePayloads do not match", NotReadyError),
        (
            "error applying config update to existing channel 'newtown': consensus metadata update for channel config "
            "update is invalid: 0 out of 3 nodes are alive, configuration will result in quorum loss",
            NotReadyError,
        ),
        (
            "failed to endorse transaction: rpc error: code = Canceled desc = grpc: the client connection is closing",
            NotReadyError,
        ),
        ("no peer combination can satisfy the endorsement policy", NotReadyError),
        (
            "error validating DeltaSet: policy for [Group]  /Channel/Application not satisfied: implicit policy "
            "evaluation failed - 1 sub-policies were satisfied, but this policy requires 2",
            SignaturesMissingError,
        ),
        ("chaincode definition not agreed to by this org (GlebeMSP)", NotAgreedError),
        ("requested sequence is 1, but new definition must be sequence 2", SequenceTakenError),
        (
            "QueryApprovedChaincodeDefinition: private data matching public hash version is not available. Public hash "
            "version = {BlockNum: 1, TxNum: 1}, Private data version = <nil>",
            PrivateDataMissingError,
        ),
        ("words that nobody foresaw", RefusedError),
    ],
    ids=[
        "its own channel",
        "an orderer's channel",
        "peers not level",
        "orderers not acquainted",
        "a connection given up",
        "peers not acquainted",
        "too few signatures",
        "not approved",
        "another sequence",
        "lost private data",
        "unknown words",
    ],
)
def test_an_answer_says_what_to_do_next(answer: str, kind: type[AdminError]) -> None:
    failure = refusal("approve", "peer.grid.example:7051", 500, answer)
    assert type(failure) is kind
    assert answer in str(failure)
