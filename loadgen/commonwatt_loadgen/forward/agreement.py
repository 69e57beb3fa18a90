# SPDX-License-Identifier: Apache-2.0
"""From options to the rules of a community: tariff, clock, sharing keys and envelopes."""

import csv
import json
import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from commonwatt_chaincode.market.arithmetic import PPM
from commonwatt_chaincode.market.forward.carbon import Carbon, check_carbon
from commonwatt_chaincode.market.forward.envelopes import Envelope
from commonwatt_chaincode.market.forward.gates import Times
from commonwatt_chaincode.market.forward.periods import CLOCK_ERROR_OF_1_MIN_S, check_lengths
from commonwatt_chaincode.market.forward.sharing import STATIC
from commonwatt_chaincode.market.forward.tariffs import WEEKDAYS, Band, Days, Schedule, Version, check_version
from commonwatt_chaincode.market.parameters import Parameters
from commonwatt_chaincode.market.tariff import DAY_MIN, HOUR_MIN, MINUTE_S, TABLE_2, day_start
from commonwatt_client.exit_codes import UsageError

from commonwatt_loadgen.forward.options import ForwardOptions
from commonwatt_loadgen.forward.rules import ForwardRules

UAUD_PER_CENT = 10_000
G_PER_KG = 1_000
LARGEST_FILE_BYTES = 16 * 2**20
EPOCH = date(1970, 1, 1)
_DAYS_AROUND = 4  # before the first simulated day, and after the last one: for forecasts and horizons
_COLUMNS = ("home", "from", "to", "import_w", "export_w")


def rules_of(options: ForwardOptions, homes: Sequence[str], first_day: date) -> ForwardRules:
    """The rules under which these homes trade from `first_day` on.

    Raises:
        UsageError: the options make no tariff, clock, keys or envelopes that a market accepts.
    """
    local_day = (first_day - EPOCH).days
    offsets = offsets_of(options.clock_zone, first_day, options.run.days)
    times = Times(clock_error_s=CLOCK_ERROR_OF_1_MIN_S) if options.period == 1 else Times()
    try:
        check_lengths(((local_day, options.period),), offsets, times.clock_error_s)
    except ValueError as error:
        raise UsageError(f"--period {options.period}: {error}") from error
    tariff = tariff_version(options)
    try:
        check_version(tariff, options.period)
    except ValueError as error:
        raise UsageError(f"--feed-in, --local-fee: {error}") from error
    rules = ForwardRules(
        local_day,
        options.period,
        offsets,
        (tariff,),
        times,
        options.pricing,
        options.sharing,
        keys_ppm=sharing_keys(options, homes) if options.sharing == STATIC else {},
        carbon=carbon_of(options),
    )
    return replace(rules, envelopes=envelopes_of(options, homes, rules))


def offsets_of(zone: str | None, first_day: date, days: int) -> tuple[tuple[int, int], ...]:
    """Minutes east of UTC through the simulated days, as (from when in epoch seconds, minutes).

    Raises:
        UsageError: the time zone is unknown.
    """
    if zone is None:
        return ((0, Parameters().utc_offset_min),)
    try:
        known = ZoneInfo(zone)
    except (ValueError, OSError, KeyError) as error:
        raise UsageError(
            f"--clock-zone {zone[:40]}: is no time zone known here, as Australia/Sydney is"
        ) from error
    begin = datetime(first_day.year, first_day.month, first_day.day, tzinfo=UTC) - timedelta(
        days=_DAYS_AROUND
    )
    offsets: list[tuple[int, int]] = []
    for quarter in range((days + 2 * _DAYS_AROUND) * 96):
        moment = begin + timedelta(minutes=15 * quarter)
        shift = moment.astimezone(known).utcoffset() or timedelta()
        offset_min = int(shift.total_seconds()) // MINUTE_S
        if not offsets or offsets[-1][1] != offset_min:
            offsets.append((int(moment.timestamp()), offset_min))
    return tuple(offsets)


