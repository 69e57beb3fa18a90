# SPDX-License-Identifier: Apache-2.0
"""Transactions that somebody holds back, or orders late: what they rested on has changed, so they are void."""

from typing import Any

import pytest
from commonwatt_chaincode.forward import keys
from commonwatt_chaincode.forward.records import FROZEN, Gate, encode
from commonwatt_chaincode.shim.testing.state import Place

from .neighbourhood import FIRST, MIDNIGHT, NOON, OPENS_BEFORE_S, Neighbourhood, Signer
from .test_batches import BIDS, carried

VOID = "MVCC_READ_CONFLICT"
ASK = {"period": NOON}


async def test_a_bid_in_flight_when_the_gate_closes(newtown: Neighbourhood) -> None:
    newtown.in_window(NOON)
    late = await newtown.endorse(
        "carrier", "submit_messages", BIDS, carried(newtown.request("h1", NOON, 500, 250_000))
    )
    assert late.status == 200
    await newtown.close(NOON)
    assert newtown.ledger.commit(late) == VOID
    assert not newtown.ledger.keys("m/", "m0")


async def test_no_flood_of_late_bids_keeps_a_period_from_closing_and_clearing(newtown: Neighbourhood) -> None:
    newtown.in_window(NOON)
    early = newtown.request("h1", NOON, 500, 250_000)
    assert await newtown.bids(NOON, early, newtown.offer("p1", NOON, 400, 100_000)) == ["written"] * 2
    flood = [
        await newtown.endorse(
            "carrier", "submit_messages", BIDS, carried(newtown.request("h2", NOON, 9, 250_000, seq=seq))
        )
        for seq in range(1, 33)
    ]
    newtown.at(NOON, -270)
    closing = await newtown.endorse("operator", "close_gate", ASK)
    assert set(closing.reads) == {f"gate/{NOON:09d}", "configuration", "clock"}
    assert closing.ranges == ()
    assert {newtown.ledger.commit(one) for one in flood[:16]} == {"VALID"}  # ordered before the gate
    assert newtown.ledger.commit(closing) == "VALID"
    clearing = await newtown.endorse("operator", "clear_period", ASK)
    assert {newtown.ledger.commit(one) for one in flood[16:]} == {VOID}
    assert newtown.ledger.commit(clearing) == "VALID"
    assert clearing.json()["traded_wh"] == 400


async def test_two_who_close_at_once(newtown: Neighbourhood) -> None:
    newtown.at(NOON, -200)
    one, two = [await newtown.endorse(who, "close_gate", ASK) for who in ("operator", "h1")]
    assert [newtown.ledger.commit(one), newtown.ledger.commit(two)] == ["VALID", VOID]
    assert (await newtown.do("h1", "close_gate", ASK))["transaction"] == one.transaction_id


async def test_a_clearing_held_back_until_readings_are_frozen(newtown: Neighbourhood) -> None:
    newtown.in_window(NOON)
    await newtown.bids(
        NOON, newtown.request("h1", NOON, 500, 250_000), newtown.offer("p1", NOON, 400, 100_000)
    )
    await newtown.close(NOON)
    held = await newtown.endorse("operator", "clear_period", ASK)
    gate = encode(Gate(NOON, FROZEN, newtown.now, "freezing"))
    place = Place("market", "", keys.gate_key(NOON))
    newtown.ledger.state.write(place, gate, (998, 0), "freezing", held.timestamp)
    assert newtown.ledger.commit(held) == VOID
    assert await newtown.refused("operator", "clear_period", ASK) == "already_frozen"


async def test_a_bidder_that_ends_meanwhile_voids_the_clearing(newtown: Neighbourhood) -> None:
    newtown.in_window(NOON)
    await newtown.bids(NOON, newtown.request("h1", NOON, 500, 250_000))
    await newtown.close(NOON)
    held = await newtown.endorse("operator", "clear_period", ASK)
    await newtown.do("operator", "end_home", {"home": "h1"})
    assert newtown.ledger.commit(held) == VOID


