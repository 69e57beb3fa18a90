# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable
from itertools import permutations
from typing import Any

import pytest
from commonwatt_network.embedded.channels.configuration import ChannelConfig
from commonwatt_network.embedded.trust.msp import MEMBER, PEER, IdentityError, role_principal
from commonwatt_network.embedded.trust.policies import (
    PolicyError,
    SignedData,
    compile_application_policy,
    compile_signature_policy,
)
from commonwatt_network.embedded.trust.principal_sets import merged_sets, satisfying_sets, signature_policy_of
from commonwatt_network.embedded.trust.signing import SigningIdentity
from fabric_protos.common import policies_pb2
from fabric_protos.peer import policy_pb2
from hypothesis import given
from hypothesis import strategies as st

Signers = Callable[[str, str], SigningIdentity]
Rule = int | tuple[int, list["Rule"]]
"""A principal's index, or (n, inner rules)."""


class Someone:
    """An identity that satisfies the principals it lists (their `principal` bytes)."""

    def __init__(self, *satisfied: int) -> None:
        self.satisfied = satisfied

    def satisfies(self, principal: Any) -> None:
        if int(principal.principal) not in self.satisfied:
            raise IdentityError("no")


def message(rule: Rule) -> Any:
    if isinstance(rule, int):
        return policies_pb2.SignaturePolicy(signed_by=rule)
    inner = [message(child) for child in rule[1]]
    return policies_pb2.SignaturePolicy(n_out_of=policies_pb2.SignaturePolicy.NOutOf(n=rule[0], rules=inner))


def envelope(rule: Rule, principals: int = 4) -> Any:
    from fabric_protos.msp import msp_principal_pb2

    identities = [
        msp_principal_pb2.MSPPrincipal(principal=str(index).encode()) for index in range(principals)
    ]
    return policies_pb2.SignaturePolicyEnvelope(rule=message(rule), identities=identities)


def leaves(rule: Rule) -> list[list[int]]:
    """Every way to satisfy a rule, as the principals it uses: the model."""
    if isinstance(rule, int):
        return [[rule]]
    ways: list[list[list[int]]] = [[]]
    for child in rule[1]:
        ways = ways + [[*way, one] for way in ways for one in leaves(child)]
    return [[leaf for one in way for leaf in one] for way in ways if len(way) >= rule[0]]


def assignable(principals: list[int], people: list[Someone]) -> bool:
    """Whether different people can meet the principals, each one."""
    if len(principals) > len(people):
        return False
    return any(
        all(wanted in person.satisfied for wanted, person in zip(principals, chosen, strict=True))
        for chosen in permutations(people, len(principals))
    )


rules = st.recursive(
    st.integers(0, 3),
    lambda inner: st.lists(inner, min_size=1, max_size=3).flatmap(
        lambda children: st.tuples(st.integers(1, len(children)), st.just(children))
    ),
    max_leaves=5,
)


@given(rules, st.lists(st.sets(st.integers(0, 3), max_size=2), max_size=4))
def test_what_is_satisfied_can_be_assigned(rule: Rule, satisfied: list[set[int]]) -> None:
    people = [Someone(*principals) for principals in satisfied]
    policy = compile_signature_policy(envelope(rule), None)  # type: ignore[arg-type]
    try:
        policy.evaluate_identities(people)  # type: ignore[arg-type]
    except PolicyError:
        return
    assert any(assignable(way, people) for way in leaves(rule))


@given(rules, st.lists(st.integers(0, 3), max_size=4))
def test_with_one_principal_each_evaluation_equals_the_brute_force_model(rule: Rule, who: list[int]) -> None:
    people = [Someone(principal) for principal in who]
    policy = compile_signature_policy(envelope(rule), None)  # type: ignore[arg-type]
    try:
        policy.evaluate_identities(people)  # type: ignore[arg-type]
        verdict = True
    except PolicyError:
        verdict = False
    flat = isinstance(rule, int) or all(isinstance(child, int) for child in rule[1])
    possible = any(assignable(way, people) for way in leaves(rule))
    # A nested gate takes the first identities that it can, so it may leave too few for its neighbours.
    assert verdict == possible if flat else possible or not verdict


@given(rules)
def test_every_principal_set_is_a_way_to_satisfy_the_policy(rule: Rule) -> None:
    ways = [sorted(way) for way in leaves(rule)]
    for one in satisfying_sets(envelope(rule)):
        assert sorted(int(principal.content) for principal in one) in ways


