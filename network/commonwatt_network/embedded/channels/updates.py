# SPDX-License-Identifier: Apache-2.0
"""Configuration updates: from a signed update and the configuration in force to the next configuration.

An update names what it read (with versions) and what it writes. Everything whose version it raises must be one
version ahead of the present, and the element's modification policy must be satisfied by the update's signatures.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fabric_protos.common import common_pb2, configtx_pb2
from google.protobuf.message import DecodeError

from commonwatt_network.embedded.trust.policies import Policy, PolicyError, PolicyManager, SignedData

ROOT = "Channel"
CHANNEL_CHARACTERS = re.compile(r"[a-z][a-z0-9.-]*")
ELEMENT_CHARACTERS = re.compile(r"[a-zA-Z0-9.-]+")
MAXIMUM_NAME_LENGTH = 249


class ConfigUpdateError(Exception):
    """A configuration update is refused; the message is Fabric's."""


def validate_channel_id(channel_id: str) -> None:
    """Raises ConfigUpdateError."""
    if not channel_id:
        raise ConfigUpdateError("channel ID illegal, cannot be empty")
    if len(channel_id) > MAXIMUM_NAME_LENGTH:
        raise ConfigUpdateError(f"channel ID illegal, cannot be longer than {MAXIMUM_NAME_LENGTH}")
    if not CHANNEL_CHARACTERS.fullmatch(channel_id):
        raise ConfigUpdateError(f"'{channel_id}' contains illegal characters")


def _validate_element_name(name: str) -> None:
    if not name:
        raise ConfigUpdateError("config ID illegal, cannot be empty")
    if len(name) > MAXIMUM_NAME_LENGTH:
        raise ConfigUpdateError(f"config ID illegal, cannot be longer than {MAXIMUM_NAME_LENGTH}")
    if name in (".", ".."):
        raise ConfigUpdateError(f"name '{name}' for config ID is not allowed")
    if not ELEMENT_CHARACTERS.fullmatch(name):
        raise ConfigUpdateError(f"config ID '{name}' contains illegal characters")


@dataclass(frozen=True, slots=True)
class Element:
    """A group, value or policy of a configuration; `path` names the groups above it."""

    kind: str
    path: tuple[str, ...]
    name: str
    message: Any

    @property
    def key(self) -> str:
        prefix = {"Group": "[Group]  ", "Value": "[Value]  ", "Policy": "[Policy] "}[self.kind]
        return prefix + "/" + "/".join((*self.path, self.name))


def map_elements(group: Any, path: tuple[str, ...] = (), name: str = ROOT) -> dict[str, Element]:
    """Every element below and including `group`, by key. Raises ConfigUpdateError for illegal names."""
    elements: dict[str, Element] = {}

    def add(kind: str, path: tuple[str, ...], name: str, message: Any) -> None:
        element = Element(kind, path, name, message)
        try:
            _validate_element_name(name)
        except ConfigUpdateError as error:
            prefix = element.key.split("/", 1)[0]
            raise ConfigUpdateError(f"illegal characters in key: {prefix}: {error}") from error
        elements[element.key] = element

    def descend(path: tuple[str, ...], name: str, group: Any) -> None:
        add("Group", path, name, group)
        below = (*path, name)
        for child, message in sorted(group.groups.items()):
            descend(below, child, message)
        for child, message in sorted(group.values.items()):
            add("Value", below, child, message)
        for child, message in sorted(group.policies.items()):
            add("Policy", below, child, message)

    descend(path, name, group)
    return elements


def config_update_of(envelope: Any) -> Any:
    """The `ConfigUpdateEnvelope` in an Envelope of type CONFIG_UPDATE. Raises ConfigUpdateError."""
    try:
        payload = common_pb2.Payload.FromString(envelope.payload)
        header = common_pb2.ChannelHeader.FromString(payload.header.channel_header)
        if header.type != common_pb2.CONFIG_UPDATE:
            raise ConfigUpdateError(
                f"invalid type {common_pb2.HeaderType.Name(header.type)}, expected CONFIG_UPDATE"
            )
        return configtx_pb2.ConfigUpdateEnvelope.FromString(payload.data)
    except (DecodeError, ValueError) as error:
        raise ConfigUpdateError(f"error unmarshalling message for type CONFIG_UPDATE: {error}") from error


def propose_config_update(channel_id: str, config: Any, policies: PolicyManager, envelope: Any) -> Any:
    """The `ConfigEnvelope` that `envelope` makes of `config`. Raises ConfigUpdateError with Fabric's words."""
    try:
        update = config_update_of(envelope)
    except ConfigUpdateError as error:
        raise ConfigUpdateError(f"error converting envelope to config update: {error}") from error
    try:
        elements = _authorize(channel_id, map_elements(config.channel_group), policies, update)
    except ConfigUpdateError as error:
        raise ConfigUpdateError(f"error authorizing update: {error}") from error
    try:
        group = _assemble(elements, ROOT)
    except ConfigUpdateError as error:
        raise ConfigUpdateError(f"could not turn configMap back to channelGroup: {error}") from error
    return configtx_pb2.ConfigEnvelope(
        config=configtx_pb2.Config(sequence=config.sequence + 1, channel_group=group), last_update=envelope
    )


def validate_config_envelope(channel_id: str, config: Any, policies: PolicyManager, proposed: Any) -> None:
    """What a peer checks of a configuration block: its update makes exactly its configuration of `config`.

    Raises ConfigUpdateError.
    """
    if proposed.config.sequence != config.sequence + 1:
        raise ConfigUpdateError(
            f"config currently at sequence {config.sequence}, cannot validate config at sequence "
            f"{proposed.config.sequence}"
        )
    made = propose_config_update(channel_id, config, policies, proposed.last_update)
    if made.config.channel_group != proposed.config.channel_group:
        raise ConfigUpdateError("ConfigEnvelope LastUpdate did not produce the supplied config result")


