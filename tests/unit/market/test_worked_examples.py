# SPDX-License-Identifier: Apache-2.0
"""The three worked examples of the market's specification, told step by step."""

from commonwatt_chaincode.market.battery import Account, Battery, available_wh
from commonwatt_chaincode.market.clearing import Clearing, clear
from commonwatt_chaincode.market.orders import Offer, Request
from commonwatt_chaincode.market.parameters import Parameters
from commonwatt_chaincode.market.prices import PriceState, buy_price, sell_price, term
from commonwatt_chaincode.market.settlement import interval_energy_wh, settle_interval
from commonwatt_chaincode.market.tariff import tou_at
from commonwatt_chaincode.market.ties import round_seed, tie_key

RULES = Parameters()


def fills(clearing: Clearing) -> list[tuple[str, str, int, int, int]]:
    return [
        (fill.request, fill.offer, fill.energy_wh, fill.price_uaud_per_kwh, fill.amount_naud)
        for fill in clearing.fills
    ]


def after(clearing: Clearing) -> tuple[int | None, int | None, int]:
    totals = clearing.totals
    return totals.price_s_uaud_per_kwh, totals.price_b_uaud_per_kwh, totals.redundancy_wh


def test_a_single_request_with_a_tie_broken_by_the_hash_key() -> None:
    minute = 10 * 60 + 15
    tou = tou_at(RULES.tou, minute)
    assert tou == 277_100

    history = (130_000, 125_000, 128_000)
    assert term(history, RULES.seed_s, RULES.window, RULES.mode) == 1_197
    assert sell_price(RULES, PriceState(hist_s=history, redundancy_wh=2_450), minute) == 139_251

    bought_at = 2_537_100 - 8 * RULES.seed_b  # two limits that make the window's sum 2537100
    limits = (bought_at // 2, bought_at - bought_at // 2)
    assert buy_price(RULES, PriceState(hist_b=limits), 900, minute) == 269_717

    request = Request("R1", "U07", 900, 269_717)
    offers = [
        Offer("O1", "U31", 400, 125_000),
        Offer("O2", "U12", 350, 118_500),
        Offer("O3", "U55", 600, 125_000),
    ]
    seed = round_seed(["R1", "O1", "O2", "O3"])
    assert tie_key(seed, "R1") == 227_025_543_927_150
    assert [tie_key(seed, offer.id) for offer in offers] == [
        121_399_745_593_688,
        198_994_944_893_374,
        243_115_826_216_054,
    ]

    clearing = clear([request], offers, tou)
    assert fills(clearing) == [
        ("R1", "O2", 350, 118_500, 41_475_000),
        ("R1", "O1", 400, 125_000, 50_000_000),
        ("R1", "O3", 150, 125_000, 18_750_000),
    ]
    (bought,) = clearing.requests
    assert (bought.grid_energy_wh, bought.amount_naud, bought.state) == (0, 110_225_000, "FILLED")
    assert [(o.sold_wh, o.released_wh, o.revenue_naud, o.state) for o in clearing.offers] == [
        (400, 0, 50_000_000, "ACCEPTED"),
        (350, 0, 41_475_000, "ACCEPTED"),
        (150, 450, 18_750_000, "PARTIAL"),
    ]
    assert after(clearing) == (122_472, 269_717, 450)


def test_several_requests_with_a_self_trade_a_low_limit_and_a_grid_remainder() -> None:
    tou = tou_at(RULES.tou, 18 * 60 + 30)
    requests = [
        Request("R1", "U01", 1_200, 250_000),
        Request("R2", "U02", 800, 400_000),
        Request("R3", "U03", 500, 541_100),
        Request("R4", "U04", 300, 0, bidding=False),
    ]
    offers = [
        Offer("O1", "U20", 700, 180_000),
        Offer("O2", "U03", 600, 150_000),
        Offer("O3", "U21", 900, 260_000),
    ]
    seed = round_seed(["R1", "R2", "R3", "O1", "O2", "O3"])
    assert tie_key(seed, "R2") == 80_068_299_327_040

    clearing = clear(requests, offers, tou)
    assert fills(clearing) == [
        ("R3", "O1", 500, 180_000, 90_000_000),  # not O2, its own
        ("R2", "O2", 600, 150_000, 90_000_000),
        ("R2", "O1", 200, 180_000, 36_000_000),
    ]
    assert [(r.p2p_energy_wh, r.grid_amount_naud, r.amount_naud, r.state) for r in clearing.requests] == [
        (0, 649_320_000, 649_320_000, "GRID_ONLY"),  # its limit is below O3's price
        (800, 0, 126_000_000, "FILLED"),
        (500, 0, 90_000_000, "FILLED"),
        (0, 162_330_000, 162_330_000, "GRID_ONLY"),
    ]
    assert [(o.sold_wh, o.revenue_naud, o.state) for o in clearing.offers] == [
        (700, 126_000_000, "ACCEPTED"),
        (600, 90_000_000, "ACCEPTED"),
        (0, 0, "RELEASED"),
    ]
    assert after(clearing) == (166_153, 454_269, 733)
    assert (clearing.totals.p2p_energy_wh, clearing.totals.p2p_amount_naud) == (1_300, 216_000_000)
    assert (clearing.totals.grid_energy_wh, clearing.totals.grid_amount_naud) == (1_500, 811_650_000)


def test_an_interval_with_losses_and_both_prices_clamped() -> None:
    minute, minutes = 22 * 60 + 12, 58
    tou = tou_at(RULES.tou, minute)
    use_wh = interval_energy_wh(1_380, minutes)
    assert use_wh == 1_334

    battery = Battery(
        capacity_wh=5_000,
        eta_c_ppm=950_000,
        eta_d_ppm=950_000,
        soc_min_ppm=100_000,
        soc_max_ppm=950_000,
        soc_dsr_ppm=0,
        p_rate_w=5_000,
    )
    assert (battery.e_min_wh, battery.e_max_wh) == (500, 4_750)
    assert available_wh(battery, Account(energy_wh=1_000), minutes) == 475
    interval = settle_interval(battery, Account(energy_wh=1_000), minutes, use_wh, 0)
    assert (interval.own_wh, interval.account.energy_wh, interval.need_wh) == (475, 500, 859)

    history = (
        101_000,
        100_500,
        102_000,
        100_000,
        100_200,
        100_900,
        101_500,
        100_000,
        100_000,
        100_300,
        100_100,
    )
    assert term(history, RULES.seed_s, RULES.window, RULES.mode) == 1_002
    assert sell_price(RULES, PriceState(hist_s=history, redundancy_wh=9_000), minute) == RULES.feed_in
    assert buy_price(RULES, PriceState(), 859, minute) == tou == 177_000

    clearing = clear([Request("R9", "U42", 859, tou)], [Offer("O9", "U17", 500, 100_000)], tou)
    assert fills(clearing) == [("R9", "O9", 500, 100_000, 50_000_000)]
    (bought,) = clearing.requests
    assert (bought.grid_energy_wh, bought.grid_amount_naud, bought.state) == (359, 63_543_000, "PARTIAL_GRID")
    assert bought.amount_naud == 113_543_000
    assert after(clearing) == (100_000, 177_000, 500)
