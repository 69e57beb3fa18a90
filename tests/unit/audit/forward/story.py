# SPDX-License-Identifier: Apache-2.0
"""Two days of a community in which every transaction of the forward market happens at least once."""

from __future__ import annotations

from typing import Any

import pytest
from commonwatt_chaincode.shim.testing.state import Place

from ...forward.neighbourhood import MIDNIGHT, Signer
from .recording import Recording

CARBON = {"quota_g_per_day": 3_000, "price_uaud_per_kg": 90_000, "intensity": [[0, 9, 700], [9, 24, 600]]}
HOUR = 60
HOURS = 24
READ_AFTER = 3
"""How many hours after its start a period's readings come."""
DAY_MIN = 1_440
OPERATORS = "NewtownMSP"


async def founded(**configuration: Any) -> Recording:
    """Two consumers and two prosumers, periods of an hour, a supply and a demand charge."""
    town = Recording()
    bands = [
        {"name": "shoulder", "from_min": 0, "to_min": 960, "tou": 300_000, "feed_in": -10_000},
        {
            "name": "peak",
            "from_min": 960,
            "to_min": 1_440,
            "tou": 500_000,
            "feed_in": 60_000,
            "sharing_price": 90_000,
        },
    ]
    every_day = {"weekdays": [0, 1, 2, 3, 4, 5, 6], "holidays": True}
    tariff = {
        "schedules": [{"days": every_day, "bands": bands}],
        "local_fee": 20_000,
        "supply_naud_per_day": 9_000_000,
        "demand": {
            "days": every_day,
            "from_min": 900,
            "to_min": 1_260,
            "price_uaud_per_kw": 70,
        },
    }
    times = {"readings_due_s": 7_200, "resettle_every_s": 600}
    await town.found(
        **{
            "trust_homes": True,
            "carbon": CARBON,
            "period_min": 60,
            "tariff": tariff,
            "times": times,
            **configuration,
        }
    )
    await town.add("h1", "h2")
    await town.add("p1", "p2", pv_w=6_000, battery_w=3_000)
    await town.give_key("meter", "h1", "EdDSA")
    await town.give_key("operator", OPERATORS)
    return town


async def story(**configuration: Any) -> Recording:
    """The whole of it, as it is recorded."""
    town = await founded(**configuration)
    await _publish(town)
    for step in range(HOURS + READ_AFTER):
        if step < HOURS:
            await _trade(town, MIDNIGHT + HOUR * step, step)
        if (hour := step - READ_AFTER) >= 0:
            await _read(town, MIDNIGHT + HOUR * hour, hour)
            await _settle(town, MIDNIGHT + HOUR * hour)
    town.at(MIDNIGHT + DAY_MIN, 9_000)
    await town.do("operator", "settle_carbon", {"day": day_of(MIDNIGHT)})
    await town.do("operator", "settle_day", {"day": day_of(MIDNIGHT)})
    await _correct(town)
    await _second_day(town)
    return town


def day_of(period: int) -> int:
    """The local day of a period that starts at midnight."""
    return (period + 660) // DAY_MIN


async def _publish(town: Recording) -> None:
    first = MIDNIGHT
    await town.do(
        "grid",
        "set_envelope",
        {
            "home": "p1",
            "from_period": first + 600,
            "to_period": first + 900,
            "export_w": 880,
            "import_w": 800,
        },
    )
    await town.do(
        "grid", "set_envelope", {"from_period": first, "to_period": first + 2_000, "export_w": 3_500}
    )
    keys = {"h1": 400_000, "h2": 500_000}
    await town.do("operator", "set_sharing_keys", {"from_period": first + 120, "keys": keys})
    await town.do("grid", "set_intensity", {"from_period": first + 180, "g_per_kwh": [50, 950]})
    changes = {"pricing": "uniform", "sharing": "static", "from_period": first + 720}
    await town.do("operator", "configure", {"replaces": 1, "holidays": [day_of(first) + 1], **changes})
    rotated = Signer(90, "EdDSA")
    possession = town.brings_key(rotated, "home", "h2", 2)
    consent = town.brings_key(rotated, "home", "h2", 2, by=town.signers["h2"])
    await town.do(
        "h2", "set_key", {"author": "home", "home": "h2"}, {"possession": possession, "consent": consent}
    )
    town.signers["h2"] = rotated
    for number, version in ((95, 1), (96, 2)):
        possession = town.brings_key(Signer(number), "carrier", "NewtownMSP.service", version)
        carrier = {"carrier": "NewtownMSP.service"}
        await town.do("operator", "set_carrier_key", carrier, {"possession": possession})
    recovered = Signer(91)
    possession = town.brings_key(recovered, "home", "p2", 2)
    of_p2 = {"author": "home", "home": "p2"}
    await town.do("operator", "propose_key", of_p2, {"possession": possession})
    await town.do("operator", "propose_key", of_p2)
    await town.do("operator", "propose_key", of_p2, {"possession": possession})
    await town.do("grid", "confirm_key", {**of_p2, "kid": recovered.key.kid})
    town.signers["p2"] = recovered


