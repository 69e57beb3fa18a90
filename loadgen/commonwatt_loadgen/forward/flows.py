# SPDX-License-Identifier: Apache-2.0
"""A home's period in numbers that add up: over homes, hours and days."""

from typing import NamedTuple

from commonwatt_chaincode.market.forward.bills import Settled
from commonwatt_community.hems.forward.agent import PeriodRead

from commonwatt_loadgen.forward.without_market import Without


class Flows(NamedTuple):
    """Energy in Wh, money in nAUD that the home pays.

    Exports are ``delivered`` to contracts, ``shared_out``, ``fed_in`` or ``breach``.

    Use is ``direct`` from its own panels, ``own`` from its battery, ``contract`` and ``shared_in`` from neighbours, or
    ``grid`` from the grid. ``imbalance_naud`` is what it paid more than with contracts for just what it metered.
    """

    use_wh: int
    generation_wh: int
    direct_wh: int
    own_wh: int
    contract_wh: int
    grid_wh: int
    charged_wh: int
    curtailed_wh: int
    import_wh: int
    export_wh: int
    bought_wh: int
    sold_wh: int
    shared_in_wh: int
    shared_out_wh: int
    grid_in_wh: int
    grid_out_wh: int
    delivered_wh: int
    fed_in_wh: int
    over_wh: int
    missing_wh: int
    breach_wh: int
    contract_naud: int
    shared_naud: int
    grid_naud: int
    fee_naud: int
    amount_naud: int
    imbalance_naud: int
    without_import_wh: int
    without_export_wh: int
    same_equipment_naud: int


def flows_of(read: PeriodRead, one: Settled, price: int | None, without: Without) -> Flows:
    """What a home's period came to; ``price`` is the clearing's."""
    _, use_wh, generation_wh, import_wh, export_wh, _, curtailed_wh = read
    shared_in, shared_out, grid_in, grid_out, breach, contract, shared, grid, fee, amount = one.line
    _, bought_wh, sold_wh, *_ = one.metered
    direct_wh = min(use_wh, generation_wh)
    contract_wh = min(bought_wh, import_wh)
    over_wh = bought_wh - contract_wh
    missing_wh = max(0, sold_wh - export_wh + breach)
    imbalance_naud = 0
    if over_wh or missing_wh:
        tou, feed_in, local_fee = one.prices
        traded_at = price or 0
        imbalance_naud = over_wh * (traded_at + local_fee - feed_in) + missing_wh * (tou - traded_at)
    return Flows(
        use_wh,
        generation_wh,
        direct_wh,
        max(0, use_wh - direct_wh - import_wh),
        contract_wh,
        import_wh - contract_wh - shared_in,
        max(0, generation_wh - direct_wh - export_wh - curtailed_wh),
        curtailed_wh,
        import_wh,
        export_wh,
        bought_wh,
        sold_wh,
        shared_in,
        shared_out,
        grid_in,
        grid_out,
        sold_wh - missing_wh,
        grid_out - over_wh,
        over_wh,
        missing_wh,
        breach,
        contract,
        shared,
        grid,
        fee,
        amount,
        imbalance_naud,
        *without,
    )


def summed(rows: list[Flows]) -> Flows:
    """The sum of each column."""
    return Flows(*map(sum, zip(*rows, strict=True))) if rows else NOTHING


NOTHING = Flows(*[0] * len(Flows._fields))
