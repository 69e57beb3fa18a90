# SPDX-License-Identifier: Apache-2.0
"""The communities of a network file (`.commonwatt/network.json`), and the homes that live there."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from commonwatt_client.errors import ConfigurationError, NoNetworkError

MARKET = "market"
EXCHANGE = "exchange"
"""What a channel's market is called where communities meet: nobody lives there."""
OPERATOR = "operator"
CONNECTED = "connected"  # what the file of a network that others made says in place of a backend
READING_ROLES = ("operator", "grid")


def default_path() -> Path:
    """The file of the network in `COMMONWATT_DIRECTORY`, or of the one in the folder here."""
    directory = os.environ.get("COMMONWATT_DIRECTORY")
    return Path(directory or ".commonwatt") / "network.json"


def networks_folder() -> Path:
    """Where networks that others made are kept by name: in the user's configuration folder (XDG)."""
    named = os.environ.get("XDG_CONFIG_HOME", "")
    base = Path(named) if Path(named).is_absolute() else Path.home() / ".config"
    return base / "commonwatt" / "networks"


def find_network(named: str | os.PathLike[str] | None = None) -> Path:
    """The file of the network that a person names, or the `default_path` where nothing is named. The name is one that
    `commonwatt connect` gave, a file, or the folder that holds the file.

    Raises NoNetworkError for a name that no network has.
    """
    if not named:
        return default_path()
    path = Path(named)
    kept = networks_folder() / path / "network.json"
    if path.name == str(named) and kept.exists():
        return kept
    if path.is_dir():
        return path / "network.json"
    if path.exists() or path.name != str(named) or path.suffix == ".json":
        return path
    others = sorted(file.parent.name for file in networks_folder().glob("*/network.json"))
    raise NoNetworkError(
        f"no network is called {named}; there are: {', '.join(others) or 'none'}; "
        f"`commonwatt connect PROFILE --name {named}` makes one, `make network-up` one of this kit's own"
    )


@dataclass(frozen=True)
class Community:
    """A channel whose organisation has homes.

    `homes` maps each home's id on the ledger to its user, in their order; `operator` is the user who runs the market.
    """

    channel: str
    organization: str
    homes: Mapping[str, str]
    operator: str = OPERATOR

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

    def clock(self, channel: str) -> str:
        """``live`` or ``simulated``: the clock that a channel's market is meant to run on."""
        described: Mapping[str, Any] = self.content.get("channels", {}).get(channel, {})
        return str(described.get("clock", "simulated"))

    def readers(self) -> dict[str, tuple[str, str]]:
        """Channel with a market -> organisation and user as whom its blocks are read."""
        own = self.content.get("identity")
        if own:
            channels = self.content["channels"].items()
            return {
                name: (own["organization"], own["user"])
                for name, described in channels
                if MARKET in described["chaincodes"] and own["organization"] in described["organizations"]
            }
        return {
            **_operated(self.content),
            **{one.channel: (one.organization, one.operator) for one in self.communities},
        }


def read_network_file(path: Path, *, homes: bool = True) -> NetworkFile:
    """Read the file. `homes`: refuse a network in which no home can trade.

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
    if homes and not communities:
        advice = (
            "; deploy the market with `commonwatt chaincode deploy market`, which also notices that others put it into "
            "force since; homes come by `commonwatt connect --users FOLDER`"
        )
        raise ConfigurationError(
            f"{path} names no channel with the chaincode `market` whose organisation has homes"
            f"{advice if found.backend == CONNECTED else ''}"
        )
    return found


def reader_of(content: Mapping[str, Any], organization: str) -> str:
    """The user of an organisation that may read blocks: its operator, else its administrator.

    content: the network file's. Raises ConfigurationError where the file names neither.
    """
    own = content.get("identity")
    if own and own["organization"] == organization:
        return str(own["user"])  # of a network that others made: as whom this one is connected
    users = content["organizations"][organization]["users"]
    operators = [name for name, about in users.items() if about["attributes"].get("role") in READING_ROLES]
    found: str | None = next(iter([*operators, *(name for name in users if name == "admin")]), None)
    if found is None:
        raise ConfigurationError(
            f"the network file names no operator and no administrator of {organization}: no other user reads blocks"
        )
    return found


def _operated(content: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    """Channel with a market -> organisation and user of its operator, also where no home has a certificate."""
    return {
        channel: (organization, user)
        for channel, described in content["channels"].items()
        if MARKET in described["chaincodes"]
        for organization in described["organizations"]
        for user, about in content["organizations"][organization]["users"].items()
        if about["attributes"].get("role") == OPERATOR
    }


def _communities(path: Path, content: Mapping[str, Any]) -> list[Community]:
    communities = []
    for channel, described in content["channels"].items():
        if MARKET not in described["chaincodes"] or described.get("market") == EXCHANGE:
            continue
        for organization in described["organizations"]:
            users = content["organizations"][organization]["users"]
            homes: dict[str, str] = {}
            operators = [user for user, about in users.items() if about["attributes"].get("role") == OPERATOR]
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
                operator = OPERATOR if OPERATOR in operators else next(iter(operators), OPERATOR)
                communities.append(Community(channel, organization, homes, operator))
    return communities
