# SPDX-License-Identifier: Apache-2.0
"""Prices now and in the hours to come, as far as tariff and clearings say them."""

from collections.abc import Iterable
from typing import Any

from commonwatt_chaincode.market.forward.gates import window_opens_s
from commonwatt_chaincode.market.forward.periods import period_at
from commonwatt_chaincode.market.forward.tariffs import tariff_of

from ..market.results import ClearedPrice, Configuration

AHEAD_S = 12 * 3_600
MID_MARKET = "mid_market"


def outlook(
    configuration: Configuration, now_s: int, cleared: Iterable[ClearedPrice], ahead_s: int = AHEAD_S
) -> list[dict[str, Any]]:
    """Spans of equal prices from the running period on, in order; µAUD per kWh.

    ``neighbours`` is the price at which a period was cleared. Before that, and where nothing traded, it is the middle
    price in the mid-market, where no other price can come out; null otherwise. ``cleared`` says whether it is the
    clearing's.
    """
    known = {one.period: one.price_uaud_per_kwh for one in cleared}
    spans: list[dict[str, Any]] = []
    period = period_at(now_s, configuration.lengths, configuration.offsets)
    while period.start_s < now_s + ahead_s:
        rules = configuration.rules_of(period.id)
        tariff = tariff_of(
            period,
            configuration.tariffs,
            configuration.holidays,
            configuration.offsets,
            window_opens_s(period, rules.times),
        )
        price = known.get(period.id)
        expected = tariff.prices.middle if rules.pricing == MID_MARKET else None
        said = {
            "band": tariff.band.name,
            "tou": tariff.prices.tou,
            "feed_in": tariff.prices.feed_in,
            "local_fee": tariff.prices.local_fee,
            "neighbours": expected if price is None else price,
            "cleared": price is not None,
        }
        if spans and {name: spans[-1][name] for name in said} == said:
            spans[-1]["to_s"] = period.end_s
        else:
            spans.append({"from_s": period.start_s, "to_s": period.end_s, **said})
        period = period_at(period.end_s, configuration.lengths, configuration.offsets)
    return spans
