# SPDX-License-Identifier: Apache-2.0
"""What can be said of a transaction without any state: whether it is whole, who signed it, what was endorsed.

The checks and their codes are those of a Fabric peer (``ValidateTransaction`` and the dispatcher after it), in the
same order.
"""

from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from commonwatt_client.ledger.validation import ValidationCode
from fabric_protos.common import common_pb2
from fabric_protos.ledger.rwset import rwset_pb2
from fabric_protos.ledger.rwset.kvrwset import kv_rwset_pb2
from fabric_protos.peer import chaincode_event_pb2, proposal_pb2, proposal_response_pb2, transaction_pb2
from google.protobuf.message import DecodeError

from commonwatt_audit.members import Member, Members, date

_KNOWN_TYPES = (common_pb2.ENDORSER_TRANSACTION, common_pb2.CONFIG_UPDATE, common_pb2.CONFIG)


@dataclass(frozen=True)
class Judged:
    """A transaction by itself. `code` is VALID where only state can still refuse it; `reason` says why otherwise.

    kind: the envelope's ``common.HeaderType``, -1 where it cannot be read. looks_up_id: whether a peer comes as far
    as to ask if the id was used before. signers: places of the endorsements that hold, by members in good standing.
    time_s: the transaction's time, epoch seconds, as its creator's clock gave it. outdated: what is wrong with
    certificates' dates at that time, in words; peers do not look at them once a transaction is ordered.
    """

    code: ValidationCode
    reason: str = ""
    kind: int = -1
    transaction_id: str = ""
    chaincode: str = ""
    looks_up_id: bool = False
    signers: tuple[int, ...] = ()
    time_s: int = 0
    outdated: str = ""


class _Refused(Exception):
    def __init__(self, code: ValidationCode, reason: str) -> None:
        self.code, self.reason = code, reason


def judge(content: bytes, channel: str, members: Members) -> Judged:
    """Look at a serialized ``Envelope`` of a channel whose members are known."""
    try:
        envelope = common_pb2.Envelope.FromString(content)
    except DecodeError:
        return Judged(ValidationCode.INVALID_OTHER_REASON, "it is no envelope")
    try:
        payload = common_pb2.Payload.FromString(envelope.payload)
    except DecodeError:
        return Judged(ValidationCode.BAD_PAYLOAD, "its payload cannot be read")
    try:
        header = common_pb2.ChannelHeader.FromString(payload.header.channel_header)
        signed_by = common_pb2.SignatureHeader.FromString(payload.header.signature_header)
    except DecodeError:
        return Judged(ValidationCode.BAD_COMMON_HEADER, "its headers cannot be read")
    looks_up_id, outdated, chaincode = False, "", ""
    signers: tuple[int, ...] = ()
    try:
        _check_headers(header, signed_by)
        outdated = _check_creator(envelope, header, signed_by.creator, members)
        if header.type == common_pb2.ENDORSER_TRANSACTION:
            if header.tx_id != sha256(signed_by.nonce + signed_by.creator).hexdigest():
                raise _Refused(
                    ValidationCode.BAD_PROPOSAL_TXID, "its id is not the hash of its nonce and creator"
                )
            response, endorsements = _endorsed(payload)
            if header.channel_id != channel:
                raise _Refused(
                    ValidationCode.TARGET_CHAIN_NOT_FOUND, f"it is for channel {header.channel_id}"
                )
            looks_up_id = True
            chaincode = _check_outcome(
                header, proposal_response_pb2.ProposalResponsePayload.FromString(response)
            )
            signers = _signers(response, endorsements, members)
            outdated = outdated or _outdated_endorser(endorsements, signers, header, members)
    except _Refused as refused:
        code, reason = refused.code, refused.reason
    else:
        code, reason = ValidationCode.VALID, ""
    time_s = header.timestamp.seconds
    return Judged(code, reason, header.type, header.tx_id, chaincode, looks_up_id, signers, time_s, outdated)


def _check_headers(header: Any, signed_by: Any) -> None:
    if header.type not in _KNOWN_TYPES or header.epoch or not signed_by.nonce or not signed_by.creator:
        raise _Refused(ValidationCode.BAD_COMMON_HEADER, "its headers are not those of a transaction")


def _check_creator(envelope: Any, header: Any, creator: bytes, members: Members) -> str:
    """Refuses a creator who is no member or whose signature is not good; returns what is wrong with its dates."""
    member = members.member(creator)
    if member.refusal:
        raise _Refused(ValidationCode.BAD_CREATOR_SIGNATURE, f"its creator {member.refusal}")
    if not member.signed(envelope.payload, envelope.signature):
        raise _Refused(ValidationCode.BAD_CREATOR_SIGNATURE, "its creator's signature is not good")
    if header.type == common_pb2.CONFIG_UPDATE:
        raise _Refused(
            ValidationCode.UNSUPPORTED_TX_PAYLOAD, "it is a configuration update that nobody ordered"
        )
    return _outdated("its creator", member, header.timestamp.seconds)


