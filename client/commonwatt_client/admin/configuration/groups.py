# SPDX-License-Identifier: Apache-2.0
"""A channel configuration's groups and values, as edits find and change them."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from commonwatt_client.errors import InvalidInputError, NotFoundError
from commonwatt_client.ledger.configuration import ChannelConfig
from commonwatt_client.ledger.wire import parse, serialize

APPLICATION = "Application"
ORDERER = "Orderer"
CHANNEL = "Channel"


def edited(config: ChannelConfig, edit: Callable[[Any], None]) -> ChannelConfig:
    """The configuration after an edit of its ``common.ConfigGroup``; the one given stays as it is."""
    root = config.edited_group()
    edit(root)
    return replace(config, group=root.SerializeToString())


def section_of(root: Any, section: str) -> Any:
    """The group of the section `APPLICATION` or `ORDERER`. Raises InvalidInputError."""
    if section not in (APPLICATION, ORDERER) or section not in root.groups:
        raise InvalidInputError(f"the configuration has no section {section!r}")
    return root.groups[section]


def organization_of(root: Any, section: str, name: str) -> Any:
    """An organisation's group. Raises NotFoundError."""
    organizations = section_of(root, section).groups
    if name not in organizations:
        raise NotFoundError(f"{name} is not in {section}")
    return organizations[name]


def set_value(group: Any, name: str, message: Any | None) -> None:
    """Set a group's value; None takes it away. An equal value stays byte for byte what it was, and so no change."""
    if message is None:
        if name in group.values:
            del group.values[name]
        return
    present = group.values[name].value
    # Maps are serialized in no fixed order: messages are compared, not bytes.
    if not present or parse(type(message), present) != message:
        group.values[name].value = serialize(message)
    group.values[name].mod_policy = group.values[name].mod_policy or "Admins"
