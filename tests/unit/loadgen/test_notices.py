# SPDX-License-Identifier: Apache-2.0
"""How a generator hears of commits from blocks, on a stream that the test feeds."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from commonwatt_client import ClientError, EventsError, FilteredBlock, FilteredTransaction, ValidationCode
from commonwatt_loadgen.throughput.generator import Share, _committed, _Run
from commonwatt_loadgen.throughput.notices import BlockNotices


class Blocks:
    """A network and its stream of filtered blocks in one; an error put in ends it."""

    def __init__(self) -> None:
        self.coming: asyncio.Queue[FilteredBlock | ClientError] = asyncio.Queue()

    def filtered_block_events(self) -> Any:
        return self

    async def __aenter__(self) -> Any:
        return self

    def __aiter__(self) -> Any:
        return self

    async def __anext__(self) -> FilteredBlock:
        came = await self.coming.get()
        if isinstance(came, ClientError):
            raise came
        return came

    async def close(self) -> None:
        pass

    def tell(self, **codes: ValidationCode) -> None:
        told = (FilteredTransaction(name, "ENDORSER_TRANSACTION", code, ()) for name, code in codes.items())
        self.coming.put_nowait(FilteredBlock("newtown", 7, tuple(told)))


class Endorsed:
    """A transaction that is in a block before the orderer's answer is here."""

    transaction_id = "a"

    def __init__(self, submitted: Any = lambda: None) -> None:
        self.submitted = submitted

    async def submit(self) -> None:
        self.submitted()
        await asyncio.sleep(0)


def running(notices: BlockNotices) -> _Run:
    return _Run(Share(Path(), (), (), (), timeout_s=0.05), {}, {"newtown": [notices]}, 0.0)


async def test_what_a_block_says_of_a_transaction_is_heard() -> None:
    blocks: Any = Blocks()
    async with BlockNotices(blocks) as notices:
        transaction: Any = Endorsed(
            lambda: blocks.tell(other=ValidationCode.VALID, a=ValidationCode.MVCC_READ_CONFLICT)
        )
        code, _ = await _committed(running(notices), "newtown", transaction)
    assert code is ValidationCode.MVCC_READ_CONFLICT


async def test_a_transaction_in_no_block_is_late() -> None:
    blocks: Any = Blocks()
    async with BlockNotices(blocks) as notices:
        transaction: Any = Endorsed()
        with pytest.raises(TimeoutError):
            await _committed(running(notices), "newtown", transaction)


async def test_a_lost_stream_fails_who_waits_and_who_comes_later() -> None:
    blocks: Any = Blocks()
    async with BlockNotices(blocks) as notices:
        transaction: Any = Endorsed(lambda: blocks.coming.put_nowait(EventsError("gone")))
        for _ in range(2):
            with pytest.raises(EventsError, match="gone"):
                await _committed(running(notices), "newtown", transaction)


async def test_a_transaction_is_committed_when_the_peers_of_both_organisations_say_so() -> None:
    one, other = Blocks(), Blocks()
    first: Any = one
    second: Any = other
    async with BlockNotices(first) as own, BlockNotices(second) as theirs:
        run = _Run(Share(Path(), (), (), (), timeout_s=0.05), {}, {"newtown": [own, theirs]}, 0.0)
        alone: Any = Endorsed(lambda: one.tell(a=ValidationCode.VALID))
        with pytest.raises(TimeoutError):
            await _committed(run, "newtown", alone)

        def both() -> None:
            one.tell(a=ValidationCode.VALID)
            other.tell(a=ValidationCode.VALID)

        together: Any = Endorsed(both)
        code, _ = await _committed(run, "newtown", together)
    assert code is ValidationCode.VALID
