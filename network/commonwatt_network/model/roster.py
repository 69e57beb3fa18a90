# SPDX-License-Identifier: Apache-2.0
"""Who uses a network: every user of each member organisation, with the attributes of its certificate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from commonwatt_network.model.nodes import Nodes

ADMIN = "admin"


@dataclass(frozen=True)
class Roster:
    """Users of each member organisation: organisation -> user -> certificate attributes."""

    users: Mapping[str, Mapping[str, Mapping[str, str]]]


def user_attributes(nodes: Nodes, organization: str) -> dict[str, dict[str, str]]:
    """Every user of a member organisation with the attributes of its certificate."""
    settings = nodes.topology.organizations[organization]
    users: dict[str, dict[str, str]] = {ADMIN: {}}
    for name, user in settings.users.items():
        role = {"role": user.role} if user.role else {}
        users[name] = {**fabric_attributes(name), **role, **user.attributes}
    return users | home_attributes(organization, settings.homes)


def home_attributes(organization: str, homes: int) -> dict[str, dict[str, str]]:
    """home001, home002, ... with the attributes of their certificates."""
    users = {}
    for number in range(1, homes + 1):
        home = f"home{number:03d}"
        meter = {"meter.id": f"{organization}-meter{number:03d}"}
        users[home] = {**fabric_attributes(home), "role": "home", "home.id": home, **meter}
    return users


def fabric_attributes(name: str) -> dict[str, str]:
    """The attributes that Fabric CA gives every client."""
    return {"hf.EnrollmentID": name, "hf.Type": "client", "hf.Affiliation": ""}
