# SPDX-License-Identifier: Apache-2.0
"""The cost of the same meter readings at the grid's tariff alone, and so the market's saving.

Export above an envelope earns nothing, with a market or without one. A battery that runs for the market would run
otherwise without one; what it would have done nobody metered.
"""

from collections.abc import Iterable

from commonwatt_chaincode.market.forward.bills import BandSum

from ..market.results import HomeLine


def saved_on_bands(bands: Iterable[BandSum]) -> int:
    """nAUD that the tariff alone would have cost more for the energy of these bands; negative: less."""
    saved_naud = 0
    for band in bands:
        prices = band.prices
        alone_naud = _alone_naud(band.import_wh, band.export_wh, band.breach_wh, prices.tou, prices.feed_in)
        paid_naud = band.contract_naud + band.shared_naud + band.grid_in_naud + band.grid_out_naud
        saved_naud += alone_naud - paid_naud - band.breach_naud - band.fee_naud
    return saved_naud


def saved_on_lines(lines: Iterable[HomeLine]) -> int:
    """The same of settled periods."""
    return sum(
        _alone_naud(one.import_wh, one.export_wh, one.breach_wh, one.tou, one.feed_in) - one.amount_naud
        for one in lines
    )


def _alone_naud(import_wh: int, export_wh: int, breach_wh: int, tou: int, feed_in: int) -> int:
    return import_wh * tou - (export_wh - breach_wh) * feed_in - breach_wh * min(0, feed_in)
