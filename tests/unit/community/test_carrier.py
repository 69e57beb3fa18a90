# SPDX-License-Identifier: Apache-2.0
"""A carrier fills batches, gives each message its own answer and tries again; no home fills it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from pathlib import Path

import grpc
import pytest
from commonwatt_client import CommitError, CommitStatusError, EndorseError, GatewayError, ValidationCode
from commonwatt_community.market.carrier import CARRIER_BUSY, FATE_UNKNOWN, Carrier, CarrierFailed, Limits
from commonwatt_community.market.home import SpeakingHome
from commonwatt_community.market.refused import Refused
from commonwatt_community.market.results import Written
from commonwatt_community.messages.author import Author
from commonwatt_community.messages.journal import Journal
from commonwatt_community.messages.signing_key import make_key

PERIOD = 29_400_000
Batch = tuple[str, int, tuple[bytes, ...]]


class Ledger:
    """Takes batches as told: each entry of `fates` is raised for one batch, in turn; then all are written."""

    def __init__(self, *fates: Exception, results: Callable[[bytes], str] = lambda _: "written") -> None:
        self.fates = list(fates)
        self.results = results
        self.tries: list[Batch] = []
        self.most_at_once = self.now = 0
        self.pause_s = 0.0

    async def submit_messages(self, kind: str, period: int, messages: Sequence[bytes]) -> Written:
        self.now += 1
        self.most_at_once = max(self.most_at_once, self.now)
        self.tries.append((kind, period, tuple(messages)))
        await asyncio.sleep(self.pause_s)
        self.now -= 1
        if self.fates:
            raise self.fates.pop(0)
        return Written(tuple(self.results(one) for one in messages))


@pytest.fixture
def author(tmp_path: Path) -> Callable[[str], Author]:
    def made(home: str) -> Author:
        key = make_key(tmp_path / f"{home}.pem", "EdDSA")
        return Author(key, Journal(tmp_path / f"{home}.journal"), "n1", "newtown", home)

    return made


def conflict() -> CommitError:
    return CommitError(
        "invalid", code=ValidationCode.MVCC_READ_CONFLICT, block_number=7, transaction_id="ab" * 32
    )


async def test_a_full_batch_goes_at_once_and_the_rest_when_its_time_is_up(author) -> None:
    ledger = Ledger()
    homes = [author(f"h{number}") for number in range(5)]
    async with Carrier(ledger, Limits(most_messages=2, longest_wait_s=0.05)) as carrier:
        carried = await asyncio.gather(*(carrier.carry(one.withdraw(PERIOD)) for one in homes))
    assert [len(messages) for _, _, messages in ledger.tries] == [2, 2, 1]
    assert all(one.written for one in carried)
    assert len({one.digest for one in carried}) == 5


async def test_batches_go_over_the_connection_with_the_fewest(author) -> None:
    slow, quick = Ledger(), Ledger()
    slow.pause_s = 0.3
    homes = [author(f"h{number}") for number in range(6)]
    limits = Limits(most_messages=1, in_flight=2)
    async with Carrier([slow, quick], limits) as carrier:
        carried = await asyncio.gather(*(carrier.carry(one.withdraw(PERIOD)) for one in homes))
    assert all(one.written for one in carried)
    assert (len(slow.tries), len(quick.tries)) == (1, 5)
    assert (slow.most_at_once, quick.most_at_once) == (1, 1)


async def test_a_batch_that_fails_is_tried_again_over_another_connection(author) -> None:
    lost, other = Ledger(conflict()), Ledger()
    async with Carrier([lost, other], Limits(longest_wait_s=0.01)) as carrier:
        assert (await carrier.carry(author("h1").withdraw(PERIOD))).written
    assert len(lost.tries) == len(other.tries) == 1
    assert lost.tries == other.tries


async def test_a_failure_that_nobody_foresaw_is_an_answer_and_makes_room(author, caplog) -> None:
    ledger, home = Ledger(KeyError("results")), author("h1")
    message = home.withdraw(PERIOD)
    async with Carrier(ledger, Limits(longest_wait_s=0.01, most_of_a_home=1)) as carrier:
        with pytest.raises(CarrierFailed, match="KeyError") as failed:
            await asyncio.wait_for(carrier.carry(message), 5)
        assert isinstance(failed.value.__cause__, KeyError)
        assert (await carrier.carry(message)).written
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert message.decode() not in caplog.text
    assert len(ledger.tries) == 2


async def test_a_batch_that_is_cut_off_leaves_nobody_waiting(author) -> None:
    ledger = Ledger()
    ledger.pause_s = 60
    carrier = Carrier(ledger, Limits(longest_wait_s=0.0))
    carrying = asyncio.create_task(carrier.carry(author("h1").withdraw(PERIOD)))
    while not ledger.tries:  # noqa: ASYNC110
        await asyncio.sleep(0.001)
    for task in asyncio.all_tasks() - {asyncio.current_task(), carrying}:
        task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(carrying, 5)
    await asyncio.wait_for(carrier.close(), 5)


def test_a_carrier_needs_a_market() -> None:
    with pytest.raises(ValueError, match="needs a market"):
        Carrier([])


async def test_batches_hold_one_kind_and_one_period(author) -> None:
    ledger, home = Ledger(), author("h1")
    said = [home.withdraw(PERIOD), home.withdraw(PERIOD + 30), home.reading(PERIOD, 1, 0)]
    async with Carrier(ledger) as carrier:
        await asyncio.gather(*map(carrier.carry, said))
    assert sorted(ledger.tries) == sorted(
        [("bid", PERIOD, (said[0],)), ("bid", PERIOD + 30, (said[1],)), ("reading", PERIOD, (said[2],))]
    )


async def test_each_message_has_its_own_answer_in_whatever_order(author) -> None:
    one, two = author("h1").withdraw(PERIOD), author("h2").withdraw(PERIOD)
    ledger = Ledger(results=lambda message: "written" if message == two else "unknown_key")
    async with Carrier(ledger) as carrier:
        first, second = await asyncio.gather(carrier.carry(one), carrier.carry(two))
    assert (first.result, second.result) == ("unknown_key", "written")


async def test_what_is_no_message_is_refused_here_and_reaches_no_ledger(author) -> None:
    ledger = Ledger()
    async with Carrier(ledger) as carrier:
        assert (await carrier.carry(b"x" * 2_000)).result == "too_large"
        assert (await carrier.carry(b"a.b")).result == "bad_form"
        assert (await carrier.carry(author("h1").login("energy.example", "A" * 22))).result == "wrong_typ"
    assert ledger.tries == []


async def test_a_message_that_comes_twice_is_carried_once(author) -> None:
    ledger, said = Ledger(), author("h1").withdraw(PERIOD)
    async with Carrier(ledger) as carrier:
        carried = await asyncio.gather(*(carrier.carry(said) for _ in range(50)))
    assert [messages for _, _, messages in ledger.tries] == [(said,)]
    assert len(set(carried)) == 1


@pytest.mark.parametrize(
    "fault",
    [
        conflict(),
        EndorseError("peer away", status=grpc.StatusCode.UNAVAILABLE),
        CommitStatusError("no answer", status=grpc.StatusCode.DEADLINE_EXCEEDED),
    ],
    ids=["lost race", "peer away", "no word of the commit"],
)
async def test_a_batch_that_may_succeed_later_is_sent_again_unchanged(author, fault: GatewayError) -> None:
    ledger, said = Ledger(fault), author("h1").withdraw(PERIOD)
    async with Carrier(ledger) as carrier:
        assert (await carrier.carry(said)).written
    assert ledger.tries == [("bid", PERIOD, (said,))] * 2


async def test_what_the_network_fails_for_too_long_is_raised_and_makes_room(author) -> None:
    ledger, said = Ledger(*[conflict() for _ in range(99)]), author("h1").withdraw(PERIOD)
    async with Carrier(ledger, Limits(patience_s=0.3, most_waiting=1)) as carrier:
        with pytest.raises(CommitError):
            await carrier.carry(said)
        ledger.fates.clear()
        assert (await carrier.carry(said)).written


async def test_a_policy_failure_is_not_tried_again(author) -> None:
    fault = CommitError(
        "invalid", code=ValidationCode.ENDORSEMENT_POLICY_FAILURE, block_number=7, transaction_id="ab" * 32
    )
    ledger = Ledger(fault)
    async with Carrier(ledger) as carrier:
        with pytest.raises(CommitError):
            await carrier.carry(author("h1").withdraw(PERIOD))
    assert len(ledger.tries) == 1


async def test_a_refused_batch_gives_its_code_to_every_message(author) -> None:
    ledger = Ledger(Refused("gate_closed", "the gate of the period is closed", "submit_messages"))
    async with Carrier(ledger) as carrier:
        carried = await asyncio.gather(*(carrier.carry(author(f"h{n}").withdraw(PERIOD)) for n in range(3)))
    assert [one.result for one in carried] == ["gate_closed"] * 3


async def test_a_refusal_after_an_unknown_fate_is_not_taken_for_one(author) -> None:
    """The first try may stand on the ledger: `gate_closed` of the second would send the home away wrongly."""
    lost = CommitStatusError("no answer", status=grpc.StatusCode.DEADLINE_EXCEEDED)
    ledger = Ledger(lost, Refused("gate_closed", "the gate of the period is closed", "submit_messages"))
    async with Carrier(ledger) as carrier:
        assert (await carrier.carry(author("h1").withdraw(PERIOD))).result == FATE_UNKNOWN


async def test_one_home_fills_no_carrier(author) -> None:
    """All 32 of an author fit; what is beyond is refused here, and the neighbour's is carried."""
    ledger, loud, quiet = Ledger(), author("h1"), author("h2")
    ledger.pause_s = 0.05
    said = [loud.withdraw(PERIOD) for _ in range(32)]
    async with Carrier(ledger, Limits(most_of_a_home=20)) as carrier:
        answers = [asyncio.create_task(carrier.carry(one)) for one in said]
        neighbours = await carrier.carry(quiet.withdraw(PERIOD))
        results = [(await one).result for one in answers]
        assert neighbours.written
        assert results == ["written"] * 20 + [CARRIER_BUSY] * 12
        assert (await carrier.carry(said[-1])).written  # an answer makes room


