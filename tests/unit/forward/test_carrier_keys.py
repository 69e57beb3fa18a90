# SPDX-License-Identifier: Apache-2.0
"""Keys of carriers on the ledger: who sets them, for whom, and who reads them."""

from __future__ import annotations

import pytest
from commonwatt_chaincode.forward.keyring import key_record
from commonwatt_chaincode.messages.refusals import MessageCode, MessageRefused
from commonwatt_chaincode.messages.versions import receipt_key

from .neighbourhood import CHANNEL, NOON, Neighbourhood, Signer

OURS, THEIRS = "NewtownMSP.service", "GridMSP.service"


def brings(town: Neighbourhood, signer: Signer, carrier: str, version: int = 1) -> dict[str, bytes]:
    return {"possession": town.brings_key(signer, "carrier", carrier, version)}


async def test_each_organisation_sets_the_keys_of_its_own_carriers(newtown: Neighbourhood) -> None:
    key = Signer(90)
    for who, carrier in (("operator", OURS), ("grid", THEIRS)):
        done = await newtown.do(who, "set_carrier_key", {"carrier": carrier}, brings(newtown, key, carrier))
        assert (done["kid"], done["version"]) == (key.key.kid, 1)
        keys = await newtown.ask("h2", "get_keys", {"author": "carrier", "home": carrier})
        assert [one["jwk"] for one in keys["versions"]] == [dict(key.key.jwk)]


@pytest.mark.parametrize(
    ("who", "carrier"),
    [
        ("operator", THEIRS),
        ("grid", OURS),
        ("carrier", OURS),
        ("h1", OURS),
        ("foreign operator", OURS),
        ("grid of ours", OURS),
        ("operator", "NewtownMSP.a.b"),
    ],
)
async def test_nobody_else_sets_them(newtown: Neighbourhood, who: str, carrier: str) -> None:
    sent = brings(newtown, Signer(90), carrier)
    assert await newtown.refused(who, "set_carrier_key", {"carrier": carrier}, sent) == "forbidden"


@pytest.mark.parametrize("carrier", ["service", "NewtownMSP.", ".service", "NewtownMSP.a/b", "N.s\n"])
async def test_a_name_of_another_form(newtown: Neighbourhood, carrier: str) -> None:
    argument = {"carrier": carrier}
    assert (
        await newtown.refused("operator", "set_carrier_key", argument, {"possession": b"x"}) == "bad_argument"
    )


async def test_a_key_comes_with_its_own_signature_for_this_carrier(newtown: Neighbourhood) -> None:
    argument, key = {"carrier": OURS}, Signer(90)
    for sent, code in (
        (brings(newtown, key, "NewtownMSP.other"), "wrong_home"),
        ({"possession": newtown.brings_key(key, "operator", OURS, 1)}, "wrong_author"),
        ({"possession": newtown.brings_key(key, "carrier", OURS, 1, by=Signer(91))}, "wrong_key"),
        (brings(newtown, key, OURS, 2), "wrong_version"),
    ):
        assert await newtown.refused("operator", "set_carrier_key", argument, sent) == code
    assert await newtown.refused("operator", "set_carrier_key", argument) == "bad_argument"


async def test_the_next_key_is_in_force_at_once_and_the_old_one_no_more(newtown: Neighbourhood) -> None:
    old, new, argument = Signer(90), Signer(91), {"carrier": OURS}
    await newtown.do("operator", "set_carrier_key", argument, brings(newtown, old, OURS))
    first_s = newtown.now
    newtown.now += 3_600
    await newtown.do("operator", "set_carrier_key", argument, brings(newtown, new, OURS, 2))
    again = brings(newtown, old, OURS, 3)
    assert await newtown.refused("operator", "set_carrier_key", argument, again) == "key_used"
    record = key_record(newtown.ledger.get(f"key/carrier/{OURS}"), newtown.net, CHANNEL)
    assert receipt_key(record, old.key.kid, first_s + 60).kid == old.key.kid
    assert receipt_key(record, new.key.kid, newtown.now).kid == new.key.kid
    for kid, at_s, code in (
        (old.key.kid, newtown.now + 60, MessageCode.KEY_NOT_IN_FORCE),
        (new.key.kid, first_s, MessageCode.KEY_NOT_IN_FORCE),
        (Signer(92).key.kid, first_s, MessageCode.UNKNOWN_KEY),
    ):
        with pytest.raises(MessageRefused) as refused:
            receipt_key(record, kid, at_s)
        assert refused.value.code == code


async def test_a_carriers_key_speaks_for_no_home(newtown: Neighbourhood) -> None:
    key = Signer(90)
    await newtown.do("operator", "set_carrier_key", {"carrier": OURS}, brings(newtown, key, OURS))
    newtown.in_window(NOON)
    said = {"energy_wh": 5, "limit_uaud_per_kwh": 100_000}
    where = {"net": newtown.net, "channel": CHANNEL, "home": "h1", "period": NOON, "seq": 1}
    assert await newtown.bids(NOON, key.says("cw-request", **where, **said)) == ["unknown_key"]
    receipt = {"digest": "0" * 64, "message": "0" * 64, "received_at": 0, "deliver_by": 0}
    where = {name: where[name] for name in ("net", "channel", "home")}
    assert await newtown.bids(NOON, key.says("cw-receipt", **where, **receipt)) == ["wrong_typ"]
