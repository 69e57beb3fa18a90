# SPDX-License-Identifier: Apache-2.0
"""Whether a configuration block is what its channel agreed to: the update that it carries, and who signed that.

As Fabric's nodes see it (its ``configtx``): an update reads what is in force and raises versions by one. It satisfies
the modification policy of each element that it changes, by the configuration before it. It makes exactly the
configuration that the block holds. The first block of a channel carries no update: that is what an auditor starts
from.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from commonwatt_client.ledger import Block, ChannelConfig
from fabric_protos.common import common_pb2, configtx_pb2
from google.protobuf.message import DecodeError

from commonwatt_audit.policies import Policies

# A place in a configuration: "groups", "Application", "values", "MSP". The whole of it is at no name.
Place = tuple[str, ...]


class _Refused(Exception):
    """The update would not have been accepted; the message says why."""


def fault_of_update(block: Block, former: ChannelConfig, policies: Policies) -> str:
    """What is wrong with the update of a configuration block, in words; empty for nothing.

    former, policies: in force before the block.
    """
    try:
        payload = common_pb2.Payload.FromString(common_pb2.Envelope.FromString(block.envelopes[0]).payload)
        made = configtx_pb2.ConfigEnvelope.FromString(payload.data)
        _check(made, former, policies)
    except DecodeError:
        return "its configuration update cannot be read"
    except _Refused as refused:
        return f"its configuration update {refused}"
    return ""


def _check(made: Any, former: ChannelConfig, policies: Policies) -> None:
    if made.config.sequence != former.sequence + 1:
        raise _Refused(f"leads to sequence {made.config.sequence}, from {former.sequence}")
    payload = common_pb2.Payload.FromString(made.last_update.payload)
    header = common_pb2.ChannelHeader.FromString(payload.header.channel_header)
    if header.type != common_pb2.CONFIG_UPDATE:
        raise _Refused("is missing")
    signed = configtx_pb2.ConfigUpdateEnvelope.FromString(payload.data)
    update = configtx_pb2.ConfigUpdate.FromString(signed.config_update)
    if update.channel_id != former.channel:
        raise _Refused(f"is for channel {update.channel_id}")
    present = dict(_elements(former.root))
    changes = _changes(update, present)
    signers = _signers(signed, policies)
    for place in changes:
        if place in present:
            _check_agreed(place, present[place].mod_policy, signers, policies)
    if _applied({**present, **changes}) != made.config.channel_group:
        raise _Refused("does not lead to the configuration that the block holds")


def _changes(update: Any, present: Mapping[Place, Any]) -> dict[Place, Any]:
    """What an update writes anew: each element at its next version, or one that is not there yet at version 0."""
    read = dict(_elements(update.read_set)) if update.HasField("read_set") else {}
    for place, element in read.items():
        if place not in present or present[place].version != element.version:
            raise _Refused(f"was made for another version of {_name(place)}")
    written = _elements(update.write_set) if update.HasField("write_set") else ()
    changes = {
        place: element
        for place, element in written
        if place not in read or read[place].version != element.version
    }
    for place, element in changes.items():
        if not element.mod_policy:
            raise _Refused(f"leaves open who may change {_name(place)}")
        following = present[place].version + 1 if place in present else 0
        if element.version != following:
            raise _Refused(f"raises {_name(place)} to version {element.version}, not {following}")
    if not changes:
        raise _Refused("changes nothing")
    return changes


def _check_agreed(place: Place, mod_policy: str, signers: tuple[bytes, ...], policies: Policies) -> None:
    """Refuses a change whose signers do not satisfy the modification policy that the element had before."""
    group = place[:-2] if place and place[-2] != "groups" else place
    path = mod_policy if mod_policy.startswith("/") else f"{_name(group)}/{mod_policy}"
    if not policies.satisfied_at(path, signers):
        names = ", ".join(sorted({policies.members.member(each).mspid for each in signers})) or "nobody"
        raise _Refused(f"changes {_name(place)}, which only {names} signed: that does not satisfy {path}")


def _signers(signed: Any, policies: Policies) -> tuple[bytes, ...]:
    """The members in good standing, serialized, whose signatures on the update hold."""
    signers = []
    for each in signed.signatures:
        creator = common_pb2.SignatureHeader.FromString(each.signature_header).creator
        member = policies.members.member(creator)
        message = each.signature_header + signed.config_update
        if not member.refusal and member.signed(message, each.signature):
            signers.append(creator)
    return tuple(signers)


def _elements(group: Any, place: Place = ()) -> Iterator[tuple[Place, Any]]:
    """A group with everything below it."""
    yield place, group
    for name, inner in group.groups.items():
        yield from _elements(inner, (*place, "groups", name))
    for kind in ("values", "policies"):
        for name, element in getattr(group, kind).items():
            yield (*place, kind, name), element


def _applied(elements: Mapping[Place, Any], place: Place = ()) -> Any:
    """The group at a place as the update makes it: it lists its members, and `elements` has them."""
    listed = elements[place]
    group = configtx_pb2.ConfigGroup(version=listed.version, mod_policy=listed.mod_policy or "Admins")
    for name in listed.groups:
        group.groups[name].CopyFrom(_applied(elements, (*place, "groups", name)))
    for kind in ("values", "policies"):
        for name in getattr(listed, kind):
            member = getattr(group, kind)[name]
            member.CopyFrom(elements[*place, kind, name])
            # Channels of Fabric 1.0 left it empty, and its nodes fill it in.
            member.mod_policy = member.mod_policy or "Admins"
    return group


def _name(place: Place) -> str:
    return "/".join(("", "Channel", *place[1::2]))
