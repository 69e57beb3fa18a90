# SPDX-License-Identifier: Apache-2.0
"""The strategy `patient`."""

from commonwatt_community.hems.draws import Draws
from commonwatt_community.hems.strategy import PriceView
from commonwatt_community.plugins import flaw
from patient import Patient

VIEW = PriceView(feed_in=100_000, tou=300_000, suggested=200_000, energy_wh=500, draw=0)
DRAWS = Draws(1, "ask", "home001")


def test_it_comes_down_to_the_suggested_price_and_goes_up_again():
    home = Patient()
    assert home.ask(VIEW, DRAWS) == 260_000
    for _ in range(10):
        home.sold(500, 0)
    assert home.ask(VIEW, DRAWS) == home.bid(VIEW, DRAWS) == 200_000
    home.sold(500, 500)
    assert home.ask(VIEW, DRAWS) == 210_000


def test_commonwatt_takes_it():
    assert flaw("strategies", Patient) is None
