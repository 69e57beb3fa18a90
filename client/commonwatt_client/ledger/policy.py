# SPDX-License-Identifier: Apache-2.0
"""Signature policies as people write them: ``AND('NewtownMSP.peer', 'GridMSP.peer')``.

The language is Fabric's: ``AND(...)``, ``OR(...)`` and ``OutOf(n, ...)`` (also in lower or upper case) of
principals ``'MSPID.role'``, the roles being member, admin, client, peer and orderer. The protos built from
a text are equal to those of Fabric's own parser, down to the order of the principals, because peers compare
approvals byte by byte.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from fabric_protos.common import policies_pb2
from fabric_protos.msp import msp_principal_pb2

from commonwatt_client.errors import InvalidInputError

ROLES = ("member", "admin", "client", "peer", "orderer")
_DEEPEST = 32
_TOKEN = re.compile(
    r"\s*(?:(?P<gate>[A-Za-z]+)|(?P<number>[0-9]+)|'(?P<single>[^']*)'|\"(?P<double>[^\"]*)\"|(?P<mark>[(),]))"
)
_PRINCIPAL = re.compile(r"([A-Za-z0-9.-]+)\.(member|admin|client|peer|orderer)")


@dataclass(frozen=True)
class Principal:
    """Anyone of one organisation in one role.

    ::

        assert str(Principal("NewtownMSP", "peer")) == "'NewtownMSP.peer'"
    """

    mspid: str
    role: str

    def __post_init__(self) -> None:
        if not _PRINCIPAL.fullmatch(f"{self.mspid}.{self.role}"):
            raise InvalidInputError(
                f"'{self.mspid}.{self.role}' is not a principal",
                advice=f"write 'MSPID.role', role {_either()}",
            )

    def __str__(self) -> str:
        return f"'{self.mspid}.{self.role}'"


@dataclass(frozen=True)
class OutOf:
    """Satisfied by `required` of its rules, each satisfied by signatures of its own.

    ::

        either = OutOf(1, (Principal("NewtownMSP", "peer"), Principal("GridMSP", "peer")))
        definition = ChaincodeDefinition("meters", "1.0", endorsement_policy=str(either))
    """

    required: int
    rules: tuple["SignaturePolicy", ...]

    def __post_init__(self) -> None:
        # Fabric's parser accepts 0 (anyone may) and n + 1 (nobody can); both are mistakes.
        if not 1 <= self.required <= len(self.rules):
            raise InvalidInputError(f"a policy cannot ask for {self.required} of {len(self.rules)} rules")

    def __str__(self) -> str:
        rules = ", ".join(map(str, self.rules))
        if self.required == len(self.rules):
            return f"AND({rules})"
        return f"OR({rules})" if self.required == 1 else f"OutOf({self.required}, {rules})"


SignaturePolicy = Principal | OutOf


def parse_signature_policy(text: str) -> SignaturePolicy:
    """Read a signature policy. Raises InvalidInputError, which points at the place.

    ::

        print(parse_signature_policy("AND('NewtownMSP.peer', OR('GridMSP.peer', 'GridMSP.admin'))"))
    """
    tokens = _Tokens(text)
    policy = _parse_rule(tokens, depth=0)
    if isinstance(policy, Principal):
        raise InvalidInputError(f"{text!r} is a principal alone", advice=f"write OR({policy})")
    tokens.expect_end()
    return policy


def signature_policy_envelope(policy: SignaturePolicy) -> Any:
    """The policy as a ``common.SignaturePolicyEnvelope``."""
    envelope = policies_pb2.SignaturePolicyEnvelope(version=0)

    def principal(leaf: Principal) -> Any:
        role = msp_principal_pb2.MSPRole(
            msp_identifier=leaf.mspid, role=msp_principal_pb2.MSPRole.MSPRoleType.Value(leaf.role.upper())
        )
        envelope.identities.add(
            principal_classification=msp_principal_pb2.MSPPrincipal.ROLE, principal=role.SerializeToString()
        )
        return policies_pb2.SignaturePolicy(signed_by=len(envelope.identities) - 1)

    def build(gate: OutOf) -> Any:
        # Fabric numbers the principals of inner gates before those written beside them.
        gates = {n: build(rule) for n, rule in enumerate(gate.rules) if isinstance(rule, OutOf)}
        rules = [gates[n] if isinstance(r, OutOf) else principal(r) for n, r in enumerate(gate.rules)]
        return policies_pb2.SignaturePolicy(
            n_out_of=policies_pb2.SignaturePolicy.NOutOf(n=gate.required, rules=rules)
        )

    envelope.rule.CopyFrom(build(policy) if isinstance(policy, OutOf) else principal(policy))
    return envelope


def read_signature_policy(envelope: Any) -> SignaturePolicy:
    """Read a ``common.SignaturePolicyEnvelope`` of role principals.

    Raises InvalidInputError for policies this language cannot say: other kinds of principals, out of bounds.
    """

    def read(rule: Any, depth: int) -> SignaturePolicy:
        if depth > _DEEPEST:
            raise InvalidInputError(f"the policy is nested deeper than {_DEEPEST} gates")
        kind = rule.WhichOneof("Type")
        if kind == "n_out_of":
            return OutOf(rule.n_out_of.n, tuple(read(inner, depth + 1) for inner in rule.n_out_of.rules))
        if kind != "signed_by" or not 0 <= rule.signed_by < len(envelope.identities):
            raise InvalidInputError("the policy names a principal that it does not list")
        listed = envelope.identities[rule.signed_by]
        if listed.principal_classification != msp_principal_pb2.MSPPrincipal.ROLE:
            raise InvalidInputError("the policy has a principal that is not an organisation's role")
        try:
            role = msp_principal_pb2.MSPRole.FromString(listed.principal)
            name = msp_principal_pb2.MSPRole.MSPRoleType.Name(role.role)
        except Exception as error:
            raise InvalidInputError(f"the policy has a malformed principal: {error}") from error
        return Principal(role.msp_identifier, name.lower())

    return read(envelope.rule, 0)


def principals(policy: SignaturePolicy) -> Iterator[Principal]:
    """Every principal the policy names, in the order of its text."""
    if isinstance(policy, Principal):
        yield policy
    else:
        for rule in policy.rules:
            yield from principals(rule)


class _Tokens:
    """The text's tokens, one ahead."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0
        self._advance()

    def _advance(self) -> None:
        self.start = self.position
        matched = _TOKEN.match(self.text, self.position)
        self.kind, self.value = "", ""
        if matched is not None and matched.lastgroup is not None:
            self.kind, self.value = matched.lastgroup, matched[matched.lastgroup]
            self.position = matched.end()

    def fail(self, wanted: str) -> InvalidInputError:
        found = repr(self.value) if self.kind else repr(self.text[self.start :].strip()) or "the end"
        return InvalidInputError(
            f"signature policy {self.text!r}: expected {wanted} at character {self.start}, found {found}",
            advice="write for example AND('NewtownMSP.peer', 'GridMSP.peer')",
        )

    def take(self, kinds: tuple[str, ...], wanted: str) -> str:
        if self.kind not in kinds:
            raise self.fail(wanted)
        value = self.value
        self._advance()
        return value

    def mark(self, *marks: str) -> str:
        if self.kind != "mark" or self.value not in marks:
            raise self.fail(" or ".join(map(repr, marks)))
        return self.take(("mark",), "")

    def expect_end(self) -> None:
        if self.kind or self.text[self.start :].strip():
            raise self.fail("the end")


def _parse_rule(tokens: _Tokens, depth: int) -> SignaturePolicy:
    if depth > _DEEPEST:
        raise InvalidInputError(f"the policy is nested deeper than {_DEEPEST} gates")
    if tokens.kind in ("single", "double"):
        name, _, role = tokens.take(("single", "double"), "").rpartition(".")
        return Principal(name, role)
    gate = tokens.take(("gate",), "AND, OR, OutOf or a quoted principal")
    if gate not in ("AND", "And", "and", "OR", "Or", "or", "OUTOF", "OutOf", "outof"):
        raise InvalidInputError(f"signature policy {tokens.text!r}: {gate!r} is not AND, OR or OutOf")
    tokens.mark("(")
    required = 1
    if gate.lower() == "outof":
        required = int(tokens.take(("number",), "how many rules are required"))
        tokens.mark(",")
    rules = [_parse_rule(tokens, depth + 1)]
    while tokens.mark(",", ")") == ",":
        rules.append(_parse_rule(tokens, depth + 1))
    return OutOf(len(rules) if gate.lower() == "and" else required, tuple(rules))


def _either() -> str:
    return ", ".join(ROLES[:-1]) + f" or {ROLES[-1]}"