def tariff_version(options: ForwardOptions) -> Version:
    """The grid's time-of-use prices with the feed-in prices and the local fee of the options."""
    hours = feed_in_by_hour(options.feed_in)
    bands = []
    for band in options.run.tou or TABLE_2:
        edges = [band.from_hour]
        edges += [hour for hour in range(band.from_hour + 1, band.to_hour) if hours[hour] != hours[hour - 1]]
        for begin, end in zip(edges, [*edges[1:], band.to_hour], strict=True):
            bands.append(
                Band(
                    f"{begin:02d}-{end:02d} h",
                    begin * HOUR_MIN,
                    end * HOUR_MIN,
                    band.price_uaud_per_kwh,
                    hours[begin],
                )
            )
    schedule = Schedule(Days(tuple(WEEKDAYS), holidays=True), tuple(bands))
    return Version(0, 0, (schedule,), local_fee=round(options.local_fee * UAUD_PER_CENT))


def feed_in_by_hour(given: Sequence[str]) -> list[int]:
    """The feed-in price of each hour, in µAUD per kWh. UsageError where one cannot be read."""
    refusal = "is neither c/kWh nor FROM-TO=c/kWh, as 10-15=-2"
    return [round(cents * UAUD_PER_CENT) for cents in _by_hour("--feed-in", given, refusal)]


def carbon_of(options: ForwardOptions) -> Carbon | None:
    """The quota of the options; None without one. UsageError where the intensity cannot be read."""
    refusal = "is neither g/kWh nor FROM-TO=g/kWh, as 10-15=300"
    hours = [round(grams) for grams in _by_hour("--carbon-intensity", options.carbon_intensity, refusal)]
    if options.carbon_quota is None or options.carbon_price is None:
        return None
    edges = [0, *(hour for hour in range(1, 24) if hours[hour] != hours[hour - 1]), 24]
    intensity = tuple((begin, end, hours[begin]) for begin, end in pairwise(edges))
    carbon = Carbon(
        round(options.carbon_quota * G_PER_KG), round(options.carbon_price * UAUD_PER_CENT), intensity
    )
    try:
        check_carbon(carbon)
    except ValueError as error:
        raise UsageError(f"--carbon-intensity: {error}") from error
    return carbon


def _by_hour(option: str, given: Sequence[str], refusal: str) -> list[float]:
    """A number for each hour of the day, of texts for all hours or some."""
    hours = [0.0] * 24
    for one in given:
        found = re.fullmatch(r"(?:(\d{1,2})-(\d{1,2})=)?(-?\d{1,4}(?:\.\d{1,4})?)", one)
        begin, end = (int(found[1]), int(found[2])) if found and found[1] else (0, 24)
        if found is None or not 0 <= begin < end <= 24:
            raise UsageError(f"{option} {one[:40]}: {refusal}")
        hours[begin:end] = [float(found[3])] * (end - begin)
    return hours


