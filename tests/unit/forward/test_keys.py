# SPDX-License-Identifier: Apache-2.0
"""Keys of homes, meters and operators on the ledger: the first, the next, and a lost one."""

from __future__ import annotations

from typing import Any

from commonwatt_chaincode.forward import keys

from .neighbourhood import CHANNEL, MIDNIGHT, NOON, Neighbourhood, Signer

H1 = {"author": "home", "home": "h1"}
FIRST_MINUTE = MIDNIGHT - 1_440


def rotation(
    town: Neighbourhood, new: Signer, version: int = 2, by: Signer | None = None
) -> dict[str, bytes]:
    return {
        "possession": town.brings_key(new, "home", "h1", version),
        "consent": town.brings_key(new, "home", "h1", version, by=by or town.signers["h1"]),
    }


async def test_a_first_key_judges_readings_of_before(newtown: Neighbourhood) -> None:
    answer = await newtown.ask("h2", "get_keys", H1)
    assert [(one["from_period"], one["came_by"]) for one in answer["versions"]] == [(0, "registered")]
    assert newtown.ledger.get(keys.possession_key("home", "h1", 1), keys.COLLECTION)
    assert await newtown.refused("h2", "get_keys", H1 | {"author": "meter"}) == "no_key"


async def test_the_operator_cannot_set_a_key_in_the_place_of_another(newtown: Neighbourhood) -> None:
    thief = Signer(90)
    possession = {"possession": newtown.brings_key(thief, "home", "h1", 2)}
    assert await newtown.refused("operator", "set_key", H1, possession) == "key_taken"
    own_consent = rotation(newtown, thief, by=thief)
    assert await newtown.refused("operator", "set_key", H1, own_consent) == "wrong_key"


async def test_anybody_carries_a_rotation_and_it_counts_from_tomorrow(newtown: Neighbourhood) -> None:
    new, old = Signer(90), newtown.signers["h1"]
    done = await newtown.do("carrier", "set_key", H1, rotation(newtown, new))
    assert (done["version"], done["from_period"], done["kid"]) == (2, MIDNIGHT, new.key.kid)
    assert (
        await newtown.refused("carrier", "set_key", H1, rotation(newtown, Signer(91), 3, new))
        == "rotated_today"
    )
    for period, results in (
        (MIDNIGHT - 5, ["written", "key_not_in_force"]),
        (NOON, ["key_not_in_force", "written"]),
    ):
        newtown.in_window(period)
        said: dict[str, Any] = {"energy_wh": 5, "limit_uaud_per_kwh": 100_000}
        where: dict[str, Any] = {
            "net": newtown.net,
            "channel": CHANNEL,
            "home": "h1",
            "period": period,
            "seq": 1,
        }
        batch = [signer.says("cw-request", **where, **said) for signer in (old, new)]
        assert await newtown.bids(period, *batch) == results


async def test_a_rotation_late_in_the_day_changes_no_open_window(newtown: Neighbourhood) -> None:
    newtown.at(MIDNIGHT, -60)
    done = await newtown.do("carrier", "set_key", H1, rotation(newtown, Signer(90)))
    assert done["from_period"] == MIDNIGHT + 60


async def test_a_message_of_another_net_brings_no_key(newtown: Neighbourhood) -> None:
    new = Signer(90)
    jwk = dict(new.key.jwk)
    said = {"author": "home", "version": 2, "key": jwk, "home": "h1", "channel": CHANNEL}
    wrong = {
        "possession": new.says("cw-key", net="other", **said),
        "consent": rotation(newtown, new)["consent"],
    }
    assert await newtown.refused("carrier", "set_key", H1, wrong) == "wrong_net"
    assert (
        await newtown.refused("carrier", "set_key", H1, {"possession": b"x" * 2_000, "consent": b""})
        == "too_large"
    )
    assert await newtown.refused("carrier", "set_key", H1, {}) == "bad_argument"


