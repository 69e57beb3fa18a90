# SPDX-License-Identifier: Apache-2.0
"""Nothing of what homes say is public: not in arguments, answers, events, nor in what blocks hold of writes."""

import hashlib
import json

from commonwatt_chaincode.forward import keys
from commonwatt_chaincode.messages.base64url import encoded
from commonwatt_chaincode.messages.message import read

from .neighbourhood import CHANNEL, NOON, Neighbourhood
from .test_batches import BIDS, carried


async def test_a_block_holds_no_word_of_a_bid(newtown: Neighbourhood) -> None:
    newtown.in_window(NOON)
    energy_wh, limit = 1_739, 217_391
    bid = newtown.request("h1", NOON, energy_wh, limit)
    offer = newtown.offer("p1", NOON, 600, 60_000)
    done = await newtown.submit("carrier", "submit_messages", BIDS, carried(bid, offer))
    await newtown.close(NOON)
    cleared = await newtown.submit("operator", "clear_period", {"period": NOON})
    for transaction in (done, cleared):
        assert transaction.event is not None
        public = [transaction.payload, transaction.event[1]]
        public += [value for key, value in transaction.writes.items() if isinstance(key, str) and value]
        public += [key.encode() for key in transaction.writes if isinstance(key, str)]
        public += [
            hashlib.sha256(value).digest()
            for key, value in transaction.writes.items()
            if isinstance(key, tuple) and value
        ]
        text = b"\n".join(public)
        nonce = read(bid).payload["nonce"].encode()
        for secret in (bid, bid.split(b".")[1], bid.split(b".")[2], nonce, b"%d" % limit):
            assert secret not in text
    assert json.loads(done.payload) == {"results": ["written", "written"]}
    assert done.event is not None
    assert json.loads(done.event[1]) == {"kind": "bid", "period": NOON, "count": 2}
    assert b"h1" not in cleared.payload + (cleared.event or ("", b""))[1]


def guess(town: Neighbourhood, energy_wh: int, nonce: str) -> str:
    """The digest of h1's reading, which a reader of blocks can compose but for the nonce."""
    header = {"alg": "ES256", "kid": town.signers["h1"].key.kid, "typ": "cw-reading"}
    where = {"net": town.net, "channel": CHANNEL, "home": "h1", "period": NOON, "seq": 1}
    said = {"import_wh": energy_wh, "export_wh": 0, "quality": "measured"}
    parts = (header, {"nonce": nonce, **where, **said})
    signed = b".".join(encoded(json.dumps(part, separators=(",", ":")).encode()).encode() for part in parts)
    return hashlib.sha256(signed).hexdigest()


async def test_no_likely_reading_has_a_hash_that_is_public(newtown: Neighbourhood) -> None:
    newtown.at(NOON, 300)
    message = newtown.reading("h1", NOON, 137)
    done = await newtown.submit("carrier", "submit_messages", BIDS | {"kind": "reading"}, carried(message))
    public = {hashlib.sha256(value).hexdigest() for value in done.writes.values() if value}
    public |= {value.decode() for key, value in done.writes.items() if isinstance(key, str) and value}
    nonce, digest = read(message).payload["nonce"], read(message).digest
    guesses = {guess(newtown, energy_wh, encoded(bytes(16))) for energy_wh in range(2_201)}
    assert not public & guesses
    assert digest not in guesses
    # With the nonce the words are guessed at once: it alone stands between.
    assert digest in {guess(newtown, energy_wh, nonce) for energy_wh in range(2_201)}


async def test_two_equal_readings_have_two_hashes(newtown: Neighbourhood) -> None:
    newtown.at(NOON, 300)
    await newtown.readings(NOON, newtown.reading("h1", NOON, 5), newtown.reading("h1", NOON, 5, seq=2))
    values = [newtown.ledger.get(key) for key in newtown.ledger.keys("m/", "m0")]
    assert len(set(values)) == 2


async def test_awards_are_salted(newtown: Neighbourhood) -> None:
    newtown.in_window(NOON)
    await newtown.bids(NOON, newtown.request("h1", NOON, 5, 250_000))
    await newtown.close(NOON)
    done = await newtown.submit("operator", "clear_period", {"period": NOON})
    private = done.writes[keys.COLLECTION, keys.awards_key(NOON)]
    assert private is not None
    assert all(len(award["salt"]) == 32 for award in json.loads(private)["awards"])
