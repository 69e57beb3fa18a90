# SPDX-License-Identifier: Apache-2.0
"""The community that the demonstration founds: 20 homes, periods of a minute, and a day that passes in 48 minutes."""

from dataclasses import dataclass
from pathlib import Path

import yaml
from commonwatt_chaincode.market.tariff import HOUR_MIN, TABLE_2
from commonwatt_client.exit_codes import UsageError
from commonwatt_client.network_file import MARKET, NetworkFile

from ..founding.community_file import FILE
from .traces import trace_of, types_w

HOMES = 20
SPEED = 30
BEGINS = "10:00"
FEED_IN_UAUD_PER_KWH = 60_000
PERIOD_S = 60
TIMES = {
    "opens_before_s": 75,
    "closes_before_s": 45,
    "clock_error_s": 5,
    "gate_grace_s": 5,
    "readings_due_s": 60,
}
"""The shortest window that a gate with a clock error of 5 s leaves: a home is in the market within two minutes."""

_WITH_PANELS = 8  # of the homes; every second one of these has a battery
_PANELS_W = 5_000
_STORAGE_WH, _STORAGE_W = 5_000, 2_500
_OFFSET_MIN = 660  # Sydney in summer


@dataclass(frozen=True)
class SampleHome:
    """A home of the demonstration; `number` counts from 1."""

    number: int
    usage: str
    generation: str | None
    storage_wh: int

    @property
    def line(self) -> str:
        """Its line of `homes.csv`."""
        pv_w, battery_w = (_PANELS_W if self.generation else 0), (_STORAGE_W if self.storage_wh else 0)
        kind = "prosumer" if self.generation else "consumer"
        return f"{kind},{pv_w},{battery_w},{self.storage_wh}"

    @property
    def trace(self) -> str:
        """The CSV that its meter replays."""
        return trace_of(self.usage, self.generation)

    @property
    def battery(self) -> dict[str, int] | None:
        """`battery` of its home.yaml."""
        return {"capacity_wh": self.storage_wh, "power_w": _STORAGE_W} if self.storage_wh else None


def sample_homes() -> list[SampleHome]:
    """The homes, always the same: each follows a type, those with panels come first."""
    names = sorted(types_w())
    usages = [name for name in names if name.startswith("U")]
    generations = [name for name in names if name.startswith("G")]
    return [
        SampleHome(
            place + 1,
            usages[place % len(usages)],
            generations[place % len(generations)] if place < _WITH_PANELS else None,
            _STORAGE_WH if place < _WITH_PANELS and place % 2 else 0,
        )
        for place in range(HOMES)
    ]


def write_community(folder: Path, network: NetworkFile, url: str, certificate: Path) -> None:
    """Write `community.yaml` and `homes.csv`, where they are missing.

    Raises:
        UsageError: the network has no channel with the forward market, an operator, and a grid.
    """
    folder.mkdir(parents=True, exist_ok=True)
    community = folder / FILE
    if not community.exists():
        community.write_text(yaml.safe_dump(_content(network, url, certificate), sort_keys=False), "utf-8")
    homes = folder / "homes.csv"
    if not homes.exists():
        lines = ["class,pv_w,battery_w,storage_wh", *(home.line for home in sample_homes())]
        homes.write_text("\n".join([*lines, ""]), "utf-8")


def _content(network: NetworkFile, url: str, certificate: Path) -> dict[str, object]:
    channel, organization, operator, grid = _parties(network)
    bands = [
        {
            "name": f"{band.from_hour:02d}-{band.to_hour:02d} h",
            "from_min": band.from_hour * HOUR_MIN,
            "to_min": band.to_hour * HOUR_MIN,
            "tou": band.price_uaud_per_kwh,
            "feed_in": FEED_IN_UAUD_PER_KWH,
        }
        for band in TABLE_2
    ]
    return {
        "name": channel,
        "channel": channel,
        "organization": organization,
        "operator": operator,
        "grid": grid,
        "service": {"url": url, "certificate": str(certificate.absolute())},
        "period_min": PERIOD_S // 60,
        "utc_offset_min": _OFFSET_MIN,
        "times": TIMES,
        "tariff": {"schedules": [{"days": {"weekdays": list(range(7)), "holidays": True}, "bands": bands}]},
    }


def _parties(network: NetworkFile) -> tuple[str, str, str, dict[str, str]]:
    """Channel, organisation and operator of the community, and the grid's identity."""
    for channel, about in network.content["channels"].items():
        if (
            MARKET not in about["chaincodes"]
            or about.get("market") != "forward"
            or about.get("clock") != "live"
        ):
            continue
        users = {
            organization: network.content["organizations"][organization]["users"]
            for organization in about["organizations"]
        }
        found = {
            role: (organization, user)
            for organization, known in users.items()
            for user, described in known.items()
            if (role := described["attributes"].get("role")) in ("operator", "grid")
        }
        if len(found) == 2:
            grid = dict(zip(("organization", "user"), found["grid"], strict=True))
            return channel, *found["operator"], grid
    raise UsageError(
        f"{network.path} has no channel with the forward market on a live clock, its operator and its grid; "
        "`commonwatt network up --topology live` starts a network that has one, and `make live` does all of it"
    )
