# SPDX-License-Identifier: Apache-2.0
"""The homes of sample networks: their users are home001, home002, ..., their ids on the ledger follow from a seed."""

from commonwatt_network.model import home_ids
from commonwatt_network.model.topology import SAMPLE_SEED


def home_id(organization: str, number: int) -> str:
    """The id on the ledger of an organisation's home, in a network whose topology has the samples' seed."""
    return home_ids.home_id(SAMPLE_SEED, organization, number)


def with_ids(argument: dict[str, object], organization: str = "newtown") -> dict[str, object]:
    """A transaction's argument with the home's id where the name of its user stands."""
    home = argument.get("home")
    if isinstance(home, str) and home.startswith("home") and home[4:].isdecimal():
        return {**argument, "home": home_id(organization, int(home[4:]))}
    return argument
