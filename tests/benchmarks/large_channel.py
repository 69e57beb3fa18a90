# SPDX-License-Identifier: Apache-2.0
"""A channel with many homes, their registrations and readings put there directly: signing them would take minutes."""

import hashlib
import json
import random
from typing import Any

from commonwatt_chaincode.forward import ForwardMarket, keys
from commonwatt_chaincode.forward.records import ConnectionVersion, Home, encode
from commonwatt_chaincode.market.forward.bids import Connection
from commonwatt_chaincode.messages.base64url import encoded
from commonwatt_chaincode.shim.results import EPOCH
from commonwatt_chaincode.shim.testing import MemoryLedger, caller
from commonwatt_chaincode.shim.testing.state import Place
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

BAND = {"name": "all day", "from_min": 0, "to_min": 1_440, "tou": 541_100, "feed_in": 100_000}
TARIFF = {"schedules": [{"days": {"weekdays": list(range(7)), "holidays": True}, "bands": [BAND]}]}


KEY = {
    "crv": "Ed25519",
    "kty": "OKP",
    "x": encoded(Ed25519PrivateKey.from_private_bytes(bytes(32)).public_key().public_bytes_raw()),
}

FIRST = 29_853_480
"""The first half hour of a local day at UTC+10."""
DAY = (FIRST + 600) // 1_440


class LargeChannel:
    """``size`` homes that each have one measured reading of each of ``periods``, half hours of one local day."""

    def __init__(self, size: int, periods: int = 1) -> None:
        self.size = size
        self.periods = [FIRST + 30 * number for number in range(periods)]
        self.ledger = MemoryLedger(ForwardMarket(), "newtown", name="market", collections=["community"])
        self._operator = caller("operator", "NewtownMSP", role="operator")

    async def founded(self) -> int:
        """Configure the channel, and put homes and readings there; their number."""
        opening = {
            "replaces": 0,
            "trust_homes": True,
            "period_min": 30,
            "utc_offset_min": 600,
            "tariff": TARIFF,
            "times": {"readings_due_s": 0},
        }
        await self.do("configure", opening)
        draw = random.Random(7)
        for number in range(self.size):
            home = f"home{number:05d}"
            connection = ConnectionVersion(0, Connection(24_000, 5_000, 0))
            record = Home(home, "prosumer", "NewtownMSP", "", 0, (connection,), None, None, None, "")
            self._put("", keys.registration_key(home), encode(record))
            self._put("community", keys.possession_key("home", home, 1), self._possession(home, draw))
            for period in self.periods:
                message = self._reading(home, period, draw)
                place = keys.index_key("reading", period, 1, home, "home", 1)
                self._put("", place, hashlib.sha256(message).hexdigest().encode())
                self._put("community", place, message)
        return self.size

    async def do(self, name: str, arguments: Any) -> Any:
        """Submit as the operator, once the day is over."""
        done = await self.ledger.submit(
            name, arguments, creator=self._operator, timestamp=(FIRST + 1_440) * 60
        )
        return done.json()

    def _possession(self, home: str, draw: random.Random) -> bytes:
        return _message("cw-key", home, draw, {"author": "home", "version": 1, "key": KEY})

    def _reading(self, home: str, period: int, draw: random.Random) -> bytes:
        said = {
            "period": period,
            "seq": 1,
            "import_wh": draw.randint(0, 3_000),
            "export_wh": draw.randint(0, 2_000),
            "quality": "measured",
        }
        return _message("cw-reading", home, draw, said)

    def _put(self, collection: str, key: str, value: bytes) -> None:
        self.ledger.state.write(Place("market", collection, key), value, (0, 0), "", EPOCH)


def _message(typ: str, home: str, draw: random.Random, said: dict[str, Any]) -> bytes:
    """A message that nobody signed."""
    header = {"alg": "EdDSA", "kid": encoded(bytes(32)), "typ": typ}
    payload = {"net": "n", "channel": "newtown", "home": home, "nonce": encoded(draw.randbytes(16)), **said}
    parts = (json.dumps(part).encode() for part in (header, payload))
    return ".".join(map(encoded, (*parts, bytes(64)))).encode()
