# SPDX-License-Identifier: Apache-2.0
"""Anomalies that everybody with a key agreed on, planted into each kind of the market's transactions: an audit tells.

Half of them are records that the rules do not give, the other half what the contract refuses.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from commonwatt_network.embedded.trust.signing import SigningIdentity
from fabric_protos.peer import chaincode_pb2, proposal_pb2

from .audited import Ledger, audited_until, traded_blocks
from .forgery import Parts, nothing

SENDERS = {
    "report_reading": "home003",
    "settle_interval": "home001",
    "submit_offer": "home003",
    "close_round": "operator",
    "settle_day": "operator",
}
"""The transactions of a day, and who sent them."""


@pytest.fixture(scope="module")
def steps(network: Any) -> dict[str, Ledger]:
    """The ledger before the last transaction of each kind, on a day's trade."""
    blocks = traded_blocks(network)
    called = {
        name: b"\n" + bytes([len(name)]) + name.encode() for name in SENDERS
    }  # the first of its arguments
    return {name: audited_until(network, blocks, words) for name, words in called.items()}


def said_of(step: Ledger, user: str, edit: Callable[[Parts], object] = nothing) -> str:
    """What an audit says of a step that a user signed, edited and endorsed by everybody."""
    folder = step.forger.layout.user("newtown", user) / "msp"
    creator = SigningIdentity.from_directory(folder, "NewtownMSP")
    return step.first_difference(step.forger.transaction(step.close, creator=creator, before=edit))


def changes(value: Any) -> Iterator[Any]:
    """The JSON value again and again, with another one of its leaves changed each time."""
    if isinstance(value, dict | list):
        for place in value if isinstance(value, dict) else range(len(value)):
            for changed in changes(value[place]):
                other = copy.copy(value)
                other[place] = changed
                yield other
    elif isinstance(value, bool):
        yield not value
    elif isinstance(value, int):
        yield value + 1
    elif value is None:
        yield 1
    else:
        yield value + "x"


def planted(step: Ledger) -> Iterator[tuple[str, Callable[[Parts], None]]]:
    """Every other value of every record that the step wrote; the record left out; one more written."""
    found: list[tuple[str, bytes]] = []

    def look(parts: Parts) -> None:
        found.extend((write.key, write.value) for write in parts.sets.writes)

    step.forger.transaction(step.close, before=look)

    def instead(key: str, value: bytes | None) -> Callable[[Parts], None]:
        def edit(parts: Parts) -> None:
            writes = [write for write in parts.sets.writes if write.key != key or value is not None]
            for write in writes:
                if write.key == key:
                    write.value = value
            kept = [copy.deepcopy(write) for write in writes]
            del parts.sets.writes[:]
            parts.sets.writes.extend(kept)

        return edit

    for key, content in found:
        yield f"no {key}", instead(key, None)
        record = json.loads(content)
        for changed in changes({name: value for name, value in record.items() if name != "transaction"}):
            whole = record | changed
            told = {name: value for name, value in changed.items() if value != record[name]}
            text = json.dumps(whole, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
            yield f"{key}: {told}", instead(key, text.encode())

    def one_more(parts: Parts) -> None:
        parts.sets.writes.add(key="account/nobody", value=found[-1][1])

    yield "one more record", one_more


@pytest.mark.parametrize("name", SENDERS)
def test_a_record_that_the_rules_do_not_give_is_reported(steps: dict[str, Ledger], name: str) -> None:
    step = steps[name]
    assert said_of(step, SENDERS[name]) == ""
    silent = [what for what, edit in planted(step) if f"({name})" not in said_of(step, SENDERS[name], edit)]
    assert silent == []


def argument(edit: Callable[[dict[str, Any]], object]) -> Callable[[Parts], None]:
    """As if this had been asked for, and the same been written."""

    def edited(parts: Parts) -> None:
        payload = proposal_pb2.ChaincodeProposalPayload.FromString(parts.proposed)
        spec = chaincode_pb2.ChaincodeInvocationSpec.FromString(payload.input)
        members = json.loads(spec.chaincode_spec.input.args[1])
        edit(members)
        spec.chaincode_spec.input.args[1] = json.dumps(members).encode()
        payload.input = spec.SerializeToString()
        parts.proposed = payload.SerializeToString()

    return edited


ASKED: dict[str, tuple[str, str, dict[str, Any], str]] = {
    "1 GWh": ("report_reading", "home003", {"generation_wh": 10**9}, "its panels give 6250 Wh at most"),
    "more than a connection carries": (
        "settle_interval", "home001", {"use_wh": 24_001}, "its connection carries 24000 Wh"
    ),
    "1970": (
        "settle_interval", "home001", {"interval_start": 0, "interval_end": 3_600}, "ended at 3600, too long ago"
    ),
    "less use than the need": (
        "settle_interval", "home001", {"use_wh": 800}, "energy_wh is 900 on the ledger, 800 by the rules"
    ),
    "no bid": ("settle_interval", "home001", {"bid": False}, "is written and should not be"),
    "a limit of one's choice": (
        "settle_interval", "home001", {"limit_uaud_per_kwh": 150_000}, "on the ledger, 150000 by the rules"
    ),
    "a neighbour's reading": ("settle_interval", "home002", {}, "its caller does not speak for"),
    "the operator's reading": ("report_reading", "operator", {}, "its caller has role operator"),
    "a neighbour's offer": ("submit_offer", "home001", {}, "its caller does not speak for"),
    "more than the battery holds": ("submit_offer", "home003", {"energy_wh": 10**6}, "offers 1000000 Wh and may sell"),
    "another price": (
        "submit_offer", "home003", {"price_uaud_per_kwh": 150_001}, "on the ledger, 150001 by the rules"
    ),
    "a closing before its time": ("close_round", "operator", {"at": 1}, "time 1 lies before the market time"),
    "a closing by a home": ("close_round", "home002", {}, "its caller is not the operator and sets the time"),
    "another day": ("settle_day", "operator", {"day": 1}, "should be written and is not"),
    "a bill by a home": ("settle_day", "home001", {}, "its caller is not an operator"),
}  # fmt: skip
"""Who asks for what instead of what was asked for, and what an audit says of it."""


@pytest.mark.parametrize("what", ASKED)
def test_what_the_contract_refuses_or_does_otherwise_is_reported(steps: dict[str, Ledger], what: str) -> None:
    name, user, members, words = ASKED[what]
    said = said_of(steps[name], user, argument(lambda asked: asked.update(members)))
    assert f"({name})" in said
    assert words in said