async def operators_transactions(town: Neighbourhood) -> list[tuple[str, str, Any, dict[str, bytes] | None]]:
    """One of each that a member could hold back until it suits."""
    await town.propose("h3")
    await town.do("operator", "register_home", {"home": "h4", "home_class": "consumer"})
    new, recovered = Signer(91), Signer(92)
    first, old = Signer(93), town.signers["h1"]
    h1, h2, h4 = ({"author": "home", "home": home} for home in ("h1", "h2", "h4"))
    rotation = {
        "possession": town.brings_key(new, "home", "h1", 2),
        "consent": town.brings_key(new, "home", "h1", 2, by=old),
    }
    recovery = {"possession": town.brings_key(recovered, "home", "h2", 2)}
    await town.do("operator", "propose_key", h2, recovery)
    envelope = {"from_period": NOON, "to_period": NOON + 60, "export_w": 0}
    return [
        ("operator", "configure", {"replaces": 1, "holidays": [20_500]}, None),
        ("operator", "register_home", {"home": "h5", "home_class": "consumer"}, None),
        ("grid", "confirm_home", {"home": "h3"}, None),
        ("operator", "end_home", {"home": "h2"}, None),
        ("operator", "set_key", h4, {"possession": town.brings_key(first, "home", "h4", 1)}),
        ("carrier", "set_key", h1, rotation),
        (
            "grid",
            "set_carrier_key",
            {"carrier": "GridMSP.service"},
            {"possession": town.brings_key(Signer(94), "carrier", "GridMSP.service", 1)},
        ),
        ("operator", "propose_key", h2, recovery),
        ("grid", "confirm_key", {**h2, "kid": recovered.key.kid}, None),
        ("grid", "set_envelope", envelope, None),
        ("operator", "set_sharing_keys", {"from_period": NOON + 600, "keys": {"h1": 1}}, None),
        ("grid", "report_feeder", {"period": MIDNIGHT, "import_wh": 1, "export_wh": 1}, None),
    ]


@pytest.mark.parametrize("wait_s", [3_600])
async def test_transactions_of_those_who_run_the_market_do_not_keep(
    newtown: Neighbourhood, wait_s: int
) -> None:
    """Submitted an hour later, none of them counts: a gate was closed in between, be it not the next one."""
    transactions = await operators_transactions(newtown)
    newtown.at(NOON, 60)
    endorsed = [await newtown.endorse(*one) for one in transactions]
    assert [one.message for one in endorsed if one.status >= 400] == []
    held = [(name, done) for (_, name, *_), done in zip(transactions, endorsed, strict=True)]
    newtown.now += wait_s
    await newtown.do("grid", "close_gate", {"period": NOON + 55})
    voided = {name: newtown.ledger.commit(done) for name, done in held}
    assert voided == {name: "PHANTOM_READ_CONFLICT" for name, _ in held}


async def test_an_envelope_in_time_holds_and_a_late_one_does_not(newtown: Neighbourhood) -> None:
    envelope = {"from_period": NOON, "to_period": NOON + 5, "export_w": 0}
    newtown.at(NOON, -OPENS_BEFORE_S)
    await newtown.do("grid", "set_envelope", envelope | {"export_w": 2_400})
    newtown.at(NOON, -300)
    await newtown.do("grid", "set_envelope", envelope)
    answer = await newtown.ask("p1", "get_envelopes", {"period": NOON})
    assert answer["caps"]["export_wh"] == 200
    assert len(answer["envelopes"]) == 2


async def test_an_envelope_that_replaces_another_in_time_takes_its_place(newtown: Neighbourhood) -> None:
    envelope = {"from_period": NOON, "to_period": NOON + 5}
    for power_w in (100, 200, 300):
        await newtown.do("grid", "set_envelope", envelope | {"import_w": power_w})
    answer = await newtown.ask("p1", "get_envelopes", {"period": NOON})
    assert (len(answer["envelopes"]), answer["caps"]["import_wh"]) == (1, 25)


async def test_a_first_configuration_ordered_twice(bare: Neighbourhood) -> None:
    one, two = [await bare.endorse("operator", "configure", FIRST) for _ in range(2)]
    assert [bare.ledger.commit(one), bare.ledger.commit(two)] == ["VALID", VOID]
