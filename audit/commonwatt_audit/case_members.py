# SPDX-License-Identifier: Apache-2.0
"""Members of cases given as JSON, checked; BadCase says which member is wrong."""

from collections.abc import Mapping
from typing import Any

from commonwatt_client.exit_codes import UsageError

LARGEST = 2**53


class BadCase(UsageError):
    """The file does not hold a case; the message says where."""


def objects(case: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    """A list of objects."""
    value = case.get(name)
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise BadCase(f"{name} must be a list of objects")
    return value


def object_of(case: Mapping[str, Any], name: str) -> dict[str, Any]:
    """An object."""
    value = case.get(name)
    if not isinstance(value, dict):
        raise BadCase(f"{name} must be an object")
    return value


def integer(members: Mapping[str, Any], name: str, low: int, high: int = LARGEST) -> int:
    """An integer within bounds."""
    value = members.get(name)
    if type(value) is not int or not low <= value <= high:
        raise BadCase(f"{name} must be an integer within {low}..{high}{_where(members)}")
    return value


def text(members: Mapping[str, Any], name: str) -> str:
    """A text that is not empty."""
    value = members.get(name)
    if not isinstance(value, str) or not value:
        raise BadCase(f"{name} must be a text{_where(members)}")
    return value


def flag(members: Mapping[str, Any], name: str, default: bool = True) -> bool:
    """True or false, ``default`` where it is absent."""
    value = members.get(name, default)
    if not isinstance(value, bool):
        raise BadCase(f"{name} must be true or false{_where(members)}")
    return value


def _where(members: Mapping[str, Any]) -> str:
    order_id = members.get("id", members.get("home"))
    return f" (in {order_id[:80]})" if isinstance(order_id, str) else ""
