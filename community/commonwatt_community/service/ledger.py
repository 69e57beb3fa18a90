# SPDX-License-Identifier: Apache-2.0
"""The service's questions to its peer: answers pass through as they come; configuration and keys are kept a while."""

import asyncio
import json
import time
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from commonwatt_chaincode.messages.versions import KeyRecord
from commonwatt_client.errors import MalformedMessageError

from ..market.forward import ForwardMarket
from ..market.receipts import keys_of_carrier
from ..market.refused import Refused
from ..market.results import Standing, StoredKeys, read_result

CONFIGURATION_S = 30.0
KEYS_S = 600.0
_KEYS_AGAIN_S = 5.0
_MOST_AUTHORS = 20_000


class Ledger:
    """The market of one channel as the service's carrier reads it; GatewayError where the peer does not answer."""

    def __init__(self, market: ForwardMarket, channel: str) -> None:
        self.market = market
        self.channel = channel
        self.answers = False
        """Whether the peer answered the last `probe`."""
        self._standing: tuple[float, Standing] | None = None
        self._asking = asyncio.Lock()
        self._keys: OrderedDict[tuple[str, str], tuple[float, KeyRecord | None]] = OrderedDict()

    async def ask(self, name: str, argument: Mapping[str, Any]) -> bytes:
        """The contract's JSON as it came."""
        return await self.market.evaluate(name, argument)

    async def json(self, name: str, argument: Mapping[str, Any]) -> dict[str, Any]:
        """The same as values; MalformedMessageError for what is no JSON object."""
        try:
            return dict(json.loads(await self.ask(name, argument)))
        except (ValueError, TypeError) as error:
            raise MalformedMessageError(f"the peer's answer to {name} is no JSON object") from error

    async def probe(self) -> None:
        """Ask the peer something small, so that `answers` is of now; what callers ask for says nothing of it."""
        self._standing = None
        try:
            await self.standing()
        except Exception:
            self.answers = False
            raise
        self.answers = True

    async def standing(self) -> Standing:
        """The configuration, half a minute old at most, and the market time when it was read."""
        async with self._asking:
            now = time.monotonic()
            if self._standing is None or now - self._standing[0] > CONFIGURATION_S:
                answer = await self.ask("get_configuration", {})
                self._standing = (now, read_result(Standing, answer))
            return self._standing[1]

    async def market_minute(self) -> int:
        """The market time in epoch minutes."""
        standing = await self.standing()
        if standing.configuration.clock == "live":
            return int(time.time()) // 60
        return read_result(Standing, await self.ask("get_configuration", {})).now_s // 60

    def configured(self) -> None:
        """Read the configuration anew when it is asked for next: an event says that it changed."""
        self._standing = None

    async def keys(self, author: str, home: str, kid: str = "") -> KeyRecord | None:
        """An author's keys, None where none is set; asked anew where they lack the key of the thumbprint `kid`."""
        place = (author, home)
        known = self._keys.get(place)
        age_s = time.monotonic() - known[0] if known else KEYS_S
        if known and (age_s < _KEYS_AGAIN_S or (age_s < KEYS_S and _holds(known[1], kid))):
            return known[1]
        configuration = (await self.standing()).configuration
        try:
            answer = await self.ask("get_keys", {"author": author, "home": home})
        except Refused as refused:
            if refused.code != "no_key":
                raise
            record = None
        else:
            record = keys_of_carrier(read_result(StoredKeys, answer), configuration.net, self.channel)
        self._keys[place] = (time.monotonic(), record)
        self._keys.move_to_end(place)
        while len(self._keys) > _MOST_AUTHORS:
            self._keys.popitem(last=False)
        return record

    def key_changed(self, author: str, home: str) -> None:
        """Ask for an author's keys anew when they are needed next."""
        self._keys.pop((author, home), None)


def _holds(record: KeyRecord | None, kid: str) -> bool:
    return record is not None and (not kid or any(one.key.kid == kid for one in record.versions))
