# SPDX-License-Identifier: Apache-2.0
"""A load of messages: the contract writes each of them, none twice, and periods are found that take them."""

from __future__ import annotations

import json
import pickle
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from commonwatt_client.exit_codes import UsageError
from commonwatt_client.network_file import Community, NetworkFile
from commonwatt_loadgen.throughput import prepare_messages
from commonwatt_loadgen.throughput.messages import Messages

from ...support.memory_forward import MemoryChannel

HOMES = ("h1", "h2", "h3")
Placed = tuple[int, str, int]  # period, home, seq


class Street:
    """Three homes on a channel in memory."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def user(role: str, name: str) -> dict[str, Any]:
            return {"private_key": str(folder / name / "private_key.pem"), "attributes": {"role": role}}

        content = {
            "channels": {"newtown": {"organizations": ["newtown", "grid"], "market": "forward"}},
            "organizations": {
                "newtown": {"mspid": "NewtownMSP", "users": {home: user("home", home) for home in HOMES}},
                "grid": {"mspid": "GridMSP", "users": {"operator": user("grid", "grid")}},
            },
        }
        self.channel = MemoryChannel()
        self.community = Community("newtown", "newtown", {home: home for home in HOMES})
        self.network = NetworkFile(folder / "network.json", "memory", "memory", (self.community,), content)

        @asynccontextmanager
        async def parties_of(*_: Any) -> AsyncIterator[Any]:
            yield self.channel.parties()

        monkeypatch.setattr(prepare_messages, "parties_of", parties_of)

    async def prepared(self, batches: int, size: int, *, or_fewer: bool = False) -> Messages:
        return await prepare_messages.prepare_messages(
            self.network, self.community, batches, size, 1.0, or_fewer=or_fewer
        )

    async def send(self, workload: Messages, batches: int) -> list[Placed]:
        """What was said, once the contract has written all of it."""
        placed: list[Placed] = []
        for number in range(batches):
            call = workload.request(number)
            argument = json.loads(call.argument)
            assert call.transient is not None
            said = call.transient["messages"].split(b"\n")
            mspid = "NewtownMSP" if call.sender.organization == "newtown" else "GridMSP"
            role = "operator" if mspid == "NewtownMSP" else "grid"
            market = self.channel.market(mspid, role)
            results = (await market.submit_messages(argument["kind"], argument["period"], said)).results
            assert results == ("written",) * call.messages
            for key in (one.key for one in await market.list_messages("bid", argument["period"])):
                _, _, period, home, _, seq = key.split("/")
                placed.append((int(period), home, int(seq)))
        return placed


@pytest.fixture
def street(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Street:
    return Street(tmp_path, monkeypatch)


async def test_every_message_is_written_in_a_place_of_its_own(street: Street) -> None:
    workload = await street.prepared(12, 16)
    assert workload.batches_of_a_period == 6
    # A period's places grow batch by batch, to all that its homes may say, and the next period follows.
    placed = await street.send(workload, 12)
    assert len({*placed}) == 12 * 16
    assert {period for period, _, _ in placed} == {*workload.periods[:2]}
    assert {seq for _, _, seq in placed} == {*range(1, 33)}


async def test_both_organisations_send_in_turn_and_both_must_have_committed(street: Street) -> None:
    workload = await street.prepared(2, 8)
    assert [workload.request(number).sender.organization for number in range(3)] == [
        "newtown",
        "grid",
        "newtown",
    ]
    assert workload.witnesses == ("newtown", "grid")
    assert workload.endorsers == ("NewtownMSP", "GridMSP")


async def test_a_later_load_takes_other_periods_and_the_same_keys(street: Street) -> None:
    first, second = await street.prepared(2, 8), await street.prepared(2, 8)
    assert not {*first.periods} & {*second.periods}
    assert len(first.periods) == len(second.periods) > 2_000
    await street.send(second, 2)


async def test_no_private_key_travels_with_a_share(street: Street) -> None:
    workload = await street.prepared(2, 8)
    workload.request(0)  # the keys are read by now
    key = street.community.homes["h1"]
    secret = (street.network.path.parent / key / "message_key.pem").read_bytes().split(b"\n")[1]
    assert secret not in pickle.dumps(workload)
    assert pickle.loads(pickle.dumps(workload)) == workload


async def test_what_does_not_fit_is_refused_with_what_would(street: Street) -> None:
    with pytest.raises(
        UsageError, match=r"--batch 97: a period takes 32 messages of each home, so the 3 homes .* 96"
    ):
        await street.prepared(1, 97)
    most = (await street.prepared(1, 96)).most
    with pytest.raises(UsageError, match=rf"so {most:,} do"):
        await street.prepared(most + 1, 96)
    assert (await street.prepared(most + 1, 96, or_fewer=True)).most == most


async def test_a_live_channel_is_loaded_once_a_period_takes_bids_of_its_homes(
    street: Street, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Homes count from the first window that opens after the grid confirmed them: the load waits for it."""
    waited_s = []

    async def sleep(seconds: float) -> None:
        waited_s.append(seconds)
        street.channel.time_s += int(seconds)

    monkeypatch.setattr(prepare_messages.asyncio, "sleep", sleep)
    street.network.content["channels"]["newtown"]["clock"] = "live"
    street.channel.time_s = 29_404_500 * 60 + 20
    workload = await street.prepared(1, 96, or_fewer=True)
    waits = [seconds for seconds in waited_s if seconds]
    assert waits == [40]
    assert workload.periods == range(29_404_506, 29_404_507)
    assert len(await street.send(workload, 1)) == 96
    configuration = (await street.channel.parties().operator.get_configuration()).configuration
    assert configuration.clock == "live"

    street.channel.time_s += 120  # two more windows are open by now
    again = await street.prepared(1, 96, or_fewer=True)
    assert again.periods == range(29_404_507, 29_404_509)  # the first one holds messages of these homes
    await street.send(again, 2)
    assert (await street.prepared(1, 96, or_fewer=True)).periods == range(29_404_509, 29_404_510)
    assert [seconds for seconds in waited_s if seconds] == [40, 60]
