# SPDX-License-Identifier: Apache-2.0
"""The communities of a network file (`.commonwatt/network.json`), and the homes that live there."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from commonwatt_client.errors import ConfigurationError, NoNetworkError


def default_path() -> Path:
    """The file of the network in `COMMONWATT_DIRECTORY`, or of the one in the folder here."""
    directory = os.environ.get("COMMONWATT_DIRECTORY")
    return Path(directory or ".commonwatt") / "network.json"


@dataclass(frozen=True)
class Community:
    """A channel whose organisation has homes; `homes` maps each home's id on the ledger to its user, in their order."""

    channel: str
    organization: str
    homes: Mapping[str, str]

    def home_called(self, name: str) -> str | None:
        """The id of the home that has this id, or whose user has this name."""
        if name in self.homes:
            return name
        return next((home for home, user in self.homes.items() if user == name), None)


@dataclass(frozen=True)
class NetworkFile:
    """A network as its file describes it."""

    path: Path
    name: str
    backend: str
    communities: tuple[Community, ...]
    content: Mapping[str, Any]


def read_network_file(path: Path) -> NetworkFile:
    """Read the file.

    Raises:
        NoNetworkError: no network is up.
        ConfigurationError: the file is damaged, or it has no community with homes.
    """
    try:
        content = json.loads(path.read_text("utf-8"))
    except FileNotFoundError as error:
        raise NoNetworkError(
            f"no network: {path} does not exist; start one with `make network-up`"
        ) from error
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            f"{path} cannot be read: {error}; make it anew with `make network-reset network-up`"
        ) from error
    try:
        communities = tuple(_communities(path, content))
        found = NetworkFile(path, content["name"], content["backend"], communities, content)
    except (KeyError, TypeError, AttributeError) as error:
        raise ConfigurationError(
            f"{path} is not a network file ({type(error).__name__}: {error}); make it anew with `make network-up`"
        ) from error
    if not communities:
        raise ConfigurationError(
            f"{path} names no channel with the chaincode `market` whose organisation has homes"
        )
    return found


def _communities(path: Path, content: Mapping[str, Any]) -> list[Community]:
    communities = []
    for channel, described in content["channels"].items():
        if "market" not in described["chaincodes"]:
            continue
        for organization in described["organizations"]:
            users = content["organizations"][organization]["users"]
            homes: dict[str, str] = {}
            for user, about in users.items():
                attributes = about["attributes"]
                if attributes.get("role") != "home":
                    continue
                if "home.id" not in attributes:
                    raise ConfigurationError(
                        f"{path}: user {user} of {organization} has role `home` but no attribute `home.id`; "
                        "issue its certificate again with it"
                    )
                homes[attributes["home.id"]] = user
            if homes:
                communities.append(Community(channel, organization, homes))
    return communities
