# SPDX-License-Identifier: Apache-2.0
"""A load of signed messages: batches of bids, each of one period, homes in turn, from both organisations' peers."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from commonwatt_chaincode.messages.fields import HIGHEST_SEQ, REQUEST
from commonwatt_chaincode.messages.message import BID
from commonwatt_community.market.forward import FORWARD
from commonwatt_community.messages.compose import new_nonce, signed_message
from commonwatt_community.messages.signing_key import SigningKey, load_key

from commonwatt_loadgen.throughput.workload import MESSAGES, Call, Sender

TRANSACTION = "submit_messages"


@dataclass(frozen=True)
class Messages:
    """Batches of `size` requests. A period takes 32 messages of each home; a batch holds those of one period.

    `key_files` are the homes' message keys, by home: they are read where messages are signed, and travel nowhere.
    """

    channel: str
    net: str
    senders: tuple[Sender, ...]
    witnesses: tuple[str, ...]
    endorsers: tuple[str, ...]
    key_files: Mapping[str, Path]
    periods: range
    size: int
    limit_uaud_per_kwh: int

    contract: str = field(default=FORWARD, init=False)
    scenario: str = field(default=MESSAGES, init=False)
    slow: bool = field(default=True, init=False)

    @property
    def batches_of_a_period(self) -> int:
        """How many batches a period takes."""
        return len(self.key_files) * HIGHEST_SEQ // self.size

    @property
    def most(self) -> int:
        """How many batches all periods take."""
        return len(self.periods) * self.batches_of_a_period

    def request(self, number: int) -> Call:
        """The `number`-th batch: its messages are signed now."""
        place, within = divmod(number, self.batches_of_a_period)
        period = self.periods[place]
        argument = {"kind": BID, "period": period}
        messages = b"\n".join(self._message(period, within * self.size + one) for one in range(self.size))
        sender = self.senders[number % len(self.senders)]
        return Call(sender, TRANSACTION, json.dumps(argument), {"messages": messages}, self.size)

    def _message(self, period: int, place: int) -> bytes:
        homes = list(self.key_files)
        seq, home = divmod(place, len(homes))
        said = {
            "net": self.net,
            "channel": self.channel,
            "home": homes[home],
            "nonce": new_nonce(),
            "period": period,
            "seq": seq + 1,
            "energy_wh": 500,
            "limit_uaud_per_kwh": self.limit_uaud_per_kwh,
        }
        return signed_message(_key(self.key_files[homes[home]]), REQUEST, said)


@lru_cache(maxsize=100_000)
def _key(file: Path) -> SigningKey:
    return load_key(file)