def sharing_keys(options: ForwardOptions, homes: Sequence[str]) -> dict[str, int]:
    """The homes' static sharing keys in ppm: those of the file, or the same for every home."""
    path = options.sharing_keys
    if path is None:
        return dict.fromkeys(homes, PPM // len(homes))
    keys = _json_object(path)
    for home, ppm in keys.items():
        if home not in homes:
            raise UsageError(f"{path}: {home[:40]} is no home of this community ({homes[0]} .. {homes[-1]})")
        if type(ppm) is not int or not 0 <= ppm <= PPM:
            raise UsageError(f"{path}: the key of {home} is no integer within 0..{PPM} (ppm)")
    if sum(keys.values()) > PPM:
        raise UsageError(f"{path}: the keys are together above {PPM} ppm")
    return keys


def _json_object(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(_text(path))
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path}: is not JSON") from error
    if not isinstance(value, dict):
        raise UsageError(f"{path}: is no JSON object of homes and their keys in ppm")
    return value


def envelopes_of(options: ForwardOptions, homes: Sequence[str], rules: ForwardRules) -> tuple[Envelope, ...]:
    """The envelopes of the simulated days, all published before the first of them."""
    first, days = rules.first_day, options.run.days
    begins, ends = (day_start(day, rules.offsets) // MINUTE_S for day in (first, first + days))
    found = []
    if options.export_limit_w is not None:
        found.append(Envelope(None, begins, ends, None, options.export_limit_w, 0))
    if options.envelopes is not None:
        found += _envelopes_in(options.envelopes, homes, rules, days)
    return tuple(found)


def _envelopes_in(path: Path, homes: Sequence[str], rules: ForwardRules, days: int) -> list[Envelope]:
    """`home` empty: every home; `from` and `to`: local times of every day (`10:00`), or of one (`2012-11-01T10:00`)."""
    rows = csv.DictReader(_text(path).splitlines())
    if tuple(rows.fieldnames or ()) != _COLUMNS:
        raise UsageError(f"{path}: its first line is not {','.join(_COLUMNS)}")
    found = []
    for number, row in enumerate(rows, 2):
        try:
            if None in row or None in row.values():
                raise ValueError(f"it has not {len(_COLUMNS)} cells")
            home = row["home"] or None
            if home is not None and home not in homes:
                raise ValueError(f"{home[:40]} is no home of this community")
            import_w, export_w = _power(row["import_w"]), _power(row["export_w"])
            for begin, end in _spans(row["from"], row["to"], rules, days):
                found.append(Envelope(home, begin, end, import_w, export_w, published_s=number))
        except (ValueError, TypeError) as error:
            raise UsageError(f"{path}, line {number}: {error}") from error
    return found


def _spans(begin: str, end: str, rules: ForwardRules, days: int) -> list[tuple[int, int]]:
    """Periods [from, to) by their ids."""
    daily = [re.fullmatch(r"(\d{1,2}):(\d\d)", one) for one in (begin, end)]
    if daily[0] and daily[1]:
        first_min, last_min = (int(one[1]) * HOUR_MIN + int(one[2]) for one in daily if one)
        if not 0 <= first_min < last_min <= DAY_MIN:
            raise ValueError(f"{begin} to {end} is no part of a day")
        return [
            (_instant_min(day, first_min, rules), _instant_min(day, last_min, rules))
            for day in range(rules.first_day, rules.first_day + days)
        ]
    moments = [datetime.fromisoformat(one) for one in (begin, end)]
    if any(one.tzinfo for one in moments) or moments[0] >= moments[1]:
        raise ValueError(f"{begin[:40]} to {end[:40]} are no local times in their order")
    first, last = (
        _instant_min((one.date() - EPOCH).days, one.hour * HOUR_MIN + one.minute, rules) for one in moments
    )
    return [(first, last)]


def _instant_min(day: int, minute: int, rules: ForwardRules) -> int:
    """The first instant of a local day that is at this local time or later, in epoch minutes."""
    begins = day_start(day, rules.offsets) // MINUTE_S
    length = rules.period_min
    if minute % length:
        raise ValueError(f"{minute // 60}:{minute % 60:02d} is no boundary of periods of {length} minutes")
    for period in rules.periods(day - rules.first_day):
        if rules.minute(period) - (day - rules.first_day) * DAY_MIN >= minute:
            return period.id
    return day_start(day + 1, rules.offsets) // MINUTE_S if minute else begins


def _power(text: str) -> int | None:
    if text == "":
        return None
    if not text.isdecimal() or len(text) > 9:
        raise ValueError(f"{text[:40]} is no power in W")
    return int(text)


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > LARGEST_FILE_BYTES:
            raise UsageError(f"{path}: is larger than {LARGEST_FILE_BYTES >> 20} MiB")
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "is no UTF-8 text"
        raise UsageError(f"{path}: {reason}") from error