def _endorsed(payload: Any) -> tuple[bytes, Any]:
    """What endorsers signed, and their endorsements; refused where what they were asked is not what was sent."""
    refused = ValidationCode.INVALID_ENDORSER_TRANSACTION
    try:
        actions = transaction_pb2.Transaction.FromString(payload.data).actions
        if len(actions) != 1:
            raise _Refused(refused, f"it has {len(actions)} actions")
        signed_by = common_pb2.SignatureHeader.FromString(actions[0].header)
        action = transaction_pb2.ChaincodeActionPayload.FromString(actions[0].payload)
        response = action.action.proposal_response_payload
        stated = proposal_response_pb2.ProposalResponsePayload.FromString(response).proposal_hash
    except DecodeError as error:
        raise _Refused(refused, "its action cannot be read") from error
    if not signed_by.nonce or not signed_by.creator:
        raise _Refused(refused, "its action names no creator")
    # The proposal's payload is hashed as it is; peers do not read it.
    proposed = action.chaincode_proposal_payload
    if (
        not proposed
        or sha256(payload.header.channel_header + actions[0].header + proposed).digest() != stated
    ):
        raise _Refused(refused, "its endorsers were asked for something else")
    return response, action.action.endorsements


def _check_outcome(header: Any, response: Any) -> str:
    """The chaincode's name; refused unless the outcome is whole, and this chaincode's."""
    other, chaincode = ValidationCode.INVALID_OTHER_REASON, ValidationCode.INVALID_CHAINCODE
    try:
        extension = proposal_pb2.ChaincodeHeaderExtension.FromString(header.extension)
    except DecodeError as error:
        raise _Refused(ValidationCode.BAD_HEADER_EXTENSION, "its header names no chaincode") from error
    try:
        outcome = proposal_pb2.ChaincodeAction.FromString(response.extension)
    except DecodeError as error:
        raise _Refused(ValidationCode.BAD_RESPONSE_PAYLOAD, "its outcome cannot be read") from error
    try:
        namespaces = _namespaces(outcome.results)
    except DecodeError as error:
        raise _Refused(ValidationCode.BAD_RWSET, "its read-write set cannot be read") from error
    if not extension.HasField("chaincode_id") or not outcome.HasField("chaincode_id"):
        raise _Refused(other, "it names no chaincode")
    name = extension.chaincode_id.name
    if not name or name != outcome.chaincode_id.name or not outcome.chaincode_id.version:
        raise _Refused(chaincode, f"it is said to be of {name or 'no chaincode'} and is not")
    if outcome.events:
        try:
            event = chaincode_event_pb2.ChaincodeEvent.FromString(outcome.events)
        except DecodeError as error:
            raise _Refused(other, "its event cannot be read") from error
        if event.chaincode_id != name:
            raise _Refused(other, "its event is another chaincode's")
    if len(set(namespaces)) != len(namespaces):
        raise _Refused(ValidationCode.ILLEGAL_WRITESET, "it lists a namespace twice")
    return str(name)


def _namespaces(results: bytes) -> list[str]:
    sets = rwset_pb2.TxReadWriteSet.FromString(results).ns_rwset
    for each in sets:
        kv_rwset_pb2.KVRWSet.FromString(each.rwset)
        for collection in each.collection_hashed_rwset:
            kv_rwset_pb2.HashedRWSet.FromString(collection.hashed_rwset)
    return [each.namespace for each in sets]


def _signers(response: bytes, endorsements: Any, members: Members) -> tuple[int, ...]:
    places = []
    for place, each in enumerate(endorsements):
        member = members.member(each.endorser)
        if not member.refusal and member.signed(response + each.endorser, each.signature):
            places.append(place)
    return tuple(places)


def _outdated_endorser(endorsements: Any, signers: tuple[int, ...], header: Any, members: Members) -> str:
    found = (members.member(endorsements[place].endorser) for place in signers)
    words = (_outdated("its endorser", each, header.timestamp.seconds) for each in found)
    return next(filter(None, words), "")


def _outdated(who: str, member: Member, time_s: int) -> str:
    if member.in_force(time_s):
        return ""
    return (
        f"{who}'s certificate ({member.mspid}) is valid {member.period}, the transaction is of {date(time_s)}"
    )