async def test_one_home_fills_no_carrier_with_periods(author) -> None:
    """Each period has a batch of its own: thousands of them are refused here, and the neighbour does not wait."""
    ledger, loud, quiet = Ledger(), author("h1"), author("h2")
    ledger.pause_s = 0.01
    said = [loud.withdraw(PERIOD + 30 * number) for number in range(400)]
    limits = Limits(most_of_a_home_in_all=50, most_waiting=100, longest_wait_s=0.0)
    async with Carrier(ledger, limits) as carrier:
        answers = [asyncio.create_task(carrier.carry(one)) for one in said]
        await asyncio.sleep(0)
        assert (await carrier.carry(quiet.withdraw(PERIOD))).written
        results = [(await one).result for one in answers]
        assert results == ["written"] * 50 + [CARRIER_BUSY] * 350
        assert (await carrier.carry(said[-1])).written


async def test_so_many_batches_are_under_way_and_the_next_ones_grow(author) -> None:
    ledger = Ledger()
    ledger.pause_s = 0.1
    homes = [author(f"h{number}") for number in range(6)]
    async with Carrier(ledger, Limits(most_messages=100, longest_wait_s=0.01, in_flight=1)) as carrier:
        first = asyncio.create_task(carrier.carry(homes[0].withdraw(PERIOD)))
        await asyncio.sleep(0.05)
        await asyncio.gather(*(carrier.carry(one.withdraw(PERIOD)) for one in homes[1:]))
        await first
    assert ledger.most_at_once == 1
    assert [len(messages) for _, _, messages in ledger.tries] == [1, 5]


