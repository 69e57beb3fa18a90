# SPDX-License-Identifier: Apache-2.0
"""Who may read a channel's blocks, by its configuration.

A channel whose blocks hold what homes use keeps them to operators, administrators and nodes. The `Readers` policy of
each organisation names the roles admin, peer and orderer and the organisational unit `operator`. An organisation's own
administrator can widen its policy at any time, so every configuration is looked at anew.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from fabric_protos.common import policies_pb2
from fabric_protos.msp import msp_principal_pb2
from fabric_protos.peer import configuration_pb2 as peer_configuration_pb2

from commonwatt_client.errors import MalformedMessageError
from commonwatt_client.ledger.configuration import ChannelConfig, msp_of
from commonwatt_client.ledger.wire import parse

READER_UNIT = "operator"
READERS = "/Channel/Application/Readers"
# What a peer answers with blocks, transactions or the configuration (Fabric's core/aclmgmt/resources).
READING = (
    "event/Block",
    "event/FilteredBlock",
    "qscc/GetChainInfo",
    "qscc/GetBlockByNumber",
    "qscc/GetBlockByHash",
    "qscc/GetTransactionByID",
    "qscc/GetBlockByTxID",
    "cscc/GetConfigBlock",
    "cscc/GetChannelConfig",
)
# Orderers ask the first for blocks, and the second while they are in maintenance mode.
_ORDERERS_ASK = ("/Channel/Readers", "/Channel/Orderer/Readers")
_ROLES = msp_principal_pb2.MSPRole
_CLOSED_ROLES = (_ROLES.ADMIN, _ROLES.PEER, _ROLES.ORDERER)
_KINDS = msp_principal_pb2.MSPPrincipal
_DEEPEST = 32


@dataclass(frozen=True)
class Opening:
    """A policy or ACL that lets others read blocks than operators, administrators and nodes.

    path: the policy's, or the ACL's resource; mspid: the organisation whose own policy it is, empty for the channel's.

    ::

        for opening in openings(await peer.fetch_config("newtown")):
            print(opening)
    """

    path: str
    mspid: str
    words: str

    def __str__(self) -> str:
        return self.words


def openings(config: ChannelConfig) -> tuple[Opening, ...]:
    """Everything that lets others read a channel's blocks than operators, administrators and nodes; each policy once.

    ::

        config = await peer.fetch_config("newtown")
        if openings(config):
            print("every member may read every block")
    """
    found: dict[str, Opening] = {}
    acls = _acls(config)
    for path in (*_ORDERERS_ASK, READERS):
        for opening in _of_policy(config.root, path):
            found.setdefault(opening.path, opening)
    for section in ("Orderer", "Application"):
        for name, group in _organizations(config.root, section):
            if _mixes_roles(msp_of(group)):
                path, mspid = f"/Channel/{section}/{name}/MSP", str(msp_of(group).name)
                words = f"{mspid}'s organisational units of nodes and administrators in {path} are not Fabric's own"
                found[path] = Opening(path, mspid, words)
    for resource in READING:
        reference = acls.get(resource) or READERS
        if reference != READERS and any(_of_policy(config.root, reference)):
            words = f"the ACL of {resource} is {reference}, which others satisfy too"
            found[resource] = Opening(resource, "", words)
    return tuple(found.values())


def _organizations(root: Any, section: str) -> list[tuple[str, Any]]:
    return sorted(root.groups[section].groups.items()) if section in root.groups else []


def _mixes_roles(msp: Any) -> bool:
    """Whether a certificate of another unit counts as an administrator's or a node's."""
    units = msp.fabric_node_ous
    named = {
        "admin": units.admin_ou_identifier,
        "peer": units.peer_ou_identifier,
        "orderer": units.orderer_ou_identifier,
    }
    return any(unit.organizational_unit_identifier not in ("", role) for role, unit in named.items())


def _acls(config: ChannelConfig) -> dict[str, str]:
    """Resource -> path of the policy that guards it, of those that the channel's ACLs name."""
    if "Application" not in config.root.groups:
        return {}
    application = config.root.groups["Application"]
    if "ACLs" not in application.values:
        return {}
    listed = parse(peer_configuration_pb2.ACLs, application.values["ACLs"].value).acls
    return {
        resource: acl.policy_ref
        if acl.policy_ref.startswith("/") or not acl.policy_ref
        else f"/Channel/Application/{acl.policy_ref}"
        for resource, acl in listed.items()
    }


def _of_policy(root: Any, path: str) -> Iterator[Opening]:
    """Why others satisfy the policy; nothing for one that is not there, which nobody satisfies."""
    names = path.strip("/").split("/")
    if len(names) < 2 or names[0] != "Channel":
        return
    group = root
    for name in names[1:-1]:
        if name not in group.groups:
            return
        group = group.groups[name]
    yield from _of_group(group, "/".join(("", *names[:-1])), names[-1], 0)


def _of_group(group: Any, where: str, name: str, depth: int) -> Iterator[Opening]:
    if name not in group.policies:
        return
    path = f"{where}/{name}"
    policy = group.policies[name].policy
    try:
        if depth > _DEEPEST:
            raise MalformedMessageError("policies are nested too deep")
        if policy.type == policies_pb2.Policy.SIGNATURE:
            envelope = parse(policies_pb2.SignaturePolicyEnvelope, policy.value)
            if _asks_nobody(envelope.rule, 0) or not all(map(_is_closed, envelope.identities)):
                yield _opening(group, path)
        elif policy.type == policies_pb2.Policy.IMPLICIT_META:
            below = parse(policies_pb2.ImplicitMetaPolicy, policy.value).sub_policy
            if not group.groups or "/" in below:
                yield _opening(group, path)  # none of none: everybody satisfies it
            for inner, entry in sorted(group.groups.items()):
                yield from _of_group(entry, f"{where}/{inner}", below, depth + 1)
    except MalformedMessageError:
        yield _opening(group, path)


def _opening(group: Any, path: str) -> Opening:
    mspid = str(msp_of(group).name) if "MSP" in group.values else ""
    whose = f"{mspid}'s policy" if mspid else "the policy"
    return Opening(path, mspid, f"{whose} {path} lets others read than operators, administrators and nodes")


def _is_closed(principal: Any) -> bool:
    """Whether only operators, administrators and nodes match it."""
    if principal.principal_classification == _KINDS.ROLE:
        return parse(msp_principal_pb2.MSPRole, principal.principal).role in _CLOSED_ROLES
    if principal.principal_classification == _KINDS.ORGANIZATION_UNIT:
        unit = parse(msp_principal_pb2.OrganizationUnit, principal.principal)
        return bool(unit.organizational_unit_identifier == READER_UNIT)
    return False


def _asks_nobody(rule: Any, depth: int) -> bool:
    """Whether the rule is satisfied by no signature at all."""
    if depth > _DEEPEST:
        raise MalformedMessageError("the policy is nested too deep")
    if rule.WhichOneof("Type") != "n_out_of":
        return False
    free = sum(_asks_nobody(inner, depth + 1) for inner in rule.n_out_of.rules)
    return bool(free >= rule.n_out_of.n)
