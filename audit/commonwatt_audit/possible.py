# SPDX-License-Identifier: Apache-2.0
"""What a meter can have counted, computed minute by minute."""

from commonwatt_chaincode.market.parameters import Parameters

from commonwatt_audit.world import Json, require

_MINUTE_S, _HOUR_S, _DAY_MIN = 60, 3600, 1440
SUN_H = 10


def require_possible(parameters: Parameters, registration: Json, reading: Json) -> None:
    """Difference where the connection cannot carry the use, or the panels cannot give the generation."""
    start, end, home = reading["interval_start"], reading["interval_end"], reading["home"]
    used_wh = reading["use_wh"] + reading["grid_charge_wh"]
    carried_wh = registration["connection_w"] * (end - start) // _HOUR_S
    require(used_wh <= carried_wh, f"{home} used {used_wh} Wh, its connection carries {carried_wh} Wh")
    most_wh = _most_generation_wh(parameters, registration["pv_w"], start, end)
    generated_wh = reading["generation_wh"]
    require(
        generated_wh <= most_wh, f"{home} generated {generated_wh} Wh, its panels give {most_wh} Wh at most"
    )


def _most_generation_wh(parameters: Parameters, pv_w: int, start: int, end: int) -> int:
    """125 % of the panels' power while the sun may shine, 2 % and 1 Wh while it does not."""
    if not pv_w:
        return 0
    by_day_s = by_night_s = 0
    for instant in range(start, end, _MINUTE_S):
        minute = (instant // _MINUTE_S + parameters.utc_offset_min) % _DAY_MIN
        if parameters.sun_from_min <= minute < parameters.sun_to_min:
            by_day_s += _MINUTE_S
        else:
            by_night_s += _MINUTE_S
    creeping_wh = pv_w * by_night_s // _HOUR_S // 50 + 1 if by_night_s else 0
    return pv_w * by_day_s * 5 // (4 * _HOUR_S) + creeping_wh


def require_possible_day(registration: Json, generated_wh: int) -> None:
    """Difference where the panels cannot give so much on one local day."""
    most_wh = registration["pv_w"] * SUN_H
    require(
        generated_wh <= most_wh,
        f"{registration['home']} generated {generated_wh} Wh on a day, its panels give {most_wh} Wh at most",
    )
