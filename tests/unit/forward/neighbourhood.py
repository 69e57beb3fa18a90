# SPDX-License-Identifier: Apache-2.0
"""A community of the forward market on an in-memory channel, and messages that its homes sign."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from copy import copy
from typing import Any

from commonwatt_chaincode.contract import Market
from commonwatt_chaincode.forward import ForwardMarket, keys
from commonwatt_chaincode.messages.base64url import encoded
from commonwatt_chaincode.messages.keys import PublicKey, public_key
from commonwatt_chaincode.shim import chaincode
from commonwatt_chaincode.shim.testing import Invocation, MemoryLedger, caller
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

CHANNEL = "newtown"
DAY = 20_420
"""A local day, the 28th of November 2025 at UTC+11."""
MIDNIGHT = DAY * 1_440 - 660
"""Its first minute: a period's id."""
NOON = MIDNIGHT + 720
OPENS_BEFORE_S, CLOSES_BEFORE_S, CLOCK_ERROR_S, GRACE_S = 3_600, 300, 30, 60
"""The contract's own defaults."""

BANDS = [
    {"name": "shoulder", "from_min": 0, "to_min": 960, "tou": 300_000, "feed_in": 60_000},
    {"name": "peak", "from_min": 960, "to_min": 1_440, "tou": 500_000, "feed_in": 60_000},
]
TARIFF = {
    "schedules": [{"days": {"weekdays": [0, 1, 2, 3, 4, 5, 6], "holidays": True}, "bands": BANDS}],
    "local_fee": 20_000,
}
FIRST = {"replaces": 0, "period_min": 5, "utc_offset_min": 660, "tariff": TARIFF}

both_markets = chaincode(Market(), ForwardMarket())


