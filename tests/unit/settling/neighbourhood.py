# SPDX-License-Identifier: Apache-2.0
"""A forward market on an in-memory channel: homes that sign, a meter each, an operator and the grid."""

import hashlib
import re
from collections.abc import Iterable, Mapping
from typing import Any

from commonwatt_chaincode.forward import ForwardMarket
from commonwatt_chaincode.market.forward.periods import Period
from commonwatt_chaincode.messages.base64url import encoded
from commonwatt_chaincode.messages.keys import public_key
from commonwatt_chaincode.shim.testing import Invocation, MemoryLedger, caller
from commonwatt_chaincode.shim.testing.state import Place
from commonwatt_community.messages.compose import signed_message
from commonwatt_community.messages.signing_key import SigningKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

CHANNEL = "newtown"
COMMUNITY, GRID = "NewtownMSP", "GridMSP"
MIDNIGHT_S = 1_795_960_800
"""A local midnight at UTC+10: of 30 November 2026, a Monday."""

HALF_HOUR_MIN = 30
DAY_S = 86_400
TARIFF = {"tou": 300_000, "feed_in": 50_000, "local_fee": 20_000}
EVERY_DAY = {"weekdays": [0, 1, 2, 3, 4, 5, 6], "holidays": True}


def flat_tariff(tou: int, feed_in: int, local_fee: int, sharing_price: int | None = None, **more: Any) -> Any:
    """A tariff of one band."""
    band = {"name": "all day", "from_min": 0, "to_min": 1_440, "tou": tou, "feed_in": feed_in}
    if sharing_price is not None:
        band["sharing_price"] = sharing_price
    return {"schedules": [{"days": EVERY_DAY, "bands": [band]}], "local_fee": local_fee, **more}


