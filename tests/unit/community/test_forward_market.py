# SPDX-License-Identifier: Apache-2.0
"""The typed client of the forward market: plain values in and out, refusals by code, and what is tried again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from commonwatt_client import EndorseError, EvaluateError
from commonwatt_client.errors import ConfigurationError, MalformedMessageError
from commonwatt_community.market.forward import ForwardMarket, organizations_of
from commonwatt_community.market.refused import Refused, refusal_of
from commonwatt_community.market.results import HomeLines, SettledPart, Written, read_result
from commonwatt_community.messages.author import Author
from commonwatt_community.messages.signing_key import make_key
from commonwatt_loadgen.forward.setup import NumbersInMemory

from ...support.memory_forward import MemoryChannel

NOON = 22_528_980
TARIFF = {
    "schedules": [
        {
            "days": {"weekdays": [0, 1, 2, 3, 4, 5, 6], "holidays": True},
            "bands": [{"name": "all", "from_min": 0, "to_min": 1440, "tou": 300_000, "feed_in": 100_000}],
        }
    ]
}
FIRST: Mapping[str, Any] = {
    "clock": "simulated",
    "at_s": NOON * 60 - 7_200,
    "period_min": 30,
    "utc_offset_min": 660,
    "tariff": TARIFF,
}


PART = json.dumps(
    {name: 0 for name in SettledPart.__dataclass_fields__ if name != "settled"} | {"settled": True}
).encode()


class Failing:
    """A contract that refuses so often, and then answers."""

    def __init__(self, *texts: str, answer: bytes = b"{}") -> None:
        self.texts, self.answer, self.calls = list(texts), answer, 0

    async def submit(self, name: str, **_: Any) -> Any:
        self.calls += 1
        if self.texts:
            raise EndorseError(self.texts.pop(0))
        return type("Outcome", (), {"result": self.answer, "tries": 1})

    async def evaluate(self, name: str, **_: Any) -> bytes:
        if self.texts:
            raise EvaluateError(self.texts.pop(0))
        return self.answer


def client(contract: Any, **settings: Any) -> ForwardMarket:
    return ForwardMarket(contract, ("NewtownMSP", "GridMSP"), **settings)


async def test_a_period_through_every_party(tmp_path: Path) -> None:
    """Each call of the client that a period takes, against the contract itself."""
    channel = MemoryChannel()
    operator, grid = channel.market("NewtownMSP", "operator"), channel.market("GridMSP", "grid")
    done = await operator.configure(0, **FIRST)
    authors = {
        home: Author(make_key(tmp_path / f"{home}.pem"), NumbersInMemory(), done.net, "newtown", home)
        for home in ("h1", "h2")
    }
    await operator.register_homes(
        [{"home": home, "home_class": "prosumer", "pv_w": 5_000} for home in authors]
    )
    for home, author in authors.items():
        new = await operator.set_key("home", home, author.brings_key(author.key.public, 1))
        assert (new.kid, new.version) == (author.key.public.kid, 1)
    confirmed = await grid.confirm_homes(list(authors))
    assert confirmed.from_period <= NOON
    assert [home.versions[0].connection.pv_w for home in await operator.list_homes()] == [5_000, 5_000]
    assert (await operator.get_home("h1")).proposed is None
    assert (await operator.get_keys("home", "h1")).versions[0].jwk == authors["h1"].key.public.jwk
    await operator.advance_clock(NOON * 60 - 1_800)
    assert (await operator.get_configuration()).now_s == NOON * 60 - 1_800
    bids = [authors["h1"].request(NOON, 300, 250_000), authors["h2"].offer(NOON, 200, 150_000)]
    carrier = channel.market("GridMSP", "carrier")
    assert (await carrier.submit_messages("bid", NOON, bids)).results == ("written", "written")
    await grid.set_envelope(NOON, NOON + 60, home="h2", export_w=2_000)
    await operator.advance_clock(NOON * 60 - 270)
    assert (await operator.close_gate(NOON)).state == "closed"
    cleared = await operator.clear_period(NOON)
    assert (cleared.traded_wh, cleared.price_uaud_per_kwh, cleared.requests) == (200, 200_000, 1)
    assert [price.traded_wh for price in await carrier.get_prices(NOON, NOON + 30)] == [200]
    await operator.advance_clock(NOON * 60 + 1_800)
    said = [authors["h1"].reading(NOON, 400, 0), authors["h2"].reading(NOON, 0, 250)]
    assert (await carrier.submit_messages("reading", NOON, said)).results == ("written", "written")
    await grid.report_feeder(NOON, 150, 0)
    envelopes = await operator.get_envelopes(NOON, "h2")
    assert [one.export_w for one in envelopes.envelopes] == [2_000]
    assert envelopes.caps is not None
    assert envelopes.caps.export_wh == 1_000
    assert await operator.get_sharing_keys(NOON) == {}
    assert (await operator.would_freeze(NOON)).version == 1
    [listed] = await operator.list_periods(NOON, NOON + 30)
    assert (listed.meter, listed.settled, listed.cleared and listed.cleared.traded_wh) == (None, None, 200)
    assert (await operator.freeze_period(NOON)).version == 1
    part = await operator.settle_period(NOON)
    assert (part.settled, part.parts, part.measured) == (True, 1, 2)
    assert (await operator.settle_period(NOON)) == part
    [listed] = await operator.list_periods(NOON, NOON + 30)
    assert listed.settled is not None
    assert (listed.settled.version, [home.takes_part(NOON) for home in await operator.list_homes()]) == (
        1,
        [True, True],
    )
    own = channel.market("NewtownMSP", "home", **{"home.id": "h1"})
    [awards] = await own.list_awards(NOON, NOON + 30)
    assert [(one.home, one.bought_wh, one.code) for one in awards.awards] == [("h1", 200, "")]
    [line] = await own.list_lines(NOON, NOON + 30, "h1")
    assert (line.import_wh, line.bought_wh, line.shared_in_wh, line.quality) == (400, 200, 50, "measured")
    assert [one.message.encode() for one in await own.list_messages("bid", NOON)] == bids[:1]
    state = await own.get_period(NOON)
    assert state.sums is not None
    assert (state.sums.import_wh, state.sums.measured, state.gate and state.gate.state) == (400, 2, "frozen")
    with pytest.raises(Refused) as refused:
        await own.list_lines(NOON, NOON + 30, "h2")
    assert refused.value.code == "not_yours"
    with pytest.raises(Refused, match="unknown_bill"):
        await own.get_bill("h1", 15_645)
    await operator.end_home("h2")
    await grid.confirm_homes(["h2"])
    assert (await operator.get_home("h2")).to_period is not None


async def test_a_lost_key_is_recovered(tmp_path: Path) -> None:
    channel = MemoryChannel()
    operator, grid = channel.market("NewtownMSP", "operator"), channel.market("GridMSP", "grid")
    net = (await operator.configure(0, **FIRST)).net
    await operator.register_homes([{"home": "h1", "home_class": "consumer"}])
    old, new = (
        Author(make_key(tmp_path / f"{name}.pem"), NumbersInMemory(), net, "newtown", "h1")
        for name in ("old", "new")
    )
    await operator.set_key("home", "h1", old.brings_key(old.key.public, 1))
    possession = new.brings_key(new.key.public, 2)
    assert (await operator.propose_key("home", "h1", possession)).state == "proposed"
    assert (await operator.propose_key("home", "h1", None)).state == "dropped"
    await operator.propose_key("home", "h1", possession)
    assert (await grid.confirm_key("home", "h1", new.key.public.kid)).state == "confirmed"
    assert len((await operator.get_keys("home", "h1")).versions) == 2


async def test_private_data_that_a_peer_lacks_is_waited_for() -> None:
    told: list[tuple[str, int]] = []
    contract = Failing(*["chaincode response 400, data_not_here: retry"] * 3, answer=PART)
    market = client(contract, told=lambda name, _, tries: told.append((name, tries)))
    await market.settle_period(NOON)
    assert contract.calls == 4
    assert told == [("settle_period", 4)]


async def test_data_that_never_come_end_in_the_refusal() -> None:
    contract = Failing(*["chaincode response 400, data_not_here: retry"] * 99)
    with pytest.raises(Refused, match="settle_period refused: data_not_here: retry"):
        await client(contract).settle_period(NOON)


async def test_a_peer_that_is_behind_is_waited_for_where_one_transaction_follows_another() -> None:
    text = "chaincode response 400, gate_open: the gate is not closed"
    with pytest.raises(Refused):
        await client(Failing(text)).settle_period(NOON)
    contract = Failing(text, answer=PART)
    await client(contract, passing=frozenset({"gate_open"})).settle_period(NOON)
    assert contract.calls == 2


async def test_what_the_network_fails_stays_the_networks() -> None:
    with pytest.raises(EndorseError):
        await client(Failing("no peer answers")).settle_period(NOON)
    with pytest.raises(EvaluateError):
        await client(Failing("no peer answers")).get_configuration()
    assert refusal_of(EndorseError("chaincode response 500, panic"), "settle_period") is None


async def test_an_answer_of_another_version_is_named_by_its_places_alone() -> None:
    """Results may be private: no value of one reaches an error."""
    lines = {"lines": [{"home": "secret-home", "import_wh": "many"}]}
    with pytest.raises(MalformedMessageError, match="is no HomeLines at lines.0") as error:
        read_result(HomeLines, json.dumps(lines).encode())
    assert "secret-home" not in str(error.value)
    assert "many" not in str(error.value)
    with pytest.raises(MalformedMessageError, match="is no Written at the whole"):
        read_result(Written, b"\xff")
    assert read_result(Written, b'{"results": ["written"], "new": 1}').results == ("written",)


def test_the_organisations_of_a_channel_endorse() -> None:
    content = {
        "channels": {"newtown": {"organizations": ["newtown", "grid"]}},
        "organizations": {"newtown": {"mspid": "NewtownMSP"}, "grid": {"mspid": "GridMSP"}},
    }
    assert organizations_of(content, Path("network.json"), "newtown") == ("NewtownMSP", "GridMSP")
    with pytest.raises(ConfigurationError, match="names no channel glebe"):
        organizations_of(content, Path("network.json"), "glebe")
