# SPDX-License-Identifier: Apache-2.0
"""Going on with an interrupted simulation to the results it would have had.

The ledger is the record. All that a file must remember is where the simulation began (`unfinished.json`, written
before the first round). A resumed run plays its agents from there again. It reads steps that the ledger already holds
instead of sending them, so agents meet the same awards. From the first step that is missing on it trades as ever.
"""

import asyncio
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from commonwatt_chaincode.market.battery import Account
from commonwatt_chaincode.market.orders import own_round_id
from commonwatt_chaincode.market.parameters import Parameters, changed
from commonwatt_client.exit_codes import UsageError

from commonwatt_loadgen.past_prices import past_prices
from commonwatt_loadgen.simulate.calls import OPERATOR, Argument, MarketCalls, Refused, Result
from commonwatt_loadgen.simulate.preparation import Standing

FILE = "unfinished.json"
_AT_ONCE = 16
_PAGE = 1000


class ForeignTrade(UsageError):
    """The ledger went on otherwise than the interrupted simulation does."""


class Unfinished:
    """The file beside the report that says how and where an unfinished simulation began."""

    def __init__(self, path: Path, options: Mapping[str, Any]) -> None:
        self._path = path
        self._options = dict(options)
        self._begun: dict[str, Any] = {}
        self.other = False  # an interrupted simulation with other options is there
        try:
            content = json.loads(path.read_text("utf-8"))
            if content["options"] == self._options:
                self._begun = dict(content["begun"])
            else:
                self.other = True
        except FileNotFoundError:
            pass
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UsageError(f"{path} is damaged ({error}); begin with a new day by --new-day") from error

    def begun(self, channel: str) -> Mapping[str, Any] | None:
        """Where the simulation of a channel began, if it has."""
        return self._begun.get(channel)

    def begin(self, channel: str, standing: Standing) -> None:
        """Remember where a channel's simulation begins, before anything is traded."""
        self._begun[channel] = {
            "midnight_s": standing.midnight_s,
            "prices": standing.past.as_json(),
            "accounts": {
                home: [account.energy_wh, account.reserved_wh, account.sold_wh]
                for home, account in standing.accounts.items()
            },
        }
        self._path.parent.mkdir(parents=True, exist_ok=True)
        draft = self._path.with_suffix(".draft")
        with draft.open("w", encoding="utf-8") as file:
            json.dump({"options": self._options, "begun": self._begun}, file)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self._path)

    @staticmethod
    def forget(path: Path) -> None:
        """Delete the file: the simulation is reported, or a new day is wanted."""
        path.unlink(missing_ok=True)


@dataclass(frozen=True)
class Held:
    """What the ledger holds of a simulation: its rounds by id, how far homes are metered, and the market time."""

    rounds: Mapping[str, Result]
    metered_until: Mapping[str, int]
    market_time: int


async def resume(calls: MarketCalls, begun: Mapping[str, Any]) -> "tuple[Standing, ResumedCalls]":
    """Where the simulation began, and calls that know what became of it since."""
    described = await _settled(calls)
    homes = list(begun["accounts"])
    slots = asyncio.Semaphore(_AT_ONCE)

    async def ask(transaction: str, argument: Argument) -> Result:
        async with slots:
            return await calls.evaluate(OPERATOR, transaction, argument)

    ids = await _rounds_since(calls, begun["midnight_s"])
    rounds = await asyncio.gather(*(ask("get_round", {"round": one}) for one in ids))
    batteries = await asyncio.gather(*(ask("get_battery", {"home": home}) for home in homes))
    held = Held(
        rounds=dict(zip(ids, rounds, strict=True)),
        metered_until={one["home"]: one["metered_until"] or 0 for one in batteries},
        market_time=described["market_time"],
    )
    standing = Standing(
        rules=changed(Parameters(), described["parameters"]),
        midnight_s=begun["midnight_s"],
        accounts={home: Account(*account) for home, account in begun["accounts"].items()},
        past=past_prices(begun["prices"]),
    )
    return standing, ResumedCalls(calls, held)


async def _rounds_since(calls: MarketCalls, midnight_s: int) -> list[str]:
    """The ids of all rounds of intervals that began at `midnight_s` or later."""
    ids: list[str] = []
    argument = {"from_time": midnight_s, "limit": _PAGE}
    while True:
        page = await calls.evaluate(OPERATOR, "list_rounds", argument)
        ids += [one["round"] for one in page["rounds"]]
        if page["next"] is None:
            return ids
        argument = {**argument, "next": page["next"]}


async def _settled(calls: MarketCalls) -> Result:
    """The channel once everything is committed that the interrupted run had sent.

    A clock moved to where it stands changes nothing, but is ordered behind whatever was on its way.
    """
    while True:
        described = await calls.evaluate(OPERATOR, "get_parameters", {})
        try:
            await calls.submit(OPERATOR, "advance_clock", {"at": described["market_time"]})
        except Refused as refusal:
            if refusal.code != "clock_runs_back":
                raise
            continue
        return await calls.evaluate(OPERATOR, "get_parameters", {})


class ResumedCalls:
    """`MarketCalls` that answer from the ledger what is on it already; an empty answer says no more than that."""

    def __init__(self, calls: MarketCalls, held: Held) -> None:
        self._calls = calls
        self._held = held
        self.catching_up = True  # nothing has been sent yet

    async def submit(self, user: str, transaction: str, argument: Argument) -> Result:
        """See `MarketCalls`.

        Raises:
            Refused: the contract refused it.
            UsageError: the ledger went on otherwise than this simulation does.
        """
        if transaction == "settle_interval":
            if argument["interval_end"] <= self._held.metered_until[argument["home"]]:
                return self._metered(argument)
        elif transaction == "advance_clock":
            if argument["at"] <= self._held.market_time:
                return {}
        else:
            held = self._held.rounds.get(argument.get("round", ""))
            if held is not None and "result" in held:
                return dict(held["result"]) if transaction == "close_round" else {}
        try:
            return await self._send(user, transaction, argument)
        except Refused as refusal:
            if refusal.code == "interval_reported":
                raise _foreign(argument) from refusal
            raise

    async def evaluate(self, user: str, transaction: str, argument: Argument) -> Result:
        """See `MarketCalls`."""
        return await self._calls.evaluate(user, transaction, argument)

    def _metered(self, argument: Argument) -> Result:
        """The round of an interval that is reported already; nothing where it had no bid."""
        if not argument["bid"]:
            return {}
        name = own_round_id(argument["interval_start"], argument["home"])
        opened = self._held.rounds.get(name)
        if opened is None or opened["opened_at"] != argument["interval_end"]:
            raise _foreign(argument)
        return opened

    async def _send(self, user: str, transaction: str, argument: Argument) -> Result:
        self.catching_up = False
        return await self._calls.submit(user, transaction, argument)


def _foreign(argument: Argument) -> ForeignTrade:
    return ForeignTrade(
        f"the ledger holds another interval of {argument['home']} than the one from {argument['interval_start']} to "
        f"{argument['interval_end']}: somebody else has traded since this simulation was interrupted"
    )
