# SPDX-License-Identifier: Apache-2.0
"""A configuration group as a dict of JSON types: what people read and compare."""

from typing import Any

from fabric_protos.common import configuration_pb2, policies_pb2
from fabric_protos.msp import identities_pb2, msp_config_pb2, msp_principal_pb2
from fabric_protos.orderer import configuration_pb2 as orderer_configuration_pb2
from fabric_protos.orderer.etcdraft import configuration_pb2 as etcdraft_pb2
from fabric_protos.orderer.smartbft import configuration_pb2 as smartbft_pb2
from fabric_protos.peer import configuration_pb2 as peer_configuration_pb2
from google.protobuf.json_format import MessageToDict

from commonwatt_client.ledger.wire import parse

_VALUES: dict[str, Any] = {
    "ACLs": peer_configuration_pb2.ACLs,
    "AnchorPeers": peer_configuration_pb2.AnchorPeers,
    "BatchSize": orderer_configuration_pb2.BatchSize,
    "BatchTimeout": orderer_configuration_pb2.BatchTimeout,
    "BlockDataHashingStructure": configuration_pb2.BlockDataHashingStructure,
    "Capabilities": configuration_pb2.Capabilities,
    "ChannelRestrictions": orderer_configuration_pb2.ChannelRestrictions,
    "ConsensusType": orderer_configuration_pb2.ConsensusType,
    "Consortium": configuration_pb2.Consortium,
    "Endpoints": configuration_pb2.OrdererAddresses,
    "HashingAlgorithm": configuration_pb2.HashingAlgorithm,
    "MSP": msp_config_pb2.MSPConfig,
    "OrdererAddresses": configuration_pb2.OrdererAddresses,
    "Orderers": configuration_pb2.Orderers,
}
_METADATA = {"etcdraft": etcdraft_pb2.ConfigMetadata, "BFT": smartbft_pb2.Options}
_PRINCIPALS = {
    msp_principal_pb2.MSPPrincipal.ROLE: msp_principal_pb2.MSPRole,
    msp_principal_pb2.MSPPrincipal.ORGANIZATION_UNIT: msp_principal_pb2.OrganizationUnit,
    msp_principal_pb2.MSPPrincipal.IDENTITY: identities_pb2.SerializedIdentity,
}


def group_to_dict(group: Any) -> dict[str, Any]:
    """A ``common.ConfigGroup`` with every known value decoded; an unknown one stays base64."""
    return {
        "version": group.version,
        "mod_policy": group.mod_policy,
        "groups": {name: group_to_dict(inner) for name, inner in group.groups.items()},
        "policies": {
            name: {"version": each.version, "mod_policy": each.mod_policy, "policy": _policy(each.policy)}
            for name, each in group.policies.items()
        },
        "values": {
            name: {"version": each.version, "mod_policy": each.mod_policy, "value": _value(name, each)}
            for name, each in group.values.items()
        },
    }


def _value(name: str, value: Any) -> Any:
    if name not in _VALUES:
        return _plain(value)["value"] if value.value else ""
    message = parse(_VALUES[name], value.value)
    decoded = _plain(message)
    if name == "ConsensusType" and message.type in _METADATA:
        decoded["metadata"] = _plain(parse(_METADATA[message.type], message.metadata))
    if name == "MSP" and message.type == 0:
        decoded["config"] = _plain(parse(msp_config_pb2.FabricMSPConfig, message.config))
    return decoded


def _policy(policy: Any) -> dict[str, Any]:
    kind = (
        policies_pb2.Policy.PolicyType.Name(policy.type) if policy.type in (0, 1, 2, 3) else str(policy.type)
    )
    if policy.type == policies_pb2.Policy.IMPLICIT_META:
        return {"type": kind, "value": _plain(parse(policies_pb2.ImplicitMetaPolicy, policy.value))}
    if policy.type == policies_pb2.Policy.SIGNATURE:
        envelope = parse(policies_pb2.SignaturePolicyEnvelope, policy.value)
        return {
            "type": kind,
            "value": {
                "rule": _plain(envelope.rule),
                "identities": [_principal(principal) for principal in envelope.identities],
            },
        }
    return {"type": kind}


def _principal(principal: Any) -> dict[str, Any]:
    decoded = _plain(principal)
    kind = _PRINCIPALS.get(principal.principal_classification)
    if kind is not None:
        decoded["principal"] = _plain(parse(kind, principal.principal))
    return decoded


def _plain(message: Any) -> dict[str, Any]:
    return MessageToDict(message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)
