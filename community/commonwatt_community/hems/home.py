# SPDX-License-Identifier: Apache-2.0
"""One home of a community, as its agent knows it."""

from dataclasses import dataclass

from commonwatt_community.hems.energy import EnergySource


@dataclass(frozen=True, slots=True)
class HomeSpec:
    """One home: its id on the ledger, the types it follows and what it has installed.

    `user` is the name by which its organisation knows it. Draws follow that name where it is given, so that a home
    draws the same whatever its random id is.
    """

    home: str
    prosumer: bool
    usage_type: str
    generation_type: str
    usage: EnergySource
    generation: EnergySource
    pv_w: int
    storage_wh: int
    strategy: str
    user: str = ""

    @property
    def draws_as(self) -> str:
        return self.user or self.home