def _authorize(
    channel_id: str, current: Mapping[str, Element], policies: PolicyManager, envelope: Any
) -> dict[str, Element]:
    try:
        update = configtx_pb2.ConfigUpdate.FromString(envelope.config_update)
    except DecodeError as error:
        raise ConfigUpdateError(f"error unmarshalling ConfigUpdate: {error}") from error
    if update.channel_id != channel_id:
        raise ConfigUpdateError(
            f"ConfigUpdate for channel '{update.channel_id}' but envelope for channel '{channel_id}'"
        )
    read_set = _map_set(update.read_set, "ReadSet") if update.HasField("read_set") else {}
    try:
        _verify_read_set(current, read_set)
    except ConfigUpdateError as error:
        raise ConfigUpdateError(f"error validating ReadSet: {error}") from error
    write_set = _map_set(update.write_set, "WriteSet") if update.HasField("write_set") else {}
    delta = {
        key: element
        for key, element in write_set.items()
        if key not in read_set or read_set[key].message.version != element.message.version
    }
    try:
        _verify_delta(current, policies, delta, _signed_data(envelope))
    except ConfigUpdateError as error:
        raise ConfigUpdateError(f"error validating DeltaSet: {error}") from error
    proposed = {**current, **delta}
    for key in write_set:
        if key not in proposed:
            raise ConfigUpdateError(
                f"full config did not verify: writeset contained key {key} which did not appear in proposed config"
            )
    return proposed


def _map_set(group: Any, what: str) -> dict[str, Element]:
    try:
        return map_elements(group)
    except ConfigUpdateError as error:
        raise ConfigUpdateError(f"error mapping {what}: {error}") from error


def _signed_data(envelope: Any) -> list[SignedData]:
    try:
        return [
            SignedData(
                signature.signature_header + envelope.config_update,
                common_pb2.SignatureHeader.FromString(signature.signature_header).creator,
                signature.signature,
            )
            for signature in envelope.signatures
        ]
    except DecodeError as error:
        raise ConfigUpdateError(f"error unmarshalling SignatureHeader: {error}") from error


def _verify_read_set(current: Mapping[str, Element], read_set: Mapping[str, Element]) -> None:
    for key, element in read_set.items():
        existing = current.get(key)
        if existing is None:
            raise ConfigUpdateError(
                f"existing config does not contain element for {key} but was in the read set"
            )
        if existing.message.version != element.message.version:
            raise ConfigUpdateError(
                f"proposed update requires that key {key} be at version {element.message.version}, "
                f"but it is currently at version {existing.message.version}"
            )


def _verify_delta(
    current: Mapping[str, Element],
    policies: PolicyManager,
    delta: Mapping[str, Element],
    signed: Sequence[SignedData],
) -> None:
    if not delta:
        raise ConfigUpdateError("delta set was empty -- update would have no effect")
    for key, element in delta.items():
        version = element.message.version
        try:
            _validate_mod_policy(element.message.mod_policy)
        except ConfigUpdateError as error:
            raise ConfigUpdateError(f"invalid mod_policy for element {key}: {error}") from error
        existing = current.get(key)
        if existing is None:
            if version != 0:
                raise ConfigUpdateError(
                    f"attempted to set key {key} to version {version}, but key does not exist"
                )
            continue
        if version != existing.message.version + 1:
            raise ConfigUpdateError(
                f"attempt to set key {key} to version {version}, "
                f"but key is at version {existing.message.version}"
            )
        policy = _modification_policy(policies, existing)
        if policy is None:
            raise ConfigUpdateError(f"unexpected missing policy {existing.message.mod_policy} for item {key}")
        try:
            policy.evaluate(signed)
        except PolicyError as error:
            raise ConfigUpdateError(f"policy for {key} not satisfied: {error}") from error


def _validate_mod_policy(mod_policy: str) -> None:
    if not mod_policy:
        raise ConfigUpdateError("mod_policy not set")
    for index, part in enumerate(mod_policy.removeprefix("/").split("/")):
        try:
            _validate_element_name(part)
        except ConfigUpdateError as error:
            raise ConfigUpdateError(f"path element at {index} is invalid: {error}") from error


def _modification_policy(policies: PolicyManager, element: Element) -> Policy | None:
    reference = element.message.mod_policy
    manager: PolicyManager | None = policies
    if not reference.startswith("/") and element.path:
        inner = element.path[1:] + ((element.name,) if element.kind == "Group" else ())
        manager = policies.manager(inner)
    return manager.get(reference) if manager is not None and reference in manager else None


def _assemble(elements: Mapping[str, Element], path: str) -> Any:
    """The group at `path` with its members taken from `elements`."""

    def find(prefix: str, what: str, path: str) -> Any:
        element = elements.get(f"{prefix}/{path}")
        if element is None:
            raise ConfigUpdateError(f"missing {what} at path: {prefix}/{path}")
        return element.message

    named = find("[Group]  ", "group", path)
    group = configtx_pb2.ConfigGroup(version=named.version, mod_policy=named.mod_policy or "Admins")
    for name in named.groups:
        group.groups[name].CopyFrom(_assemble(elements, f"{path}/{name}"))
    for prefix, what, members in (("[Value]  ", "value", "values"), ("[Policy] ", "policy", "policies")):
        for name in getattr(named, members):
            member = getattr(group, members)[name]
            member.CopyFrom(find(prefix, what, f"{path}/{name}"))
            # Channels of Fabric 1.0 left it empty; with capabilities defined Fabric fills it in.
            member.mod_policy = member.mod_policy or "Admins"
    return group
