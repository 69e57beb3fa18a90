# SPDX-License-Identifier: Apache-2.0
"""A home with several carriers: it keeps their receipts, and turns to the next one, and at last to a peer itself."""

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

from .carrier import ADMITTED, WRITTEN, Admitted, Carried, Writes
from .commit_receipts import Pins, committed
from .receipts import Bounds, Promise, ReceiptRefused, promise
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


class OwnWay(Writes, Proves, Protocol):
    """A home's own certificate, by which it sends and asks itself: a `ForwardMarket`."""


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

    Every receipt is in the journal before anything rests on it. It leaves a carrier that gives no admission receipt in
    time, no answer when its promise is over, or no commit receipt. The next one gets the very same message. Carriers
    are of different organisations: one that is silent takes its organisation's others along. After
    the last one the home sends the message itself, where it has a certificate.

    A bid has until its gate, and each carrier its share of that time. A broken promise convicts a carrier only if it
    was within the window. Otherwise the home waits for such a carrier no longer than for a receipt.

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
        window: Callable[[Message], tuple[float, float]] | None = None,
        own_way: OwnWay | None = None,
    ) -> None:
        """ConfigurationError for two carriers of one organisation.

        `window` says from and until when (epoch seconds) the contract takes a message: `get_period` has a bid's.
        """
        if len({one.organization for one in carriers}) != len(carriers) or not carriers:
            raise ConfigurationError("a carrier of the same organisation is no fallback: name one of each")
        self._carriers = tuple(carriers)
        self._journal = journal
        self._author = author
        self._pins = pins
        self._patience = patience or Patience()
        self._clock = clock
        self._window = window
        self._own_way = own_way

    async def carry(self, compact: bytes) -> Carried:
        """`written` with a commit receipt in the journal, the code of the last refusal, or ``not_proven``."""
        message = read(compact)
        last = Carried(message.digest, NOT_PROVEN)
        for place, known in enumerate(self._carriers):
            try:
                carried = await self._carried(known, message, compact, len(self._carriers) - place)
            except _FAILED as error:
                _log_failure(known.keys.owner.home, message, error)
                continue
            if carried.written:
                return carried
            last = carried
        if self._own_way is None:
            return last
        try:
            return await self._by_itself(self._own_way, message, compact)
        except _FAILED as error:
            _log_failure("the home's own certificate", message, error)
            return last

    async def _carried(self, known: KnownCarrier, message: Message, compact: bytes, left: int) -> Carried:
        """By one carrier, of which so many are left, this one included."""
        admitted = await _within(self._patience.receipt_within_s, known.carrier.admit(compact))
        if admitted.receipt is None:
            if admitted.result in (ADMITTED, WRITTEN):
                raise ReceiptRefused(f"{known.keys.owner.home} gives no receipt")
            return Carried(message.digest, admitted.result)
        promised = promise(admitted.receipt, compact, known.keys, self._clock(), self._patience.bounds)
        self._journal.keep_receipt(admitted.receipt)
        waits_s = self._waits_s(promised, message, left)
        carried = await _within(waits_s, known.carrier.carry(compact))
        if carried.written:
            await self._prove(known.proofs, message, compact)
        return Carried(message.digest, carried.result)

    def _waits_s(self, promised: Promise, message: Message, left: int) -> float:
        """How long a carrier's answer is waited for."""
        now_s, patience = self._clock(), self._patience
        waits_s = max(0.0, promised.deliver_by - now_s) + patience.after_promise_s
        if self._window is None:
            return waits_s
        opens_s, closes_s = self._window(message)
        if not opens_s <= promised.received_at <= promised.deliver_by < closes_s:
            return min(waits_s, patience.receipt_within_s)
        return min(waits_s, max(patience.receipt_within_s, (closes_s - now_s) / left))

    async def _by_itself(self, own_way: OwnWay, message: Message, compact: bytes) -> Carried:
        try:
            written = await own_way.submit_messages(str(message.kind), message.period, [compact])
        except Refused as refused:
            return Carried(message.digest, refused.code)
        [result] = written.results
        if result == WRITTEN:
            await self._prove(own_way, message, compact)
        return Carried(message.digest, result)

    async def _prove(self, proofs: Proves, message: Message, compact: bytes) -> None:
        """Keep a commit receipt; ReceiptRefused, or what the network fails, where there is none."""
        asked = proofs.endorsed_status(
            str(message.kind), message.period, message.home, message.seq, message.digest, self._author
        )
        proof = await _within(self._patience.receipt_within_s, asked)
        committed(proof, compact, self._author, message.channel, self._pins, self._clock())
        self._journal.keep_proof(message.digest, proof)


def _log_failure(who: str, message: Message, error: BaseException) -> None:
    _log.info(
        "%s gave no receipt for a message of kind %s for period %s: %s",
        who,
        message.kind,
        message.payload.get("period"),
        type(error).__name__,
    )


async def _within(seconds: float, answer: Awaitable[Answer]) -> Answer:
    return await asyncio.wait_for(answer, seconds)
