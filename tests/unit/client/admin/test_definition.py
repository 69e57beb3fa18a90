# SPDX-License-Identifier: Apache-2.0
"""Chaincode definitions: what is sent is what is read back."""

import pytest
from commonwatt_client.admin import (
    ChaincodeDefinition,
    CollectionConfig,
    InvalidInputError,
    UnexpectedAnswerError,
)
from commonwatt_client.admin import definition as definitions
from fabric_protos.peer.lifecycle import lifecycle_pb2
from hypothesis import given
from hypothesis import strategies as st

DEFINITION = ChaincodeDefinition(
    "market",
    "1.0",
    3,
    endorsement_policy="AND('NewtownMSP.peer','GridMSP.peer')",
    collections=(
        CollectionConfig(
            "meters", "OR('NewtownMSP.member')", 1, 2, 100, endorsement_policy="/Channel/Admins"
        ),
        CollectionConfig("bills", "OR('GridMSP.member')", member_only_write=False),
    ),
    init_required=True,
)


def test_a_definition_survives_the_wire() -> None:
    args = lifecycle_pb2.ApproveChaincodeDefinitionForMyOrgArgs.FromString(
        definitions.approve_arguments(DEFINITION, "market:00")
    )
    answer = lifecycle_pb2.QueryApprovedChaincodeDefinitionResult(
        **{
            field: getattr(args, field)
            for field in (
                "sequence",
                "version",
                "endorsement_plugin",
                "validation_plugin",
                "validation_parameter",
                "collections",
                "init_required",
                "source",
            )
        }
    )
    read = definitions.read_approved("market", answer.SerializeToString())
    assert read == definitions.ApprovedDefinition(DEFINITION, "market:00")


def test_a_policy_has_one_spelling() -> None:
    spaced = ChaincodeDefinition("m", "1", endorsement_policy=" and( 'A.peer','B.peer' ) ")
    assert spaced == ChaincodeDefinition("m", "1", endorsement_policy="AND('A.peer', 'B.peer')")


def test_next_keeps_everything_else() -> None:
    following = DEFINITION.next(version="1.1")
    assert (following.sequence, following.version) == (4, "1.1")
    assert following.collections == DEFINITION.collections


def test_without_a_package_the_source_is_unavailable() -> None:
    args = lifecycle_pb2.ApproveChaincodeDefinitionForMyOrgArgs.FromString(
        definitions.approve_arguments(DEFINITION, "")
    )
    assert args.source.WhichOneof("Type") == "unavailable"


@pytest.mark.parametrize(
    "fields",
    [
        {"name": "my market"},
        {"name": "_lifecycle"},
        {"version": "1 0"},
        {"sequence": 0},
        {"sequence": 2**63},
        {"endorsement_policy": "AND('x')"},
        {"collections": (CollectionConfig("a", "OR('A.member')"),) * 2},
    ],
)
def test_definitions_that_peers_refuse(fields: dict[str, object]) -> None:
    with pytest.raises(InvalidInputError):
        ChaincodeDefinition(**{"name": "market", "version": "1.0", **fields})  # type: ignore[arg-type]


def test_collections_that_peers_refuse() -> None:
    with pytest.raises(InvalidInputError, match="maximum_peer_count"):
        CollectionConfig("a", "OR('A.member')", required_peer_count=2, maximum_peer_count=1)
    for fields in ({"maximum_peer_count": 2**31}, {"blocks_to_live": -1}, {"blocks_to_live": 2**64}):
        with pytest.raises(InvalidInputError):
            CollectionConfig("a", "OR('A.member')", **fields)
    with pytest.raises(InvalidInputError, match="name"):
        CollectionConfig("a b", "OR('A.member')")


@given(st.binary(max_size=120))
def test_any_answer_is_read_or_fails_with_a_typed_error(payload: bytes) -> None:
    readers = (
        definitions.read_readiness,
        definitions.read_all_committed,
        definitions.read_installed,
        lambda content: definitions.read_approved("market", content),
        lambda content: definitions.read_committed("market", content),
    )
    for read in readers:
        try:
            read(payload)
        except UnexpectedAnswerError:
            continue
