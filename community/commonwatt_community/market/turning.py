# SPDX-License-Identifier: Apache-2.0
"""A home with several carriers: it keeps their receipts, and turns to the next one that owes it one."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from commonwatt_chaincode.messages.message import Message, read
from commonwatt_chaincode.messages.versions import KeyRecord
from commonwatt_client import GatewayError
from commonwatt_client.errors import ConfigurationError, MalformedMessageError

from .carrier import ADMITTED, Admitted, Carried
from .commit_receipts import Pins, committed
from .receipts import Bounds, ReceiptRefused, promise
from .refused import Refused

NOT_PROVEN = "not_proven"
"""No carrier proved that the message is on the ledger: ask a peer for `message_status`, or say it again in time."""

_FAILED = (GatewayError, MalformedMessageError, Refused, ReceiptRefused, TimeoutError, OSError)

_log = logging.getLogger("commonwatt_community")
Answer = TypeVar("Answer")


class Admits(Protocol):
    """A carrier that gives receipts, here or elsewhere."""

    async def admit(self, compact: bytes, /) -> Admitted:
        """Take a message and promise to deliver it."""
        ...

    async def carry(self, compact: bytes, /) -> Carried:
        """What became of a message."""
        ...


class Proves(Protocol):
    """Asks peers of both organisations, by the carrier or by a certificate of the home's own."""

    async def endorsed_status(
        self, kind: str, period: int, home: str, seq: int, digest: str, author: str, /
    ) -> bytes:
        """A commit receipt."""
        ...


class KeepsReceipts(Protocol):
    """Keeps receipts beside the messages: a `Journal`."""

    def keep_receipt(self, receipt: bytes, /) -> None:
        """Keep an admission receipt."""
        ...

    def keep_proof(self, digest: str, proof: bytes, /) -> None:
        """Keep a commit receipt."""
        ...


@dataclass(frozen=True)
class KnownCarrier:
    """A carrier, the way to its commit receipts, and its keys as the ledger has them."""

    carrier: Admits
    proofs: Proves
    keys: KeyRecord

    @property
    def organization(self) -> str:
        """The MSP id of its organisation."""
        return self.keys.owner.home.rpartition(".")[0]


@dataclass(frozen=True)
class Patience:
    """How long a home waits for a receipt, and what it takes for a promise.

    Attributes:
        receipt_within_s: for an admission receipt, and for a commit receipt once the carrier says ``written``.
        after_promise_s: for the carrier's answer after the time that it promised.
    """

    receipt_within_s: float = 5.0
    after_promise_s: float = 5.0
    bounds: Bounds = field(default_factory=Bounds)


class TurningCarrier:
    """Carries by the first carrier that proves to have done it: what a `SpeakingHome` takes for its carrier.

    Every receipt is in the journal before anything rests on it. A carrier without an admission receipt in time, without
    an answer when its promise is over, or without a commit receipt is left for the next one, which gets the very same
    message. Carriers are of different organisations: one that is silent takes its organisation's others along.

    ::

        carriers = TurningCarrier([newtown, grid], journal, "home", pins)
        carried = await SpeakingHome(author, carriers).request(29_400_000, 1_200, 310_000)
    """

    def __init__(
        self,
        carriers: Sequence[KnownCarrier],
        journal: KeepsReceipts,
        author: str,
        pins: Pins,
        patience: Patience | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """ConfigurationError for two carriers of one organisation."""
        if len({one.organization for one in carriers}) != len(carriers) or not carriers:
            raise ConfigurationError("a carrier of the same organisation is no fallback: name one of each")
        self._carriers = tuple(carriers)
        self._journal = journal
        self._author = author
        self._pins = pins
        self._patience = patience or Patience()
        self._clock = clock

    async def carry(self, compact: bytes) -> Carried:
        """`written` with a commit receipt in the journal, the code of the last refusal, or ``not_proven``."""
        message = read(compact)
        last = Carried(message.digest, NOT_PROVEN)
        for known in self._carriers:
            try:
                carried = await self._carried(known, message, compact)
            except _FAILED as error:
                _log.info(
                    "%s gave no receipt for a message of kind %s for period %s: %s",
                    known.keys.owner.home,
                    message.kind,
                    message.payload.get("period"),
                    type(error).__name__,
                )
                continue
            if carried.written:
                return carried
            last = carried
        return last

    async def _carried(self, known: KnownCarrier, message: Message, compact: bytes) -> Carried:
        patience = self._patience
        admitted = await _within(patience.receipt_within_s, known.carrier.admit(compact))
        if admitted.receipt is None and admitted.result == ADMITTED:
            raise ReceiptRefused(f"{known.keys.owner.home} gives no receipt")
        if admitted.receipt is None:
            return Carried(message.digest, admitted.result)
        promised = promise(admitted.receipt, compact, known.keys, self._clock(), patience.bounds)
        self._journal.keep_receipt(admitted.receipt)
        left_s = max(0.0, promised.deliver_by - self._clock()) + patience.after_promise_s
        carried = await _within(left_s, known.carrier.carry(compact))
        if not carried.written:
            return Carried(message.digest, carried.result)
        proof = await _within(
            patience.receipt_within_s,
            known.proofs.endorsed_status(
                str(message.kind), message.period, message.home, message.seq, message.digest, self._author
            ),
        )
        committed(proof, compact, self._author, message.channel, self._pins, self._clock())
        self._journal.keep_proof(message.digest, proof)
        return Carried(message.digest, carried.result)


async def _within(seconds: float, answer: Awaitable[Answer]) -> Answer:
    return await asyncio.wait_for(answer, seconds)
