"""From the records of a community's days to figures: plain JSON values, integers in the units their names state."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from commonwatt_chaincode.market.parameters import Parameters
from commonwatt_chaincode.market.tariff import tou_at

from commonwatt_loadgen.hems.community import HomeSpec
from commonwatt_loadgen.records import DayRecord
from commonwatt_loadgen.traces.sources import MINUTES_PER_DAY, SLOT_MINUTES

Json = dict[str, Any]

DEFINITIONS = {
    "_wh": "energy in watt-hours",
    "_naud": "money in 10^-9 AUD, exact",
    "_uaud_per_kwh": "price in 10^-6 AUD per kWh",
    "_percent": "hundredths, rounded to one decimal",
    "use": "consumption of the home as metered",
    "generation": "PV generation as metered",
    "direct": "use served by the home's own PV at once",
    "own": "use served by the home's own battery",
    "need": "use left to be bought, from neighbours or the grid",
    "p2p": "bought from neighbours",
    "grid": "bought from the grid",
    "charged": "PV surplus stored in the home's own battery",
    "spill": "PV surplus that found no room",
    "sold": "battery energy sold to neighbours",
    "amount_naud": "what a home pays for a day (negative: receives)",
    "traditional_naud": "the same without a market: all use from the grid, all generation at the feed-in tariff",
    "suggested_uaud_per_kwh": "mean of p_S, the asking price suggested to sellers (equation 5)",
    "traded_uaud_per_kwh": "mean price of the energy traded; null where none was",
    "start_min": "minutes from 0:00 of the first simulated day",
}


def community_summary(homes: Sequence[HomeSpec], days: Sequence[DayRecord], rules: Parameters) -> Json:
    """Everything the report shows of one community."""
    return {
        "totals": _totals(homes, days),
        "classes": _classes(homes, days),
        "strategies": _strategies(homes, days),
        "homes": _homes(homes, days),
        "hours": _hours(days, rules),
        "half_hours": _half_hours(homes, days, rules),
        "trades": _trades(days),
        "types": _types(homes),
    }


def percent(part: int, whole: int) -> float | None:
    """A share in percent with one decimal, or None of nothing."""
    return round(100 * part / whole, 1) if whole else None


def _totals(homes: Sequence[HomeSpec], days: Sequence[DayRecord]) -> Json:
    settled = [one for day in days for one in day.settlements]
    rounds = [one for day in days for one in day.rounds]
    bills = [bill for day in days for bill in day.bills.values()]
    need_wh = sum(one.request.energy_wh for one in rounds)
    p2p_wh = sum(one.request.p2p_energy_wh for one in rounds)
    paid_naud = sum(one.request.p2p_amount_naud for one in rounds)
    amount_naud = sum(bill.amount_naud for bill in bills)
    traditional_naud = sum(bill.traditional_naud for bill in bills)
    return {
        "homes": len(homes),
        "prosumers": sum(home.prosumer for home in homes),
        "days": len(days),
        "requests": len(rounds),
        "offers": sum(len(one.offers) for one in rounds),
        "fills": sum(len(one.fills) for one in rounds),
        "readings": len(settled),
        "use_wh": sum(one.use_wh for one in settled),
        "generation_wh": sum(one.generation_wh for one in settled),
        "direct_wh": sum(min(one.use_wh, one.generation_wh) for one in settled),
        "own_wh": sum(one.own_wh for one in settled),
        "need_wh": need_wh,
        "p2p_wh": p2p_wh,
        "grid_wh": sum(one.request.grid_energy_wh for one in rounds),
        "charged_wh": sum(one.charged_wh for one in settled),
        "spill_wh": sum(one.spill_wh for one in settled),
        "battery_end_wh": sum(days[-1].battery_wh.values()) if days else 0,
        "p2p_amount_naud": paid_naud,
        "traded_uaud_per_kwh": paid_naud // p2p_wh if p2p_wh else None,
        "amount_naud": amount_naud,
        "traditional_naud": traditional_naud,
        "amount_percent": percent(amount_naud, traditional_naud),
        "p2p_percent_of_need": percent(p2p_wh, need_wh),
        "money_balances": paid_naud == sum(bill.revenue_naud for bill in bills),
    }


def _classes(homes: Sequence[HomeSpec], days: Sequence[DayRecord]) -> list[Json]:
    groups = [
        ("consumers", [home.home for home in homes if not home.prosumer]),
        ("prosumers", [home.home for home in homes if home.prosumer]),
        ("all", [home.home for home in homes]),
    ]
    return [{"class": name, **_group(members, days)} for name, members in groups if members]


def _group(members: Sequence[str], days: Sequence[DayRecord]) -> Json:
    bills = [day.bills[home] for day in days for home in members]
    amount_naud = sum(bill.amount_naud for bill in bills)
    traditional_naud = sum(bill.traditional_naud for bill in bills)
    sold_wh = sum(bill.sold_wh for bill in bills)
    revenue_naud = sum(bill.revenue_naud for bill in bills)
    return {
        "homes": len(members),
        "amount_naud": amount_naud,
        "traditional_naud": traditional_naud,
        "amount_percent": percent(amount_naud, traditional_naud),
        "bought_p2p_wh": sum(bill.bought_p2p_wh for bill in bills),
        "p2p_amount_naud": sum(bill.p2p_amount_naud for bill in bills),
        "bought_grid_wh": sum(bill.bought_grid_wh for bill in bills),
        "sold_wh": sold_wh,
        "revenue_naud": revenue_naud,
        "sold_uaud_per_kwh": revenue_naud // sold_wh if sold_wh else None,
    }


def _strategies(homes: Sequence[HomeSpec], days: Sequence[DayRecord]) -> list[Json]:
    """What homes of each class earned and saved by bidding strategy."""
    rows = []
    for strategy in dict.fromkeys(home.strategy for home in homes):
        for prosumer in (True, False):
            members = [home.home for home in homes if home.strategy == strategy and home.prosumer == prosumer]
            if members:
                name = "prosumers" if prosumer else "consumers"
                rows.append({"strategy": strategy, "class": name, **_group(members, days)})
    return rows


_HOME_SUMS = (
    "use_wh",
    "generation_wh",
    "own_wh",
    "need_wh",
    "charged_wh",
    "spill_wh",
    "bought_p2p_wh",
    "bought_grid_wh",
    "sold_wh",
    "p2p_amount_naud",
    "grid_amount_naud",
    "revenue_naud",
    "spill_credit_naud",
    "amount_naud",
    "traditional_naud",
    "requests",
    "sales",
)


def _homes(homes: Sequence[HomeSpec], days: Sequence[DayRecord]) -> list[Json]:
    return [
        {
            "home": home.home,
            "class": "prosumer" if home.prosumer else "consumer",
            "usage_type": home.usage_type,
            "generation_type": home.generation_type,
            "strategy": home.strategy,
            "storage_wh": home.storage_wh,
            "battery_end_wh": days[-1].battery_wh[home.home] if days else 0,
            **{name: sum(getattr(day.bills[home.home], name) for day in days) for name in _HOME_SUMS},
        }
        for home in homes
    ]


def _hours(days: Sequence[DayRecord], rules: Parameters) -> list[Json]:
    """Sums over all days by the hour in which an interval began."""
    hours: list[Json] = [
        dict.fromkeys(
            ("use_wh", "generation_wh", "direct_wh", "own_wh", "p2p_wh", "grid_wh", "charged_wh", "spill_wh"),
            0,
        )
        for _ in range(24)
    ]
    for day in days:
        for settled in day.settlements:
            hour = hours[settled.start_min % MINUTES_PER_DAY // 60]
            hour["use_wh"] += settled.use_wh
            hour["generation_wh"] += settled.generation_wh
            hour["direct_wh"] += min(settled.use_wh, settled.generation_wh)
            hour["own_wh"] += settled.own_wh
            hour["charged_wh"] += settled.charged_wh
            hour["spill_wh"] += settled.spill_wh
        for one in day.rounds:
            hours[one.minute // 60]["p2p_wh"] += one.request.p2p_energy_wh
            hours[one.minute // 60]["grid_wh"] += one.request.grid_energy_wh
    return [
        {"hour": hour, "tou_uaud_per_kwh": tou_at(rules.tou, hour * 60), **sums}
        for hour, sums in enumerate(hours)
    ]


def _half_hours(homes: Sequence[HomeSpec], days: Sequence[DayRecord], rules: Parameters) -> list[Json]:
    """Prices and battery contents through time; rounds are counted where they opened."""
    prosumers = {home.home for home in homes if home.prosumer}
    rows: list[Json] = []
    battery = dict.fromkeys(prosumers, 0)
    for day in days:
        rounds, contents = defaultdict(list), defaultdict(list)
        for one in day.rounds:
            rounds[(one.opened_min - 1) // SLOT_MINUTES].append(one)
        for settled in day.settlements:
            if settled.home in prosumers:
                contents[(settled.end_min - 1) // SLOT_MINUTES].append(settled)
        first = day.day * MINUTES_PER_DAY // SLOT_MINUTES
        for slot in range(first, first + MINUTES_PER_DAY // SLOT_MINUTES):
            moves = [(one.end_min, 0, one.home, one.battery_wh, False) for one in contents[slot]]
            moves += [
                (one.opened_min, 1, offer.home, offer.sold_wh, True)
                for one in rounds[slot]
                for offer in one.offers
            ]
            for _, _, home, energy_wh, sale in sorted(moves):
                battery[home] = battery[home] - energy_wh if sale else energy_wh
            p2p_wh = sum(one.request.p2p_energy_wh for one in rounds[slot])
            paid = sum(one.request.p2p_amount_naud for one in rounds[slot])
            count = len(rounds[slot])
            rows.append(
                {
                    "start_min": slot * SLOT_MINUTES,
                    "tou_uaud_per_kwh": tou_at(rules.tou, slot * SLOT_MINUTES % MINUTES_PER_DAY),
                    "suggested_uaud_per_kwh": sum(one.sell_price for one in rounds[slot]) // count
                    if count
                    else None,
                    "traded_uaud_per_kwh": paid // p2p_wh if p2p_wh else None,
                    "p2p_wh": p2p_wh,
                    "battery_mean_wh": sum(battery.values()) // len(battery) if battery else 0,
                    "battery_min_wh": min(battery.values(), default=0),
                    "battery_max_wh": max(battery.values(), default=0),
                }
            )
    return rows


def _trades(days: Sequence[DayRecord]) -> list[Json]:
    """Who traded with whom: sums by seller and buyer."""
    pairs: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0, 0])
    for day in days:
        for one in day.rounds:
            for fill in one.fills:
                sums = pairs[fill.seller, fill.buyer]
                sums[0] += fill.energy_wh
                sums[1] += fill.amount_naud
                sums[2] += 1
    return [
        {"seller": seller, "buyer": buyer, "energy_wh": sums[0], "amount_naud": sums[1], "fills": sums[2]}
        for (seller, buyer), sums in sorted(pairs.items())
    ]


def _types(homes: Sequence[HomeSpec]) -> Json:
    """Mean W by hour of the types in use, on the first day (Figures 3 and 4)."""
    usage = {home.usage_type: home.usage for home in homes}
    generation = {home.generation_type: home.generation for home in homes if home.prosumer}
    return {
        "usage_w": {
            name: [usage[name].energy_wh(hour * 60, hour * 60 + 60) for hour in range(24)]
            for name in sorted(usage)
        },
        "generation_w": {
            name: [generation[name].energy_wh(hour * 60, hour * 60 + 60) for hour in range(24)]
            for name in sorted(generation)
        },
    }
