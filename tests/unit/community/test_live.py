# SPDX-License-Identifier: Apache-2.0
"""A live home offers on events, and never more than its battery holds, whatever happens to the stream."""

import json
from dataclasses import dataclass

from commonwatt_chaincode.market.parameters import Parameters
from commonwatt_community.hems.agent import HomeAgent
from commonwatt_community.hems.energy import Silent
from commonwatt_community.hems.home import HomeSpec
from commonwatt_community.hems.live import LiveHome
from commonwatt_loadgen.traces.sources import HourlyProfile

OPERATOR, SELLER, BUYERS = "operator", "home001", ("home002", "home003")
HOMES = (SELLER, *BUYERS)
HOUR_S = 3600
NOON = 1 * HOUR_S  # local time is eleven hours ahead


@dataclass
class Event:
    event_name: str
    payload: bytes


class Market:
    """A contract in memory: transactions of anybody, the events they made, and the seller's refusals."""

    def __init__(self, calls) -> None:
        self.calls = calls
        self.refused: list[str] = []
        self.offers: list[int] = []

    async def submit(self, transaction, argument):
        try:
            result = await self.calls.submit(SELLER, transaction, argument)
        except Exception as refusal:
            self.refused.append(str(refusal))
            return None
        self.offers.append(argument["energy_wh"])
        return result

    async def evaluate(self, transaction, argument):
        return await self.calls.evaluate(SELLER, transaction, argument)

    async def prepare(self, stored_wh):
        do = self.calls.submit
        await do(OPERATOR, "configure", {"clock": "simulated", "at": 0})
        for home in HOMES:
            kind = "prosumer" if home == SELLER else "consumer"
            await do(OPERATOR, "register_home", {"home": home, "home_class": kind})
        reading = {"home": SELLER, "interval_start": NOON - HOUR_S, "interval_end": NOON, "use_wh": 0}
        await do(SELLER, "report_reading", {**reading, "generation_wh": stored_wh})

    async def open(self, at, buyer):
        """A buyer needs 800 Wh of the ten minutes until `at`."""
        interval = {"interval_start": at - 600, "interval_end": at, "use_wh": 800, "generation_wh": 0}
        opened = await self.calls.submit(buyer, "settle_interval", {"home": buyer, "bid": True, **interval})
        return _event("round_opened", opened)

    async def close(self, opened):
        terms = json.loads(opened.payload)
        cleared = await self.calls.submit(
            OPERATOR, "close_round", {"round": terms["round"], "at": terms["closes_at"]}
        )
        return _event("round_cleared", cleared)


def _event(name, payload):
    return Event(name, json.dumps(payload).encode())


async def stream(*events):
    for event in events:
        yield event


def seller(market):
    spec = HomeSpec(SELLER, True, "U", "G", HourlyProfile((0,) * 24), Silent(), 5000, 5000, "suggested")
    return LiveHome(HomeAgent(spec, Parameters(), 1), market)


async def held(market):
    return await market.evaluate("get_battery", {"home": SELLER})


async def test_it_offers_what_it_has_once_and_goes_on_after_a_lost_stream(memory_calls):
    market = Market(memory_calls(HOMES))
    await market.prepare(2000)
    home = seller(market)
    first = await market.open(NOON + 600, BUYERS[0])
    second = await market.open(NOON + 600, BUYERS[1])
    await home.follow(stream(first, second, first))  # two rounds at once, one event repeated, then cut off
    assert market.offers == [2000]  # all of it, once
    assert (await held(market))["available_wh"] == 0

    await market.close(first)  # nobody tells the home
    third = await market.open(NOON + 1200, BUYERS[0])

    async def from_here():
        for event in (second, third):
            yield event
        yield await market.close(second)
        yield await market.close(third)

    await home.follow(from_here())
    assert market.offers[1:] == [1200]  # what the first sale left, in the first round that was still open
    assert market.refused == []
    after = await held(market)
    assert after["reserved_wh"] == 0
    assert after["battery_wh"] == 2000 - 800 - 800


async def test_a_restarted_home_does_not_offer_again_what_is_reserved(memory_calls):
    market = Market(memory_calls(HOMES))
    await market.prepare(1500)
    opened = await market.open(NOON + 600, BUYERS[0])
    await seller(market).follow(stream(opened))
    await seller(market).follow(stream(opened))  # another process, which knows of no offer
    assert market.offers == [1500]
    assert market.refused == []
    cleared = await market.close(opened)
    late = seller(market)
    await late.follow(stream(opened, cleared))  # the opening comes after its round is over
    assert market.offers == [1500]
    assert (await held(market))["battery_wh"] == 700