async def test_closing_answers_everybody_and_takes_nobody_else(author) -> None:
    ledger, home = Ledger(), author("h1")
    carrier = Carrier(ledger, Limits(most_messages=2, longest_wait_s=60, in_flight=1))
    waiting = [asyncio.create_task(carrier.carry(home.withdraw(PERIOD + 30 * n))) for n in range(3)]
    await asyncio.sleep(0)
    async with asyncio.timeout(5):
        await carrier.close()
    assert [(await one).written for one in waiting] == [True] * 3
    assert (await carrier.carry(home.withdraw(PERIOD))).result == CARRIER_BUSY


async def test_a_sender_that_gives_up_leaves_the_message_on_its_way(author) -> None:
    ledger, said = Ledger(), author("h1").withdraw(PERIOD)
    ledger.pause_s = 0.1
    async with Carrier(ledger) as carrier:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await carrier.carry(said)
        assert (await carrier.carry(said)).written
    assert len(ledger.tries) == 1


async def test_nothing_of_a_message_is_logged(author, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    said = author("h1").request(PERIOD, 4_321, 310_000)
    async with Carrier(Ledger(conflict())) as carrier:
        await carrier.carry(said)
    assert "MVCC_READ_CONFLICT" in caplog.text
    assert not any(part in caplog.text for part in (*said.decode().split("."), "4321", "h1"))


async def test_a_home_speaks_and_the_journal_has_it_first(author) -> None:
    ledger, one = Ledger(), author("h1")
    async with Carrier(ledger) as carrier:
        home = SpeakingHome(one, carrier)
        await home.request(PERIOD, 1_200, 310_000)
        await home.offer(PERIOD, 800, 120_000)
        await home.withdraw(PERIOD)
        await home.reading(PERIOD, 640, 0, import_total_wh=8_000)
    assert one.journal.highest_seq("n1", "newtown", "h1", PERIOD, "bid") == 3
    assert [len(messages) for _, _, messages in ledger.tries] == [1, 1, 1, 1]


@pytest.mark.parametrize("limits", [{"most_messages": 0}, {"most_messages": 1_001}, {"in_flight": 0}])
def test_limits_that_cannot_be_are_refused(limits: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="1 to 1000"):
        Limits(**limits)
