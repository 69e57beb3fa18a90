# SPDX-License-Identifier: Apache-2.0
"""The outbox: on disk before a receipt, carried until the ledger answers, also by the next process."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import grpc
import pytest
from commonwatt_chaincode.messages.message import read
from commonwatt_client import CommitStatusError, EndorseError
from commonwatt_community.market.carrier import Carrier
from commonwatt_community.market.carrier import Limits as CarrierLimits
from commonwatt_community.market.receipts import Service
from commonwatt_community.market.refused import Refused
from commonwatt_community.market.results import MessageStatus, Written
from commonwatt_community.messages.author import Author
from commonwatt_community.messages.journal import Journal
from commonwatt_community.messages.signing_key import make_key
from commonwatt_community.service.outbox import Limits, Outbox, Spoken
from commonwatt_community.service.store import Store, StoreFailed

PERIOD = 29_400_000
QUICK = CarrierLimits(longest_wait_s=0.0, patience_s=0.01)


class Peer:
    """Writes batches, after each of `fates` was raised for one; `status` is what it says of any message."""

    def __init__(self, *fates: Exception, status: str = "absent") -> None:
        self.fates = list(fates)
        self.status = status
        self.batches: list[Sequence[bytes]] = []

    async def submit_messages(self, kind: str, period: int, messages: Sequence[bytes]) -> Written:
        await asyncio.sleep(0)
        if self.fates:
            raise self.fates.pop(0)
        self.batches.append(messages)
        return Written(("written",) * len(messages))

    async def message_status(self, *said: Any) -> MessageStatus:
        return MessageStatus("d", self.status, None)


class Town:
    """A home that speaks, the service's receipts and its file."""

    def __init__(self, folder: Path, journal: Journal) -> None:
        self.folder = folder
        self.author = Author(make_key(folder / "home.pem", "EdDSA"), journal, "n1", "newtown", "h-1")
        self.receipts = Service(
            make_key(folder / "service.pem", "EdDSA"), "n1", "newtown", "NewtownMSP.service"
        )
        self.store = Store(folder / "service.db")
        self.told: list[tuple[str, str]] = []

    def outbox(self, peer: Peer, limits: Limits | None = None) -> Outbox:
        def told(home: str, digest: str, result: str, seconds: float) -> None:
            self.told.append((home, result))

        return Outbox(self.store, Carrier(peer, QUICK), peer, told, limits)  # type: ignore[arg-type]

    def bid(self) -> Spoken:
        compact = self.author.request(PERIOD, 1_200, 310_000)
        return Spoken(read(compact), compact, "home")


@pytest.fixture
def street(tmp_path: Path) -> Iterator[Town]:
    with Journal(tmp_path / "home.journal") as journal:
        town = Town(tmp_path, journal)
        yield town
        town.store.close()


async def test_the_same_message_is_carried_once_and_has_one_receipt(street: Town) -> None:
    peer = Peer()
    outbox, bid = street.outbox(peer), street.bid()
    admitted = await asyncio.gather(*(outbox.admit(bid, street.receipts) for _ in range(5)))
    assert len({one.receipt for one in admitted}) == 1
    await outbox.wait(bid.message.digest, 10)
    [entry] = outbox.entries(bid.message.digest)
    assert (entry.result, entry.home, entry.seq, entry.author) == ("written", "h-1", 1, "home")
    assert (await outbox.admit(bid, street.receipts)).receipt == admitted[0].receipt
    assert (len(peer.batches), street.told, len(outbox)) == (1, [("h-1", "written")], 0)
    row = street.store.one("SELECT compact FROM messages")
    assert row is not None
    assert row["compact"] is None
    await outbox.close(1)


async def test_what_waits_is_carried_by_the_next_process(street: Town) -> None:
    """The first process has no peer at all and ends; the second one delivers."""
    away = EndorseError("away", status=grpc.StatusCode.UNAVAILABLE)
    first = street.outbox(Peer(*[away] * 10_000))
    bids = [street.bid() for _ in range(3)]
    for bid in bids:
        assert (await first.admit(bid, street.receipts)).receipt is not None
    await first.close(0.05)
    assert [one.result for bid in bids for one in first.entries(bid.message.digest)] == [None] * 3
    peer = Peer()
    second = street.outbox(peer)
    assert second.start() == 3
    for bid in bids:
        await second.wait(bid.message.digest, 10)
        assert second.entries(bid.message.digest)[0].result == "written"
    assert sorted(one for batch in peer.batches for one in batch) == sorted(bid.compact for bid in bids)
    await second.close(1)


async def test_no_receipt_leaves_without_a_row(street: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    outbox, bid = street.outbox(Peer()), street.bid()

    async def full(*_: Any) -> list[int]:
        raise StoreFailed("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(street.store, "write", full)
        with pytest.raises(StoreFailed):
            await outbox.admit(bid, street.receipts)
    assert len(outbox) == 0
    assert (await outbox.admit(bid, street.receipts)).receipt is not None
    await outbox.wait(bid.message.digest, 10)
    await outbox.close(1)


async def test_a_home_fills_its_own_share_alone(street: Town) -> None:
    away = EndorseError("away", status=grpc.StatusCode.UNAVAILABLE)
    outbox = street.outbox(Peer(*[away] * 10_000), Limits(most_waiting=3, most_of_a_home=2))
    results = [(await outbox.admit(street.bid(), street.receipts)).result for _ in range(3)]
    assert results == ["admitted", "admitted", "carrier_busy"]
    await outbox.close(0.05)


@pytest.mark.parametrize(("status", "result"), [("written", "written"), ("absent", "gate_closed")])
async def test_a_refusal_after_an_unknown_fate_is_looked_up(street: Town, status: str, result: str) -> None:
    """The ledger says whether the first try wrote it; else the contract refuses it once more, plainly."""
    unknown = CommitStatusError("no word", status=grpc.StatusCode.DEADLINE_EXCEEDED)
    closed = Refused("gate_closed", "too late", "submit_messages")
    peer = Peer(unknown, closed, closed, status=status)
    carrier = Carrier(peer, CarrierLimits(longest_wait_s=0.0, patience_s=5.0))
    outbox = Outbox(street.store, carrier, peer, lambda *_: None)  # type: ignore[arg-type]
    bid = street.bid()
    await outbox.admit(bid, street.receipts)
    await outbox.wait(bid.message.digest, 20)
    assert outbox.entries(bid.message.digest)[0].result == result
    await outbox.close(1)


async def test_what_is_done_is_forgotten_after_three_days(
    street: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    outbox, bid = street.outbox(Peer()), street.bid()
    await outbox.admit(bid, street.receipts)
    await outbox.wait(bid.message.digest, 10)
    await outbox.drop_old()
    assert len(outbox.entries(bid.message.digest)) == 1
    monkeypatch.setattr("commonwatt_community.service.outbox.KEEP_S", -10)
    await outbox.drop_old()
    assert outbox.entries(bid.message.digest) == []
    await outbox.close(1)
