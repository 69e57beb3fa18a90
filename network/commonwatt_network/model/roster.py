# SPDX-License-Identifier: Apache-2.0
"""Who uses a network: every user of each member organisation, with the attributes of its certificate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from commonwatt_client.ledger.readers import READER_UNIT

from commonwatt_network.model.home_ids import home_id, secret_of
from commonwatt_network.model.nodes import Nodes
from commonwatt_network.model.topology_parts import User

ADMIN = "admin"
OPERATORS = ("operator", "grid")  # the roles of those who run a community's market and its grid


@dataclass(frozen=True)
class Roster:
    """Users of each member organisation: organisation -> user -> certificate attributes."""

    users: Mapping[str, Mapping[str, Mapping[str, str]]]


def user_attributes(nodes: Nodes, organization: str) -> dict[str, dict[str, str]]:
    """Every user of a member organisation with the attributes of its certificate."""
    settings = nodes.topology.organizations[organization]
    users: dict[str, dict[str, str]] = {ADMIN: {}}
    for name, user in settings.users.items():
        users[name] = client_attributes(name, user)
    secret = secret_of(nodes.layout, organization, nodes.topology.home_seed)
    return users | home_attributes(organization, settings.homes, secret)


def client_attributes(name: str, user: User) -> dict[str, str]:
    """The attributes of a user's certificate."""
    role = {"role": user.role} if user.role else {}
    attributes = {**role, **user.attributes}
    return {**fabric_attributes(name, unit_of(attributes)), **attributes}


def unit_of(attributes: Mapping[str, str]) -> str:
    """The organisational unit, besides `client`, of a client with these attributes: whom channels let read blocks."""
    return READER_UNIT if attributes.get("role") in OPERATORS else ""


def home_attributes(organization: str, homes: int, secret: str | None) -> dict[str, dict[str, str]]:
    """home001, home002, ... with the attributes of their certificates; their ids are drawn from `secret`, if given."""
    users = {}
    for number in range(1, homes + 1):
        name = f"home{number:03d}"
        drawn = home_id(secret, organization, number) if secret else name
        users[name] = {**fabric_attributes(name), "role": "home", "home.id": drawn}
    return users


def fabric_attributes(name: str, affiliation: str = "") -> dict[str, str]:
    """The attributes that Fabric CA gives every client."""
    return {"hf.EnrollmentID": name, "hf.Type": "client", "hf.Affiliation": affiliation}
