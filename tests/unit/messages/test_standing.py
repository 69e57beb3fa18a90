# SPDX-License-Identifier: Apache-2.0
"""Which message counts, in whatever order messages arrive, and who contradicts himself."""

from __future__ import annotations

import itertools

import pytest
from commonwatt_chaincode.messages.message import Message, read
from commonwatt_chaincode.messages.standing import Place, Said, standing

from .making import CURVE_ORDER, EC_KEY, PAYLOADS, b64, message, unb64

BID = Place("h-4f2a", "home", 29_400_000, "bid")


def said(typ: str, author: str = "home", **changed: object) -> Said:
    return Said(author, read(message(typ, PAYLOADS[typ] | changed, EC_KEY)))


def energy(counted: Message) -> object:
    return counted.payload.get("energy_wh")


def test_the_highest_seq_counts_in_any_order() -> None:
    all_said = [
        said("cw-request", seq=1),
        said("cw-offer", seq=2),
        said("cw-request", seq=3, energy_wh=77),
        said("cw-withdraw", seq=4),
    ]
    for order in itertools.permutations(all_said):
        result = standing(order)
        assert {place: one.typ for place, one in result.counting.items()} == {BID: "cw-withdraw"}
        assert result.equivocations == ()
    for order in itertools.permutations(all_said[:3]):
        assert energy(standing(order).counting[BID]) == 77


def test_homes_authors_periods_and_kinds_are_apart() -> None:
    result = standing(
        [
            said("cw-request"),
            said("cw-request", home="h-2"),
            said("cw-request", period=29_400_030),
            said("cw-reading"),
            said("cw-reading", author="meter"),
            said("cw-reading", author="operator", quality="substituted"),
        ]
    )
    assert len(result.counting) == 6
    assert result.equivocations == ()


def test_two_words_under_one_seq_are_reported_and_the_later_one_stands() -> None:
    one, two = said("cw-request", energy_wh=1), said("cw-request", energy_wh=2)
    result = standing([one, two])
    assert energy(result.counting[BID]) == 2
    assert [(e.place, e.seq, e.digests) for e in result.equivocations] == [
        (BID, 1, (one.message.digest, two.message.digest))
    ]
    assert energy(standing([two, one]).counting[BID]) == 1
    assert energy(standing([one, two, one]).counting[BID]) == 1
    # It is reported where a higher seq settles the question, too.
    later = standing([one, two, said("cw-request", seq=2, energy_wh=3)])
    assert energy(later.counting[BID]) == 3
    assert len(later.equivocations) == 1


def test_a_message_that_carriers_bring_again_is_no_contradiction() -> None:
    """Also under another valid signature: anybody can turn S into n - S."""
    compact = message("cw-request", key=EC_KEY)
    head, _, tail = compact.rpartition(b".")
    s = int.from_bytes(unb64(tail)[32:], "big")
    other = head + b"." + b64(unb64(tail)[:32] + (CURVE_ORDER - s).to_bytes(32, "big"))
    result = standing([Said("home", read(compact)), Said("home", read(other)), Said("home", read(compact))])
    assert list(result.counting) == [BID]
    assert result.equivocations == ()


def test_keys_and_logins_are_nobodys_bid() -> None:
    with pytest.raises(ValueError):
        standing([said("cw-login")])
