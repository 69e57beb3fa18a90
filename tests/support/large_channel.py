# SPDX-License-Identifier: Apache-2.0
"""A channel with many homes, their registrations and messages put there directly: signing them would take minutes."""

import hashlib
import json
import random
from typing import Any

from commonwatt_chaincode.forward import ForwardMarket, keys
from commonwatt_chaincode.forward.records import ConnectionVersion, Home, encode
from commonwatt_chaincode.market.forward.bids import Connection
from commonwatt_chaincode.messages.base64url import encoded
from commonwatt_chaincode.shim.results import EPOCH
from commonwatt_chaincode.shim.testing import Invocation, MemoryLedger, caller
from commonwatt_chaincode.shim.testing.state import Place
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

TOU, FEED_IN = 541_100, 100_000
BAND = {"name": "all day", "from_min": 0, "to_min": 1_440, "tou": TOU, "feed_in": FEED_IN}
TARIFF = {"schedules": [{"days": {"weekdays": list(range(7)), "holidays": True}, "bands": [BAND]}]}
POINT = Ed25519PrivateKey.from_private_bytes(bytes(32)).public_key().public_bytes_raw()
KEY = {"crv": "Ed25519", "kty": "OKP", "x": encoded(POINT)}

FIRST = 29_853_480
"""The first half hour of a local day at UTC+10."""
DAY = (FIRST + 600) // 1_440
OVER_S = (FIRST + 1_440) * 60


class LargeChannel:
    """``size`` homes that each have one measured reading of each of ``periods``, half hours of one local day.

    ``read_wh`` is what each home's meter counted, import and export, by period.
    """

    def __init__(self, size: int, periods: int = 1) -> None:
        self.size = size
        self.homes = [f"home{number:05d}" for number in range(size)]
        self.periods = [FIRST + 30 * number for number in range(periods)]
        self.read_wh: dict[int, dict[str, tuple[int, int]]] = {period: {} for period in self.periods}
        self.ledger = MemoryLedger(ForwardMarket(), "newtown", name="market", collections=["community"])
        self._operator = caller("operator", "NewtownMSP", role="operator")
        self._draw = random.Random(7)

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
        connection = ConnectionVersion(0, Connection(24_000, 5_000, 0))
        for home in self.homes:
            record = Home(home, "prosumer", "NewtownMSP", "", 0, (connection,), None, None, None, "")
            self._put("", keys.registration_key(home), encode(record))
            possession = self._message("cw-key", home, {"author": "home", "version": 1, "key": KEY})
            self._put("community", keys.possession_key("home", home, 1), possession)
            for period in self.periods:
                self._read(home, period)
        return self.size

    async def bid(self, period: int) -> None:
        """Let every second home ask and every other one offer, and close the gate."""
        for number, home in enumerate(self.homes):
            price = self._draw.randint(FEED_IN, TOU - 20_000)
            said = {"period": period, "seq": 1, "energy_wh": self._draw.randint(1, 1_500)}
            if number % 2:
                message = self._message("cw-offer", home, {**said, "price_uaud_per_kwh": price})
            else:
                message = self._message("cw-request", home, {**said, "limit_uaud_per_kwh": price})
            self._say(keys.index_key("bid", period, None, home, "home", 1), message)
        await self.do("close_gate", {"period": period}, period * 60 - 200)

    async def do(self, name: str, arguments: Any, at_s: int = OVER_S) -> Any:
        """Submit as the operator, by default once the day is over."""
        done = await self.ledger.submit(name, arguments, creator=self._operator, timestamp=at_s)
        return done.json()

    async def endorse(self, name: str, arguments: Any, at_s: int = OVER_S) -> Invocation:
        """What the operator's transaction would do; nobody commits it."""
        return await self.ledger.evaluate(name, arguments, creator=self._operator, timestamp=at_s)

    def _read(self, home: str, period: int) -> None:
        import_wh, export_wh = self._draw.randint(0, 3_000), self._draw.randint(0, 2_000)
        self.read_wh[period][home] = import_wh, export_wh
        said = {"import_wh": import_wh, "export_wh": export_wh, "quality": "measured"}
        message = self._message("cw-reading", home, {"period": period, "seq": 1, **said})
        self._say(keys.index_key("reading", period, 1, home, "home", 1), message)

    def _message(self, typ: str, home: str, said: dict[str, Any]) -> bytes:
        """A message that nobody signed."""
        header = {"alg": "EdDSA", "kid": encoded(bytes(32)), "typ": typ}
        nonce = encoded(self._draw.randbytes(16))
        payload = {"net": "n", "channel": "newtown", "home": home, "nonce": nonce, **said}
        parts = (json.dumps(part).encode() for part in (header, payload))
        return ".".join(map(encoded, (*parts, bytes(64)))).encode()

    def _say(self, place: str, message: bytes) -> None:
        self._put("", place, hashlib.sha256(message).hexdigest().encode())
        self._put("community", place, message)

    def _put(self, collection: str, key: str, value: bytes) -> None:
        self.ledger.state.write(Place("market", collection, key), value, (0, 0), "", EPOCH)
