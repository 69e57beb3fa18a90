# SPDX-License-Identifier: Apache-2.0
"""Energy by source and band, with the lines that tell bought from sold and without."""

from commonwatt_chaincode.market.forward.bills import BandSum
from commonwatt_chaincode.market.forward.prices import Prices
from commonwatt_community.statement.energy import energy_lines, merged_bands

PRICES = Prices(300_000, 60_000, 20_000)


def band(name: str, **given: int) -> BandSum:
    return BandSum(
        name, PRICES, *(given.get(field, 0) for field in BandSum._fields[2:-1])
    )  # without the exchange


def test_without_lines_both_ways_are_shown_together() -> None:
    both = band("day", bought_wh=700, sold_wh=200, contract_naud=500 * 170_000)
    one_way = band("night", shared_in_wh=100, shared_naud=100 * 170_000)
    told = {line.kind: (line.band, line.energy_wh, line.cents) for line in energy_lines([both, one_way], ())}
    assert told == {"contracts": ("day", 500, 9), "shared_in": ("night", 100, 2)}  # 8.5 c and 1.7 c


def test_one_band_at_two_tariffs_is_two_lines() -> None:
    old = band("day", grid_in_wh=1_000, grid_in_naud=1_000 * 300_000)
    new = old._replace(prices=Prices(400_000, 60_000, 20_000), grid_in_naud=1_000 * 400_000)
    assert [line.price_uaud_per_kwh for line in energy_lines([old, new, old], ())] == [300_000, 400_000]


def test_bands_merge_without_rounding_again() -> None:
    lines = energy_lines([band(name, grid_in_wh=5, grid_in_naud=5 * 10**6) for name in "abc"], ())
    assert [line.cents for line in lines] == [1, 1, 1]
    (merged,) = merged_bands(lines)
    assert (merged.energy_wh, merged.cents, merged.band) == (15, 3, "")
