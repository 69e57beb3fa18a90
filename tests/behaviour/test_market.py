# SPDX-License-Identifier: Apache-2.0
"""The market on a running network: who may do what."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from commonwatt_chaincode.contract import Market as Contract
from commonwatt_network.channels.deploy import peer_admin

from .trading import market_of

ALLOWED = ""
"""The contract comes as far as an answer."""
EXPIRED, DENIED = "proposal client identity expired", "access denied"
"""Peers turn these callers away before the contract is asked."""

CALLERS = ("operator", "grid", "home001", "home002", "meter", "stranger", "expired", "other community")
"""The operator, the grid's, a home, another home, the first one's meter, a member without attributes, an operator whose
certificate has run out, the operator of another community."""

NO_ROUND = {"round": "99999999"}
REGISTRATION = {"home": "h9", "home_class": "consumer"}
READING = {"home": "home001", "interval_start": 0, "interval_end": 60, "use_wh": 1, "generation_wh": 0}
CORRECTION = {"home": "home001", "interval_start": 0, "use_wh": 1, "generation_wh": 0, "reason": "misread"}
OFFER = NO_ROUND | {"home": "home001", "energy_wh": 1, "price_uaud_per_kwh": 150_000}
REQUEST = NO_ROUND | {"home": "home001", "interval_start": 0}


def _for_operator(outcome: str = ALLOWED) -> tuple[str, ...]:
    return (outcome, *["forbidden"] * 5)


def _for_home(outcome: str = ALLOWED, meter: str = "forbidden") -> tuple[str, ...]:
    return ("forbidden", "forbidden", outcome, "not_your_meter", meter, "forbidden")


def _for_meter_and_operator(outcome: str) -> tuple[str, ...]:
    return (outcome, "forbidden", "forbidden", "forbidden", outcome, "forbidden")


def _for_members(outcome: str = ALLOWED) -> tuple[str, ...]:
    return (*[outcome] * 5, "forbidden")


def _for_home_and_overseers(outcome: str = ALLOWED) -> tuple[str, ...]:
    return (outcome, outcome, outcome, "not_your_meter", outcome, "forbidden")


MATRIX: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "configure": ({"parameters": {"beta": 20_000}}, _for_operator()),
    "register_home": (REGISTRATION, _for_operator()),
    "advance_clock": ({"at": 9_999_999_999}, _for_operator()),
    "open_round": ({}, _for_operator("other_auction")),
    "settle_day": ({"day": 999_999}, _for_operator("day_not_over")),
    "settle_interval": (READING | {"bid": True}, _for_home(meter=ALLOWED)),
    "correct_reading": (CORRECTION, _for_meter_and_operator("interval_unknown")),
    "submit_request": (REQUEST, _for_home("unknown_round")),
    "cancel_request": (NO_ROUND | {"home": "home001"}, _for_home("unknown_round")),
    "submit_offer": (OFFER, _for_home("unknown_round")),
    "withdraw_offer": (NO_ROUND | {"home": "home001"}, _for_home("unknown_round")),
    "report_reading": (READING, _for_home(meter=ALLOWED)),
    "close_round": (NO_ROUND, _for_members("unknown_round")),
    "suggested_price": ({}, _for_members()),
    "get_prices": ({}, (ALLOWED, ALLOWED, *["forbidden"] * 4)),
    "get_round": (NO_ROUND, _for_members("unknown_round")),
    "list_rounds": ({}, _for_members()),
    "list_trades": ({}, _for_members()),
    "list_readings": ({"home": "home001"}, _for_home_and_overseers()),
    "get_parameters": ({}, _for_members()),
    "audit": (NO_ROUND, _for_members("unknown_round")),
    "get_home": ({"home": "home001"}, _for_home_and_overseers()),
    "get_battery": ({"home": "home001"}, _for_home_and_overseers()),
    "get_bill": ({"home": "home001", "day": 999_999}, _for_home_and_overseers("unknown_bill")),
}
"""Each transaction's argument, and the outcome for each caller that peers let through to the contract, in order."""


def test_the_table_has_every_transaction_of_the_contract() -> None:
    assert set(MATRIX) == set(Contract().transactions())


@pytest.fixture(scope="module")
def outcomes(network: Any) -> dict[tuple[str, str], str]:
    """What each caller gets for each transaction, and how many blocks the peers had before and after."""

    async def height() -> str:
        async with peer_admin(network.nodes, network.nodes.peers[0]) as peer:
            return str((await peer.get_chain_info("newtown")).height)

    async def try_all() -> dict[tuple[str, str], str]:
        async with market_of(network) as market:
            found = {("blocks", "before"): await height()}
            for name, (argument, _) in MATRIX.items():
                callers = [who for who in CALLERS if who != "expired"]
                answers = [market.outcome(who, name, argument) for who in callers]
                for who, outcome in zip(callers, await asyncio.gather(*answers), strict=True):
                    found[name, who] = outcome
            # Alone and last: a gateway of Fabric 2.5 drops its connection to the peer that refuses the certificate.
            for name, (argument, _) in MATRIX.items():
                found[name, "expired"] = await market.outcome("expired", name, argument)
            return found | {("blocks", "after"): await height()}

    return asyncio.run(try_all())


@pytest.mark.parametrize("name", MATRIX)
def test_each_caller_gets_what_the_table_says(
    network: Any, outcomes: dict[tuple[str, str], str], name: str
) -> None:
    let_through = MATRIX[name][1]
    # A gateway of Fabric 2.5 leaves expired certificates to other peers, and so the contract may refuse first.
    expired = (let_through[0] if network.version.startswith("2.") else "") or EXPIRED
    expected = (*let_through, expired, DENIED)
    assert {who: outcomes[name, who] for who in CALLERS} == dict(zip(CALLERS, expected, strict=True))


def test_trying_leaves_nothing_on_the_ledger(outcomes: dict[tuple[str, str], str]) -> None:
    assert outcomes["blocks", "before"] == outcomes["blocks", "after"]
