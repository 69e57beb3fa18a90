# SPDX-License-Identifier: Apache-2.0
"""Signature policies as text, and as the protos that Fabric's own parser makes of them."""

import pytest
from commonwatt_client.admin import InvalidInputError, OutOf, Principal, parse_signature_policy
from commonwatt_client.ledger.policy import (
    ROLES,
    SignaturePolicy,
    read_signature_policy,
    signature_policy_envelope,
)
from hypothesis import given
from hypothesis import strategies as st

principals = st.builds(
    Principal, st.from_regex(r"[A-Za-z0-9][A-Za-z0-9.-]{0,8}", fullmatch=True), st.sampled_from(ROLES)
)


def gates(rules: st.SearchStrategy[SignaturePolicy]) -> st.SearchStrategy[SignaturePolicy]:
    listed = st.lists(rules, min_size=1, max_size=4)
    return listed.flatmap(lambda them: st.builds(OutOf, st.integers(1, len(them)), st.just(tuple(them))))


policies = gates(st.recursive(principals, gates, max_leaves=12))


@given(policies)
def test_a_policy_survives_text_and_protos(policy: OutOf) -> None:
    assert parse_signature_policy(str(policy)) == policy
    assert read_signature_policy(signature_policy_envelope(policy)) == policy


def test_inner_gates_number_their_principals_first_as_fabric_does() -> None:
    # Fabric 3.1.5, `peer lifecycle` with this --signature-policy: B is 0, C is 1, A is 2.
    envelope = signature_policy_envelope(parse_signature_policy("AND('A.peer', OR('B.peer', 'C.peer'))"))
    outer = envelope.rule.n_out_of
    assert [rule.signed_by for rule in outer.rules[1].n_out_of.rules] == [0, 1]
    assert outer.rules[0].signed_by == 2
    assert [identity.principal for identity in envelope.identities] == [
        b"\n\x01B\x10\x03",
        b"\n\x01C\x10\x03",
        b"\n\x01A\x10\x03",
    ]


@pytest.mark.parametrize("text", ["and('A.peer')", "And( 'A.peer' )", 'AND("A.peer")', "OutOf(1, 'A.peer')"])
def test_spellings(text: str) -> None:
    assert parse_signature_policy(text) == OutOf(1, (Principal("A", "peer"),))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "'A.peer'",
        "AND()",
        "AND('A.peer'",
        "AND('A.peer',)",
        "AND('A.peer') x",
        "AND('A.boss')",
        "AND('peer')",
        "NOT('A.peer')",
        "OutOf(0, 'A.peer')",
        "OutOf(2, 'A.peer')",
        "OutOf('A.peer')",
        "AND('A.peer' 'B.peer')",
        "AND(" * 100,
        "AND('A.peer' & 'B.peer')",
    ],
)
def test_mistakes_are_pointed_at(text: str) -> None:
    with pytest.raises(InvalidInputError):
        parse_signature_policy(text)


@given(st.text(alphabet="ANDORutf(),'.peer 019\"", max_size=40))
def test_any_text_gives_a_policy_or_a_typed_error(text: str) -> None:
    try:
        parse_signature_policy(text)
    except InvalidInputError:
        return