async def _trade(town: Recording, period: int, hour: int) -> None:
    town.in_window(period)
    offer = {"energy_wh": 700 + 10 * hour, "price_uaud_per_kwh": 70_000}
    bids = [
        town.request("h1", period, 500 + 7 * hour, 250_000 + 100 * hour, seq=2),
        town.request("h1", period, 1, 100_000, seq=1),
        town.offer("p1", period, 400 + 9 * hour, 65_000),
        town.says("p2", "cw-offer", "p2", period, **offer),
    ]
    request = {"energy_wh": 300, "limit_uaud_per_kwh": 280_000}
    bids.append(town.says("h2", "cw-request", "h2", period, 1, **request))
    if hour % 6 == 0:
        bids.append(town.says("h2", "cw-withdraw", "h2", period, 2))
    if hour % 6 == 1:
        dearer = {"energy_wh": 900, "limit_uaud_per_kwh": 270_000}
        again = town.says("h2", "cw-request", "h2", period, 1, **dearer)
        assert await town.bids(period, *bids) == ["written"] * len(bids)
        bids = [again]
    if hour == 4:
        too_much = {"energy_wh": 30_000, "limit_uaud_per_kwh": 270_000}
        bids.append(town.says("h2", "cw-request", "h2", period, 3, **too_much))
    assert await town.bids(period, *bids) == ["written"] * len(bids)
    if hour != 5:
        await town.close(period)
        await town.do("p1", "clear_period", {"period": period})


async def _read(town: Recording, period: int, hour: int) -> None:
    town.at(period + HOUR, 7_300)
    readings = [
        town.reading("h1", period, 600 + 3 * hour, by="meter of h1"),
        town.says("p2", "cw-reading", "p2", period, import_wh=0, export_wh=650 + hour, quality="measured"),
    ]
    if hour not in (7, 8, 9):
        totals = {"import_total_wh": 50_000 + 400 * hour, "export_total_wh": 1_000 * hour + 1_000}
        readings.append(town.reading("p1", period, 90, 900, **totals))
    if hour % 5:
        readings.append(town.reading("h2", period, 350 + hour))
    elif hour == 10:
        readings.append(town.reading("h2", period, 444, by="operator of NewtownMSP", quality="substituted"))
    assert await town.readings(period, *readings) == ["written"] * len(readings)


async def _settle(town: Recording, period: int) -> None:
    await town.do("h1", "freeze_period", {"period": period})
    await town.do("grid", "settle_period", {"period": period})
    feeder = {"period": period, "import_wh": 2_000, "export_wh": 500}
    await town.do("grid", "report_feeder", feeder)


async def _correct(town: Recording) -> None:
    """After the bill: a reading that was late, a gap that totals settle, a message that is lost."""
    late = MIDNIGHT + 5 * HOUR
    town.at(MIDNIGHT + DAY_MIN, 9_600)
    await town.readings(late, town.reading("h2", late, 1_234))
    await town.do("operator", "freeze_period", {"period": late})
    await town.do("operator", "settle_period", {"period": late})
    gap = {"home": "p1", "before": MIDNIGHT + 6 * HOUR, "after": MIDNIGHT + 10 * HOUR}
    await town.do("operator", "settle_gap", gap)


async def _lose(town: Recording, key: str) -> None:
    """A disk forgets a message: its hash stays, as on a peer."""
    state = town.ledger.state
    place = Place("market", "community", key)
    value_hash = state.hash(place)
    state.values.pop(place)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(state, "hash", lambda asked: value_hash if asked == place else None)
        await town.do("operator", "declare_lost", {"key": key})


async def _second_day(town: Recording) -> None:
    first = MIDNIGHT + DAY_MIN
    for hour in range(HOURS):
        period = first + HOUR * hour
        town.at(period + HOUR, 7_300)
        if hour % 2:
            reading = town.reading("h1", period, 500, by="meter of h1")
            assert await town.readings(period, reading) == ["written"]
        await _settle(town, period)
    key = f"m/reading/{first + HOUR:09d}/0001/h1/meter/01"
    town.at(first + DAY_MIN, 100_000)
    await _lose(town, key)
    await town.do("h1", "settle_carbon", {"day": day_of(first)})
    await town.do("h1", "settle_day", {"day": day_of(first)})
    await town.do("operator", "end_home", {"home": "h2"})
    await town.do("grid", "confirm_home", {"home": "h2"})
    bigger = {"home": "p1", "home_class": "prosumer", "pv_w": 9_000, "battery_w": 3_000}
    await town.do("operator", "register_home", {"homes": [bigger]})
    await town.do("grid", "confirm_home", {"homes": ["p1"]})
