# SPDX-License-Identifier: Apache-2.0
"""What a simulation of the forward market may be told beyond what every simulation may."""

from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from commonwatt_chaincode.market.forward.clearing import MID_MARKET
from commonwatt_chaincode.market.forward.periods import LENGTHS_MIN
from commonwatt_chaincode.market.forward.sharing import DYNAMIC, MODES, STATIC
from commonwatt_client.exit_codes import UsageError
from commonwatt_community import planning, plugins

from commonwatt_loadgen.simulate.key_figures import CO2_G_PER_KWH
from commonwatt_loadgen.simulate.options import SimulationOptions

FIRST_DAYS = date(1971, 1, 1), date(2500, 1, 1)


@dataclass(frozen=True)
class ForwardOptions:
    """How to simulate the forward market.

    `feed_in`: c/kWh, or `FROM-TO=c/kWh` for hours of the day; later ones go before earlier ones. `clock_zone`: a time
    zone whose clock changes count; None: the same offset all the time. `first_day`: where the simulated days begin;
    None: where the traces do. `export_limit_w` bounds every home at all times, beside what the file `envelopes` says.
    `curtail`: panels keep exports within the envelope. `community_battery`: Wh of a battery that the homes share.
    `carbon_quota`: kg of CO2 that a home may emit on a day before it pays `carbon_price` (c/kg); None: no quota.
    `carbon_intensity`: g/kWh, or `FROM-TO=g/kWh` for hours of the day; later ones go before earlier ones.
    `link_fee` (c/kWh): communities trade what they leave over, over links of `link_limit_w` from each to each; None:
    they do not.
    """

    run: SimulationOptions = field(default_factory=SimulationOptions)
    sharing: str = DYNAMIC
    pricing: str = MID_MARKET
    period: int = 30
    feed_in: tuple[str, ...] = ("10",)
    local_fee: float = 0.0
    sharing_keys: Path | None = None
    envelopes: Path | None = None
    export_limit_w: int | None = None
    curtail: bool = False
    community_battery: int = 0
    clock_zone: str | None = None
    first_day: date | None = None
    carbon_quota: float | None = None
    carbon_price: float | None = None
    carbon_intensity: tuple[str, ...] = (str(CO2_G_PER_KWH),)
    link_fee: float | None = None
    link_limit_w: int | None = None

    def check(self) -> None:
        """Raise UsageError for a value that cannot be."""
        self.run.check(forecasts=plugins.names("forecasts"), batteries=plugins.names("batteries"))
        for option, chosen, known in (
            ("--sharing", self.sharing, MODES),
            ("--pricing", self.pricing, plugins.names("mechanisms")),
            ("--period", self.period, LENGTHS_MIN),
        ):
            if chosen not in known:
                raise UsageError(f"{option} {chosen}: is none of {', '.join(map(str, known))}")
        if not 0 <= self.local_fee <= 1_000:
            raise UsageError(f"--local-fee {self.local_fee:g}: must be within 0..1000")
        if self.carbon_quota is not None and not 0 <= self.carbon_quota <= 10**6:
            raise UsageError(f"--carbon-quota {self.carbon_quota:g}: must be within 0..1000000")
        if (self.carbon_quota is None) != (self.carbon_price is None):
            raise UsageError("--carbon-quota, --carbon-price: set both, or neither")
        if self.carbon_price is not None and not 0 <= self.carbon_price <= 100_000:
            raise UsageError(f"--carbon-price {self.carbon_price:g}: must be within 0..100000")
        if self.link_fee is not None and not 0 <= self.link_fee <= 1_000:
            raise UsageError(f"--link-fee {self.link_fee:g}: must be within 0..1000")
        if self.link_limit_w is not None and not 0 <= self.link_limit_w <= 10**9:
            raise UsageError(f"--link-limit-w {self.link_limit_w}: must be within 0..{10**9}")
        if self.link_limit_w is not None and self.link_fee is None:
            raise UsageError("--link-limit-w: counts with --link-fee alone")
        if self.export_limit_w is not None and not 0 <= self.export_limit_w <= 10**9:
            raise UsageError(f"--export-limit-w {self.export_limit_w}: must be within 0..{10**9}")
        if self.first_day is not None and not FIRST_DAYS[0] <= self.first_day <= FIRST_DAYS[1]:
            raise UsageError(f"--first-day {self.first_day}: must be within {FIRST_DAYS[0]}..{FIRST_DAYS[1]}")
        if not 0 <= self.community_battery <= 10**9:
            raise UsageError(f"--community-battery {self.community_battery}: must be within 0..{10**9}")
        if self.community_battery and not planning.is_installed():
            raise UsageError(f"--community-battery: {planning.INSTALL}")
        if self.sharing_keys is not None and self.sharing != STATIC:
            raise UsageError("--sharing-keys: counts with --sharing static alone")
        if self.curtail and self.envelopes is None and self.export_limit_w is None:
            raise UsageError("--curtail: without --envelopes or --export-limit-w there is nothing to keep to")