class Neighbourhood:
    """The channel as its members use it. ``now_s`` is every transaction's timestamp."""

    def __init__(self) -> None:
        self.ledger = MemoryLedger(ForwardMarket(), CHANNEL, name="market", collections=["community"])
        self.now_s = MIDNIGHT_S - 2 * DAY_S
        self.net = ""
        self.keys: dict[tuple[str, str], SigningKey] = {}
        self.callers = {
            "operator": caller("operator", COMMUNITY, role="operator"),
            "grid": caller("grid", GRID, role="grid"),
            "carrier": caller("carrier", COMMUNITY, role="carrier"),
            "stranger": caller("stranger", COMMUNITY),
        }
        self._nonces = 0

    async def found(self, tariff: Any = None, **rules: Any) -> "Neighbourhood":
        """Configure the channel; by default homes read their meters, and readings are due at once."""
        times = {"readings_due_s": 0, "resettle_every_s": 60, "final_after_d": 220} | rules.pop("times", {})
        opening = {
            "replaces": 0,
            "clock": "live",
            "trust_homes": True,
            "period_min": HALF_HOUR_MIN,
            "utc_offset_min": 600,
            "readings_by": "home",
            "tariff": tariff or flat_tariff(**TARIFF),
            "times": times,
        }
        self.net = (await self.do("operator", "configure", opening | rules))["net"]
        return self

    async def add(self, *homes: str, confirm: bool = True, **connection: Any) -> None:
        """Register homes with a key each, and let the grid confirm them."""
        for home in homes:
            for role, name in (("home", home), ("meter", f"meter of {home}")):
                attributes = {"role": role, "home.id": home}
                self.callers[name] = caller(name.replace(" ", "-"), COMMUNITY, attributes)
        new = [{"home": home, "home_class": "prosumer"} | connection for home in homes]
        await self.do("operator", "register_home", {"homes": new})
        for home in homes:
            await self.set_key("home", home)
        if confirm:
            await self.do("grid", "confirm_home", {"homes": list(homes)})

    async def set_key(self, author: str, home: str) -> None:
        """Give an author its first key."""
        seed = hashlib.sha256(f"{author} {home}".encode()).digest()
        private = Ed25519PrivateKey.from_private_bytes(seed)
        x = encoded(private.public_key().public_bytes_raw())
        key = SigningKey(public_key({"crv": "Ed25519", "kty": "OKP", "x": x}), private.sign)
        self.keys[author, home] = key
        said = {"author": author, "version": 1, "key": dict(key.public.jwk)}
        possession = self.signed("cw-key", home, said, author)
        arguments = {"author": author, "home": home}
        await self.do("operator", "set_key", arguments, transient={"possession": possession})

    def signed(self, typ: str, home: str, said: Mapping[str, Any], author: str = "home") -> bytes:
        """A message in compact form; nonces are numbered, so that runs are alike."""
        self._nonces += 1
        nonce = encoded(self._nonces.to_bytes(16, "big"))
        key = self.keys[author, COMMUNITY if author == "operator" else home]
        return signed_message(
            key, typ, {"net": self.net, "channel": CHANNEL, "home": home, "nonce": nonce, **said}
        )

    def reading(
        self,
        home: str,
        period: int,
        import_wh: int,
        export_wh: int = 0,
        *,
        author: str = "home",
        seq: int = 1,
        totals: tuple[int, int] | None = None,
    ) -> bytes:
        """What an author says that a meter counted; the operator substitutes."""
        said: dict[str, Any] = {"period": period, "seq": seq, "import_wh": import_wh, "export_wh": export_wh}
        said["quality"] = "substituted" if author == "operator" else "measured"
        if totals is not None:
            said["import_total_wh"], said["export_total_wh"] = totals
        return self.signed("cw-reading", home, said, author)

    def request(self, home: str, period: int, energy_wh: int, limit: int = 200_000, seq: int = 1) -> bytes:
        said = {"period": period, "seq": seq, "energy_wh": energy_wh, "limit_uaud_per_kwh": limit}
        return self.signed("cw-request", home, said)

    def offer(self, home: str, period: int, energy_wh: int, price: int = 60_000, seq: int = 1) -> bytes:
        said = {"period": period, "seq": seq, "energy_wh": energy_wh, "price_uaud_per_kwh": price}
        return self.signed("cw-offer", home, said)

    async def say(self, kind: str, period: int, messages: Iterable[bytes]) -> list[str]:
        """Send messages in one batch; the codes."""
        batch = {"messages": b"\n".join(messages)}
        done = await self.do("carrier", "submit_messages", {"kind": kind, "period": period}, transient=batch)
        return list(done["results"])

    async def read(self, period: int, messages: Iterable[bytes]) -> None:
        """Send readings that must all be written."""
        messages = list(messages)
        if messages:
            assert await self.say("reading", period, messages) == ["written"] * len(messages)

    async def trade(self, period: int, bids: Iterable[bytes]) -> None:
        """Bid within the window, close the gate and clear."""
        bids = list(bids)
        start_s = period * 60
        self.now_s = start_s - 3_000
        if bids:
            assert await self.say("bid", period, bids) == ["written"] * len(bids)
        self.now_s = start_s - 240
        await self.do("operator", "close_gate", {"period": period})
        await self.do("operator", "clear_period", {"period": period})

    async def settle(self, period: int, length_min: int = HALF_HOUR_MIN) -> Any:
        """Freeze and settle a period that is over, all parts; the last answer."""
        self.now_s = max(self.now_s, Period(period, length_min).end_s)
        await self.do("operator", "freeze_period", {"period": period})
        return await self.settle_parts(period)

    async def settle_parts(self, period: int) -> Any:
        """Settle each part of the frozen version."""
        answer = {"parts": 1}
        part = 0
        while part < answer["parts"]:
            answer = await self.do("operator", "settle_period", {"period": period, "part": part})
            part += 1
        return answer

    async def lines(self, period: int, who: str = "grid") -> dict[str, Any]:
        """The lines of a period, by home."""
        span = {"from_period": period, "to_period": period + 1}
        return {one["home"]: one for one in (await self.ask(who, "list_lines", span))["lines"]}

    def lose(self, key: str) -> None:
        """The peer's disk fails: it knows a private value's hash and has the value no more."""
        place = Place("market", "community", key)
        self.ledger.state.values[place] = (b"", self.ledger.state.values[place][1])

    async def submit(
        self, who: str, name: str, arguments: Any, *, transient: Mapping[str, bytes] | None = None
    ) -> Invocation:
        return await self.ledger.submit(
            name, arguments, creator=self.callers[who], transient=transient, timestamp=self.now_s
        )

    async def evaluate(self, who: str, name: str, arguments: Any) -> Invocation:
        return await self.ledger.evaluate(name, arguments, creator=self.callers[who], timestamp=self.now_s)

    async def do(
        self, who: str, name: str, arguments: Any, *, transient: Mapping[str, bytes] | None = None
    ) -> Any:
        """Submit what must succeed; its result."""
        return (await self.submit(who, name, arguments, transient=transient)).json()

    async def refused(self, who: str, name: str, arguments: Any) -> str:
        """Submit what must be refused without writing anything; the code."""
        done = await self.submit(who, name, arguments)
        assert done.status == 400, done
        assert not done.writes
        assert done.event is None
        code, _, sentence = done.message.partition(": ")
        assert sentence, "a refusal says why"
        assert not re.search(r"\bNone\b", sentence), sentence
        return code

    async def ask(self, who: str, name: str, arguments: Any) -> Any:
        """Evaluate what must succeed; its result."""
        answer = await self.evaluate(who, name, arguments)
        assert not answer.writes
        return answer.json()
