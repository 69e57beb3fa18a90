# SPDX-License-Identifier: Apache-2.0
"""What the paper's abstract claims, claim by claim, beside what our runs find.

A claim holds, holds in part, or does not; the rule by which it is judged stands beside it, so that a reader may judge
otherwise.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]

HOLDS, IN_PART, DOES_NOT = "holds", "holds in part", "does not hold"

CLAIMED_PERCENT = 60
MOST_VARIATION_PERCENT = MOST_DRIFT_PERCENT = 5.0
MOST_GROWTH = 1.25  # per home, from the smallest community to the largest


@dataclass(frozen=True)
class Claim:
    """A claim, the rule that judges it, the verdict, and the figures behind it."""

    claim: str
    rule: str
    verdict: str
    figure: str


def claims(summary: Json) -> list[Claim]:
    """Every claim of the abstract that a simulation can judge, in its order."""
    months = summary["thirty_days"]
    return [
        _stable(months),
        _scalable(summary["users"]),
        _shifts_peaks(months),
        _cuts_costs(summary["shares"]["NSW"]),
        _benefits(months),
        _carbon(months),
    ]


NOT_JUDGED = (
    "“Secure” is no matter of a simulation: trust.md says what each party could do, and names the test of "
    "each attack."
)


def verdict(good: Sequence[bool]) -> str:
    """All, some or none."""
    return HOLDS if all(good) else IN_PART if any(good) else DOES_NOT


def _stable(months: Sequence[Json]) -> Claim:
    known = [one for one in months if one["price_mean"] is not None]
    good = [
        one["price_variation_percent"] <= MOST_VARIATION_PERCENT
        and abs(one["price_drift_percent"]) <= MOST_DRIFT_PERCENT
        for one in known
    ]
    return Claim(
        "the system is stable",
        f"over 30 days the daily mean price varies by at most {MOST_VARIATION_PERCENT:g} % (standard deviation) "
        f"and drifts by at most {MOST_DRIFT_PERCENT:g} %",
        verdict(good) if good else DOES_NOT,
        _each(
            known,
            lambda one: (
                f"{one['price_mean']:.1f} c/kWh ± {one['price_variation_percent']:.1f} %, "
                f"drift {one['price_drift_percent']:+.1f} %"
            ),
        ),
    )


def _scalable(users: Sequence[Json]) -> Claim:
    first, last = users[0], users[-1]

    def per_user(one: Json, *names: str) -> float:
        return float(sum(one["counts"][name]["mean"] for name in names) / one["users"])

    need = last["need_kwh_per_user"]["mean"] / first["need_kwh_per_user"]["mean"]
    orders = [per_user(one, "requests", "offers") for one in (first, last)]
    return Claim(
        "the system is scalable",
        f"what a home buys, and how many orders the market takes for it, grow by at most {MOST_GROWTH:g} "
        f"from {first['users']} to {last['users']} homes",
        verdict([need <= MOST_GROWTH, orders[1] <= MOST_GROWTH * orders[0]]),
        f"a home buys {first['need_kwh_per_user']['mean']:.1f} and {last['need_kwh_per_user']['mean']:.1f} kWh a day; "
        f"the market takes {orders[0]:.0f} and {orders[1]:.0f} orders a home and day, "
        "for each request meets the offer of every seller",
    )


def _shifts_peaks(months: Sequence[Json]) -> Claim:
    return Claim(
        "it helps shift loads and power peaks",
        "the dearest hour of imports is lower than for the same homes without a market",
        verdict([one["mean_peak_hour_wh"]["with"] < one["mean_peak_hour_wh"]["without"] for one in months]),
        _each(months, lambda one: f"{_change(one['mean_peak_hour_wh'])} in the mean peak hour")
        + ". Nobody moves a load: batteries alone do",
    )


def _cuts_costs(shares: Sequence[Json]) -> Claim:
    cuts = {one["share_percent"]: 100 - one["all"]["mean"] for one in shares}
    consumers = {one["share_percent"]: 100 - one["consumers"]["mean"] for one in shares if one["consumers"]}
    best, best_of_consumers = max(cuts, key=cuts.__getitem__), max(consumers, key=consumers.__getitem__)
    reached = [share for share, cut in cuts.items() if cut >= CLAIMED_PERCENT]
    return Claim(
        f"it reduces customers' costs by {CLAIMED_PERCENT} %",
        f"all homes pay {CLAIMED_PERCENT} % less than by the paper's own baseline, in part where it takes most homes "
        "to have PV",
        DOES_NOT if not reached else HOLDS if min(reached) <= 50 else IN_PART,
        f"all homes pay {cuts[50]:.0f} % less at 50 % generators, at most {cuts[best]:.0f} % less (at {best} %); "
        f"consumers at most {consumers[best_of_consumers]:.0f} % less (at {best_of_consumers} %). "
        "Most of it is the sun",
    )


def _benefits(months: Sequence[Json]) -> Claim:
    return Claim(
        "it brings greater economic benefits than trade with the grid alone",
        "homes together pay less than the same homes with the same equipment and no market, and none pays more",
        verdict([good for one in months for good in (one["saved_percent"] > 0, one["worse_off"] == 0)]),
        _each(
            months,
            lambda one: f"{one['saved_percent']:.1f} % saved, {one['worse_off']} homes worse off",
        ),
    )


def _carbon(months: Sequence[Json]) -> Claim:
    good = [better for one in months for better in (_less(one["imports_kg"]), _less(one["net_kg"]))]
    return Claim(
        "it reduces the carbon footprint",
        "less CO₂ of imports, and less of imports less exports, than without a market",
        verdict(good),
        _each(
            months,
            lambda one: f"imports {_change(one['imports_kg'])}, net {_change(one['net_kg'])}",
        ),
    )


def _less(pair: Json) -> bool:
    return bool(pair["with"] < pair["without"])


def _change(pair: Json) -> str:
    return f"{100 * (pair['with'] / pair['without'] - 1):+.1f} %" if pair["without"] else "–"


def _each(months: Sequence[Json], words: Any) -> str:
    return "; ".join(f"{one['share_percent']} % generators: {words(one)}" for one in months)