def test_a_gate_uses_up_identities_beyond_its_threshold_as_on_fabric() -> None:
    policy = compile_signature_policy(envelope((2, [(1, [0, 0]), 0])), None)  # type: ignore[arg-type]
    with pytest.raises(PolicyError):
        policy.evaluate_identities([Someone(0), Someone(0)])  # type: ignore[list-item]
    policy.evaluate_identities([Someone(0), Someone(0), Someone(0)])  # type: ignore[list-item]


def signed(*signers: SigningIdentity, data: bytes = b"data") -> list[SignedData]:
    return [SignedData(data, signer.creator, signer.sign(data)) for signer in signers]


def members(n: int, *mspids: str, role: int = MEMBER) -> Any:
    found = policies_pb2.SignaturePolicyEnvelope(identities=[role_principal(mspid, role) for mspid in mspids])
    found.rule.n_out_of.n = n
    for index in range(len(mspids)):
        found.rule.n_out_of.rules.add(signed_by=index)
    return found


def test_one_signature_repeated_counts_once(channel: ChannelConfig, signer: Signers) -> None:
    policy = compile_signature_policy(members(2, "NewtownMSP", "NewtownMSP"), channel.registry)
    one, two = signer("newtown", "operator"), signer("newtown", "home001")
    policy.evaluate(signed(one, two))
    with pytest.raises(PolicyError, match="signature set did not satisfy policy"):
        policy.evaluate(signed(one, one))


def test_a_wrong_signature_and_an_unknown_identity_are_left_out(
    channel: ChannelConfig, signer: Signers
) -> None:
    policy = compile_signature_policy(members(1, "NewtownMSP"), channel.registry)
    operator = signer("newtown", "operator")
    wrong = SignedData(b"data", operator.creator, operator.sign(b"other"))
    with pytest.raises(PolicyError):
        policy.evaluate([wrong])
    policy.evaluate([SignedData(b"data", b"nobody", b""), *signed(operator)])


def test_implicit_meta_counts_organisations(channel: ChannelConfig, signer: Signers) -> None:
    majority = channel.policies.get("/Channel/Application/Admins")
    newtown, grid = signer("newtown", "admin"), signer("grid", "admin")
    majority.evaluate(signed(newtown, grid))
    with pytest.raises(PolicyError) as refused:
        majority.evaluate(signed(newtown, signer("grid", "operator")))
    assert str(refused.value) == (
        "implicit policy evaluation failed - 1 sub-policies were satisfied, but this policy requires 2 of the "
        "'Admins' sub-policies to be satisfied"
    )


def test_a_policy_that_is_not_there_rejects_all(channel: ChannelConfig, signer: Signers) -> None:
    assert "/Channel/Application/Gardeners" not in channel.policies
    with pytest.raises(PolicyError, match="no such policy: 'Application/Gardeners'"):
        channel.policies.get("/Channel/Application/Gardeners").evaluate(signed(signer("newtown", "admin")))


def test_an_application_policy_is_a_signature_policy_or_a_reference(
    channel: ChannelConfig, peer_signer: Callable[[str], SigningIdentity]
) -> None:
    peers = signed(peer_signer("newtown"), peer_signer("grid"))
    for policy in (
        policy_pb2.ApplicationPolicy(signature_policy=members(2, "NewtownMSP", "GridMSP", role=PEER)),
        policy_pb2.ApplicationPolicy(
            channel_config_policy_reference="/Channel/Application/LifecycleEndorsement"
        ),
    ):
        compiled = compile_application_policy(policy.SerializeToString(), channel.registry, channel.policies)
        compiled.evaluate(peers)
        with pytest.raises(PolicyError):
            compiled.evaluate(peers[:1])


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        (policy_pb2.ApplicationPolicy(), "unsupported policy type"),
        (
            policy_pb2.ApplicationPolicy(channel_config_policy_reference="/Channel/Nothing"),
            "failed to retrieve policy for reference /Channel/Nothing",
        ),
        (
            policy_pb2.ApplicationPolicy(signature_policy=envelope(9)),
            "identity index out of range, requested 9, but identities length is 4",
        ),
    ],
)
def test_an_application_policy_that_does_not_compile(
    channel: ChannelConfig, policy: Any, message: str
) -> None:
    with pytest.raises(PolicyError, match=message):
        compile_application_policy(policy.SerializeToString(), channel.registry, channel.policies)


def test_layouts_of_the_channels_majority(channel: ChannelConfig) -> None:
    converted = signature_policy_of(channel.policies.get("/Channel/Application/LifecycleEndorsement"))
    (both,) = merged_sets([satisfying_sets(converted)])
    assert len(both) == 2
    # A policy that one organisation's member satisfies adds nobody to a set that has its peer.
    single = satisfying_sets(members(1, "GridMSP"))
    assert merged_sets([satisfying_sets(converted), single]) == [tuple(sorted(both))]