class Signer:
    """A key and what it signs; nonces are counted, so that a test is the same each time."""

    def __init__(self, number: int, alg: str = "ES256") -> None:
        self.nonces = number * 1_000_000
        if alg == "ES256":
            self.private: Any = ec.derive_private_key(1_000_003 * number, ec.SECP256R1())
            point = self.private.public_key().public_numbers()
            members = {name: encoded(getattr(point, name).to_bytes(32, "big")) for name in ("x", "y")}
            self.key: PublicKey = public_key({"crv": "P-256", "kty": "EC", **members})
        else:
            self.private = ed25519.Ed25519PrivateKey.from_private_bytes(
                hashlib.sha256(b"%d" % number).digest()
            )
            x = encoded(self.private.public_key().public_bytes_raw())
            self.key = public_key({"crv": "Ed25519", "kty": "OKP", "x": x})

    def sign(self, signed: bytes) -> bytes:
        if self.key.alg == "EdDSA":
            return bytes(self.private.sign(signed))
        r, s = decode_dss_signature(self.private.sign(signed, ec.ECDSA(SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")

    def says(self, typ: str, **payload: Any) -> bytes:
        self.nonces += 1
        nonce = encoded(hashlib.sha256(b"%d" % self.nonces).digest()[:16])
        header = {"alg": self.key.alg, "kid": self.key.kid, "typ": typ}
        parts = [
            encoded(json.dumps(part, separators=(",", ":")).encode())
            for part in (header, {"nonce": nonce, **payload})
        ]
        signed = ".".join(parts).encode()
        return signed + b"." + encoded(self.sign(signed)).encode()


class Neighbourhood:
    """The channel as its members use it. ``now`` is the timestamp of what they send."""

    def __init__(self, ledger: MemoryLedger | None = None) -> None:
        self.ledger = ledger or MemoryLedger(
            both_markets, CHANNEL, name="market", collections=[keys.COLLECTION]
        )
        self.now = MIDNIGHT * 60 - 86_400
        self.net = ""
        self.submitted: list[tuple[str, str, Invocation]] = []
        self.callers = {
            "operator": caller("operator", "NewtownMSP", role="operator"),
            "grid": caller("grid", "GridMSP", role="grid"),
            "carrier": caller("carrier", "NewtownMSP", role="carrier"),
            "carrier of the grid": caller("carrier", "GridMSP", role="carrier"),
            "grid of ours": caller("grid", "NewtownMSP", role="grid"),
            "foreign operator": caller("operator", "EnmoreMSP", role="operator"),
            "foreign h1": caller("h1", "EnmoreMSP", {"role": "home", "home.id": "h1"}),
            "stranger": caller("stranger", "NewtownMSP"),
        }
        self.signers: dict[str, Signer] = {}

    async def submit(
        self, who: str, name: str, argument: Any, transient: dict[str, bytes] | None = None
    ) -> Invocation:
        """Submit as someone and return what happened."""
        done = await self.ledger.submit(*self._sent(name, argument), **self._by(who, transient))
        self.submitted.append((who, name, done))
        return done

    async def endorse(
        self, who: str, name: str, argument: Any, transient: dict[str, bytes] | None = None
    ) -> Invocation:
        """What a transaction would do, committed by nobody yet."""
        done = await self.ledger.evaluate(*self._sent(name, argument), **self._by(who, transient))
        self.submitted.append((who, name, done))
        return done

    def _sent(self, name: str, argument: Any) -> tuple[str, Any]:
        return f"forward:{name}", argument

    def _by(self, who: str, transient: dict[str, bytes] | None) -> dict[str, Any]:
        return {"creator": self.callers[who], "timestamp": self.now, "transient": transient}

    async def do(self, who: str, name: str, argument: Any, transient: dict[str, bytes] | None = None) -> Any:
        """Submit what must succeed; its result."""
        return (await self.submit(who, name, argument, transient)).json()

    async def refused(
        self, who: str, name: str, argument: Any, transient: dict[str, bytes] | None = None
    ) -> str:
        """Submit what must be refused without writing anything; the code."""
        before = copy(self.ledger.state.values)
        done = await self.submit(who, name, argument, transient)
        assert done.status == 400, done
        assert not done.writes
        assert done.event is None
        assert self.ledger.state.values == before
        code, _, sentence = done.message.partition(": ")
        assert sentence, "a refusal says why"
        assert not re.search(r"\bNone\b", sentence), f"a refusal that names nobody: {sentence}"
        return code

    async def ask(self, who: str, name: str, argument: Any) -> Any:
        """Evaluate what must succeed; its result."""
        done = await self.endorse(who, name, argument)
        assert not done.writes
        return done.json()

    # Founding

    async def found(self, **members: Any) -> None:
        self.net = (await self.do("operator", "configure", FIRST | members))["net"]

    async def propose(self, home: str, alg: str = "ES256", **equipment: Any) -> None:
        """Register a home and set its key; nobody has confirmed it."""
        self.callers[home] = caller(home, "NewtownMSP", {"role": "home", "home.id": home})
        self.callers[f"meter of {home}"] = caller(
            f"meter-{home}", "NewtownMSP", {"role": "meter", "home.id": home}
        )
        home_class = "prosumer" if equipment.get("pv_w") else "consumer"
        await self.do("operator", "register_home", {"home": home, "home_class": home_class, **equipment})
        await self.give_key("home", home, alg)

    async def give_key(self, author: str, home: str, alg: str = "ES256") -> None:
        signer = Signer(len(self.signers) + 1, alg)
        self.signers[home if author == "home" else f"{author} of {home}"] = signer
        possession = self.brings_key(signer, author, home, 1)
        await self.do("operator", "set_key", {"author": author, "home": home}, {"possession": possession})

    async def add(self, *homes: str, **equipment: Any) -> None:
        """Homes that count from the next window on."""
        for home in homes:
            await self.propose(home, **equipment)
        for first in range(0, len(homes), 200):
            await self.do("grid", "confirm_home", {"homes": list(homes[first : first + 200])})

    # Messages

    def brings_key(
        self, signer: Signer, author: str, home: str, version: int, by: Signer | None = None
    ) -> bytes:
        jwk = dict(signer.key.jwk)
        said = {"author": author, "version": version, "key": jwk}
        return (by or signer).says("cw-key", net=self.net, channel=self.ledger.channel_id, home=home, **said)

    def says(self, who: str, typ: str, home: str, period: int, seq: int = 1, **said: Any) -> bytes:
        where = {
            "net": self.net,
            "channel": self.ledger.channel_id,
            "home": home,
            "period": period,
            "seq": seq,
        }
        return self.signers[who].says(typ, **(where | said))

    def request(self, home: str, period: int, energy_wh: int, limit: int, seq: int = 1) -> bytes:
        said = {"energy_wh": energy_wh, "limit_uaud_per_kwh": limit}
        return self.says(home, "cw-request", home, period, seq, **said)

    def offer(self, home: str, period: int, energy_wh: int, price: int, seq: int = 1) -> bytes:
        said = {"energy_wh": energy_wh, "price_uaud_per_kwh": price}
        return self.says(home, "cw-offer", home, period, seq, **said)

    def withdrawal(self, home: str, period: int, seq: int) -> bytes:
        return self.says(home, "cw-withdraw", home, period, seq)

    def reading(
        self, home: str, period: int, import_wh: int, export_wh: int = 0, seq: int = 1, **said: Any
    ) -> bytes:
        measured = {"import_wh": import_wh, "export_wh": export_wh, "quality": "measured"}
        return self.says(said.pop("by", home), "cw-reading", home, period, seq, **(measured | said))

    async def send(
        self, kind: str, period: int, messages: Iterable[bytes], who: str = "carrier"
    ) -> list[str]:
        """Submit a batch; the result of each message."""
        argument = {"kind": kind, "period": period}
        answer = await self.do(who, "submit_messages", argument, {"messages": b"\n".join(messages)})
        return list(answer["results"])

    async def bids(self, period: int, *messages: bytes) -> list[str]:
        return await self.send("bid", period, messages)

    async def readings(self, period: int, *messages: bytes) -> list[str]:
        return await self.send("reading", period, messages)

    # Time

    def at(self, period: int, second: int = 0) -> None:
        """Go to so many seconds after a period's start; negative: before it."""
        self.now = period * 60 + second

    def in_window(self, period: int) -> None:
        """Go to a time at which a period takes bids."""
        self.at(period, -OPENS_BEFORE_S + 100)

    async def close(self, period: int) -> Any:
        self.at(period, -CLOSES_BEFORE_S + CLOCK_ERROR_S)
        return await self.do("operator", "close_gate", {"period": period})


async def neighbourhood(*homes: str, **configuration: Any) -> Neighbourhood:
    """A founded community; homes whose names begin with p have panels."""
    found = Neighbourhood()
    await found.found(**{"trust_homes": True, **configuration})
    for home in homes:
        equipment = {"pv_w": 6_000, "battery_w": 3_000} if home.startswith("p") else {}
        await found.add(home, **equipment)
    return found