async def test_no_two_who_speak_of_a_home_share_a_key(newtown: Neighbourhood) -> None:
    same = {"possession": newtown.brings_key(newtown.signers["h1"], "meter", "h1", 1)}
    meter = {"author": "meter", "home": "h1"}
    assert await newtown.refused("operator", "set_key", meter, same) == "key_taken"
    await newtown.give_key("operator", "NewtownMSP")
    operators = newtown.signers["operator of NewtownMSP"]
    taken = {"possession": newtown.brings_key(operators, "meter", "h1", 1)}
    assert await newtown.refused("operator", "set_key", meter, taken) == "key_taken"


async def test_whose_keys_there_are(newtown: Neighbourhood) -> None:
    first = Signer(90)
    for author, home, code in (
        ("home", "h9", "unknown_home"),
        ("meter", "h9", "unknown_home"),
        ("operator", "EnmoreMSP", "unknown_home"),
        ("meter", "h1", ""),
    ):
        possession = {"possession": newtown.brings_key(first, author, home, 1)}
        argument = {"author": author, "home": home}
        if code:
            assert await newtown.refused("operator", "set_key", argument, possession) == code
        else:
            assert await newtown.refused("carrier", "set_key", argument, possession) == "forbidden"
            await newtown.do("operator", "set_key", argument, possession)


async def test_a_lost_key_is_recovered_by_operator_and_grid_and_the_home_hears_of_it(
    newtown: Neighbourhood,
) -> None:
    new = Signer(90)
    possession = {"possession": newtown.brings_key(new, "home", "h1", 2)}
    proposed = await newtown.submit("operator", "propose_key", H1, possession)
    assert proposed.event == ("key_recovery", b'{"author":"home","home":"h1","state":"proposed"}')
    blocked = rotation(newtown, Signer(91))
    assert await newtown.refused("h1", "set_key", H1, blocked) == "recovery_proposed"
    assert await newtown.refused("grid", "confirm_key", H1 | {"kid": "A" * 43}) == "wrong_key"
    confirmed = await newtown.submit("grid", "confirm_key", H1 | {"kid": new.key.kid})
    assert confirmed.event == ("key_recovery", b'{"author":"home","home":"h1","state":"confirmed"}')
    assert confirmed.json()["from_period"] == FIRST_MINUTE + 24 * 60
    newtown.at(NOON)
    old = newtown.reading("h1", MIDNIGHT - 60, 5)
    assert await newtown.readings(MIDNIGHT - 60, old) == ["key_recovered"]


async def test_a_recovered_key_counts_in_no_window_that_is_open(newtown: Neighbourhood) -> None:
    """The delay is as long as a window, and the key is confirmed within a minute."""
    await newtown.do("operator", "configure", {"replaces": 1, "key_delay_h": 1})
    newtown.at(NOON, 30)
    new = Signer(90)
    await newtown.do("operator", "propose_key", H1, {"possession": newtown.brings_key(new, "home", "h1", 2)})
    confirmed = await newtown.do("grid", "confirm_key", H1 | {"kid": new.key.kid})
    period = await newtown.ask("h1", "get_period", {"period": NOON + 60})
    assert period["window_opens_s"] < NOON * 60 + 30
    assert confirmed["from_period"] == NOON + 65


async def test_a_proposal_that_is_dropped(newtown: Neighbourhood) -> None:
    assert await newtown.refused("operator", "propose_key", H1) == "no_recovery"
    new = Signer(90)
    await newtown.do("operator", "propose_key", H1, {"possession": newtown.brings_key(new, "home", "h1", 2)})
    dropped = await newtown.submit("operator", "propose_key", H1)
    assert dropped.event == ("key_recovery", b'{"author":"home","home":"h1","state":"dropped"}')
    assert await newtown.refused("grid", "confirm_key", H1 | {"kid": new.key.kid}) == "no_recovery"
    await newtown.do("carrier", "set_key", H1, rotation(newtown, Signer(91)))
