# SPDX-License-Identifier: Apache-2.0
"""The contract ``forward`` of one channel, as one identity calls it."""

import json
import time
from collections.abc import Callable, Container, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from commonwatt_chaincode.market.forward.bills import Bill
from commonwatt_client import Contract, EndorseError, Gateway, RetryPolicy
from commonwatt_client.errors import ConfigurationError
from commonwatt_client.network_file import MARKET, NetworkFile
from commonwatt_client.retry import can_endorse_again

from . import calls
from .calls import PASSING_TRIES, RETRY, pause
from .refused import DATA_NOT_HERE, refusal_of
from .results import (
    AwardsOfPeriods,
    Billed,
    CarbonOfDay,
    Cleared,
    ClearedPrice,
    ClearedPrices,
    Configured,
    Confirmed,
    EnvelopesOfPeriod,
    Gate,
    Home,
    HomeLine,
    HomeLines,
    Homes,
    Imported,
    KeyProposal,
    ListedPeriod,
    ListedPeriods,
    MessageStatus,
    Meter,
    NewKey,
    PeriodAwards,
    PeriodState,
    SettledCarbon,
    SettledGap,
    SettledPart,
    SharingKeysOfPeriod,
    Standing,
    StandingMessage,
    StandingMessages,
    StoredKeys,
    Written,
    read_result,
)

FORWARD = "forward"
"""The contract's name within the chaincode."""

Kind = TypeVar("Kind")
Json = dict[str, Any]


class ForwardMarket:
    """Transactions and queries of the contract ``forward``, each with plain arguments and a value as result.

    `organizations` are the MSP ids whose peers endorse: the community's and the grid's. Lost races, busy and absent
    peers, and private data that a peer has yet to fetch are tried again. Refused for what the contract refuses,
    GatewayError for what the network fails.

    ::

        market = market_of(gateway, read_network_file(path), "newtown")
        await market.close_gate(29_400_000)
        print((await market.clear_period(29_400_000)).price_uaud_per_kwh)
    """

    def __init__(
        self,
        contract: Contract,
        organizations: Sequence[str],
        retry: RetryPolicy = RETRY,
        told: Callable[[str, float, int], None] | None = None,
        passing: Container[str] = frozenset({DATA_NOT_HERE}),
    ) -> None:
        """`told` hears of each committed transaction: its name, seconds from its proposal on, and tries.

        `passing` are codes of refusals that pass, after which a transaction is tried again. A peer answers them while
        it lacks private data or, where one transaction follows another at once, while it is a block behind.
        """
        self._contract = contract
        self._organizations = tuple(organizations)
        self._retry = retry
        self._told = told
        self._passing = passing

    async def submit(
        self, name: str, argument: Mapping[str, Any], transient: Mapping[str, bytes] | None = None
    ) -> bytes:
        """Have a transaction committed; its result as it came."""
        started = time.monotonic()
        result, tries = await calls.submit(
            self._contract,
            name,
            argument,
            transient=transient,
            organizations=self._organizations,
            retry=self._retry,
            passing=self._passing,
        )
        if self._told is not None:
            self._told(name, time.monotonic() - started, tries)
        return result

    async def evaluate(self, name: str, argument: Mapping[str, Any]) -> bytes:
        """Ask without writing; the answer as it came."""
        return await calls.evaluate(self._contract, name, argument, self._retry)

    # The operator and the grid set up

    async def configure(self, replaces: int, **rules: Any) -> Configured:
        """Put a version of the rules into force; `replaces` is the version in force, 0 for the first."""
        return await self._submit(Configured, "configure", {"replaces": replaces, **rules})

    async def advance_clock(self, to_s: int) -> None:
        """Move a simulated channel's market time forwards."""
        await self.submit("advance_clock", {"to_s": to_s})

    async def register_homes(self, homes: Sequence[Mapping[str, Any]]) -> None:
        """Propose registrations, or other connections of registered homes, 200 at most."""
        await self.submit("register_home", {"homes": [dict(home) for home in homes]})

    async def confirm_homes(self, homes: Sequence[str]) -> Confirmed:
        """Confirm, as the grid, what the operator proposed of these homes, 200 at most."""
        return await self._submit(Confirmed, "confirm_home", {"homes": list(homes)})

    async def end_home(self, home: str, to_period: int | None = None) -> None:
        """Propose that a registration ends."""
        await self.submit("end_home", {"home": home, **_given(to_period=to_period)})

    async def set_key(
        self, author: str, home: str, possession: bytes, consent: bytes | None = None
    ) -> NewKey:
        """Bring an author's first key, or, with the old key's consent, its next one."""
        transient = {"possession": possession, **({"consent": consent} if consent is not None else {})}
        return read_result(NewKey, await self.submit("set_key", {"author": author, "home": home}, transient))

    async def set_carrier_key(self, carrier: str, possession: bytes) -> NewKey:
        """Set, as the operator or the grid, the next key of a carrier of your own organisation."""
        transient = {"possession": possession}
        return read_result(NewKey, await self.submit("set_carrier_key", {"carrier": carrier}, transient))

    async def propose_key(self, author: str, home: str, possession: bytes | None) -> KeyProposal:
        """Propose, as the operator, the key of one who lost the old one; None drops the proposal."""
        argument = {"author": author, "home": home}
        transient = None if possession is None else {"possession": possession}
        return read_result(KeyProposal, await self.submit("propose_key", argument, transient))

    async def confirm_key(self, author: str, home: str, kid: str) -> KeyProposal:
        """Confirm, as the grid, the key that was proposed, by its thumbprint."""
        return await self._submit(KeyProposal, "confirm_key", {"author": author, "home": home, "kid": kid})

    async def set_envelope(
        self,
        from_period: int,
        to_period: int,
        *,
        home: str | None = None,
        import_w: int | None = None,
        export_w: int | None = None,
    ) -> None:
        """Publish, as the grid, what a home, or every one, may draw and feed in at most."""
        bounds = _given(home=home, import_w=import_w, export_w=export_w)
        await self.submit("set_envelope", {"from_period": from_period, "to_period": to_period, **bounds})

    async def set_sharing_keys(self, from_period: int, keys: Mapping[str, int]) -> None:
        """Set all static sharing keys, in ppm, from a period on."""
        await self.submit("set_sharing_keys", {"from_period": from_period, "keys": dict(keys)})

    async def set_intensity(self, from_period: int, g_per_kwh: Sequence[int]) -> None:
        """Publish, as the grid, what a kWh emits in one period after another, 300 at most."""
        await self.submit("set_intensity", {"from_period": from_period, "g_per_kwh": list(g_per_kwh)})

    async def report_feeder(self, period: int, import_wh: int, export_wh: int) -> None:
        """Say, as the grid, what the feeder's meter counted."""
        await self.submit("report_feeder", {"period": period, "import_wh": import_wh, "export_wh": export_wh})

    # A period's way

    async def submit_messages(self, kind: str, period: int, messages: Sequence[bytes]) -> Written:
        """Write signed messages of one kind and period, 1,000 at most; see `Carrier`, which fills batches."""
        argument = {"kind": kind, "period": period}
        return read_result(
            Written, await self.submit("submit_messages", argument, {"messages": b"\n".join(messages)})
        )

    async def close_gate(self, period: int) -> Gate:
        """Take no more bids of a period."""
        return await self._submit(Gate, "close_gate", {"period": period})

    async def clear_period(self, period: int, *, alone: bool = False) -> Cleared:
        """Clear the bids that stand at the gate; ``alone``: nothing of it goes to the exchange (operator and grid)."""
        return await self._submit(Cleared, "clear_period", {"period": period, **_given(alone=alone or None)})

    async def import_residual(self, period: int) -> Imported:
        """Take over what the exchange's round came to; `round_open` while it has no result."""
        return await self._submit(Imported, "import_residual", {"period": period})

    async def freeze_period(self, period: int) -> Meter:
        """Fix the version of a period's readings that is settled next."""
        return await self._submit(Meter, "freeze_period", {"period": period})

    async def would_freeze(self, period: int) -> Meter:
        """What `freeze_period` would answer now; nothing is written. Refused where it would be."""
        return await self._evaluate(Meter, "freeze_period", {"period": period})

    async def settle_period(self, period: int, part: int | None = None) -> SettledPart:
        """Settle the version that is frozen, or one part of its homes; a part that stands is answered."""
        return await self._submit(SettledPart, "settle_period", {"period": period, **_given(part=part)})

    async def settle_gap(
        self, home: str, before: int, after: int, from_period: int | None = None
    ) -> SettledGap:
        """Spread what a meter's running totals say over the periods between two readings; see ``next``."""
        argument = {"home": home, "before": before, "after": after, **_given(from_period=from_period)}
        return await self._submit(SettledGap, "settle_gap", argument)

    async def settle_carbon(self, day: int, part: int | None = None) -> SettledCarbon:
        """Settle a local day's carbon, or one part of its homes; a part that stands is answered."""
        return await self._submit(SettledCarbon, "settle_carbon", {"day": day, **_given(part=part)})

    async def settle_day(self, day: int, part: int | None = None) -> Billed:
        """Bill a local day, or one part of its homes; bills that stand are answered."""
        return await self._submit(Billed, "settle_day", {"day": day, **_given(part=part)})

    async def declare_lost(self, key: str) -> None:
        """Say of an index key that its message is lost for good."""
        await self.submit("declare_lost", {"key": key})

    # Questions

    async def get_configuration(self) -> Standing:
        """What is in force, what was, and the market time."""
        return await self._evaluate(Standing, "get_configuration", {})

    async def get_home(self, home: str) -> Home:
        """A registration."""
        return await self._evaluate(Home, "get_home", {"home": home})

    async def get_keys(self, author: str, home: str) -> StoredKeys:
        """The public keys of an author."""
        return await self._evaluate(StoredKeys, "get_keys", {"author": author, "home": home})

    async def list_homes(self) -> tuple[Home, ...]:
        """All registrations, for operator, grid and carriers."""
        return (await self._evaluate(Homes, "list_homes", {})).homes

    async def get_period(self, period: int) -> PeriodState:
        """A period as it stands."""
        return await self._evaluate(PeriodState, "get_period", {"period": period})

    async def list_periods(self, from_period: int, to_period: int) -> tuple[ListedPeriod, ...]:
        """What stands of the periods from one until before another; those of which nothing stands are left out."""
        span = {"from_period": from_period, "to_period": to_period}
        return (await self._evaluate(ListedPeriods, "list_periods", span)).periods

    async def get_envelopes(self, period: int, home: str | None = None) -> EnvelopesOfPeriod:
        """The envelopes that touch a period, of one home or of all that the caller may read."""
        return await self._evaluate(
            EnvelopesOfPeriod, "get_envelopes", {"period": period, **_given(home=home)}
        )

    async def get_sharing_keys(self, period: int) -> dict[str, int]:
        """The static sharing keys of a period, in ppm by home."""
        return (await self._evaluate(SharingKeysOfPeriod, "get_sharing_keys", {"period": period})).keys

    async def get_prices(self, from_period: int, to_period: int) -> tuple[ClearedPrice, ...]:
        """What the periods from one until before another were cleared at."""
        span = {"from_period": from_period, "to_period": to_period}
        return (await self._evaluate(ClearedPrices, "get_prices", span)).prices

    async def list_awards(
        self, from_period: int, to_period: int, home: str | None = None
    ) -> tuple[PeriodAwards, ...]:
        """Awards by period, of one home or of all that the caller may read."""
        span = {"from_period": from_period, "to_period": to_period, **_given(home=home)}
        return (await self._evaluate(AwardsOfPeriods, "list_awards", span)).periods

    async def list_messages(
        self, kind: str, period: int, home: str | None = None
    ) -> tuple[StandingMessage, ...]:
        """The messages of a period, of one home or of all that the caller may read."""
        argument = {"kind": kind, "period": period, **_given(home=home)}
        return (await self._evaluate(StandingMessages, "list_messages", argument)).messages

    async def message_status(
        self, kind: str, period: int, home: str, seq: int, digest: str, author: str = "home"
    ) -> MessageStatus:
        """Whether a message stands on this peer's ledger."""
        said = {"kind": kind, "period": period, "home": home, "seq": seq, "digest": digest, "author": author}
        return await self._evaluate(MessageStatus, "message_status", said)

    async def endorsed_status(
        self, kind: str, period: int, home: str, seq: int, digest: str, author: str = "home"
    ) -> bytes:
        """A commit receipt: the answer of `message_status` as a peer of each organisation signed it, unsubmitted.

        `committed` of ``commit_receipts`` judges it. Peers that are a block apart are asked again.
        """
        said = {"kind": kind, "period": period, "home": home, "seq": seq, "digest": digest, "author": author}
        tries = 0
        while True:
            tries += 1
            proposal = self._contract.new_proposal(
                "message_status",
                arguments=(json.dumps(said),),
                endorsing_organizations=self._organizations,
            )
            try:
                return (await proposal.endorse()).envelope
            except EndorseError as error:
                refused = refusal_of(error, "message_status")
                passes = can_endorse_again(error) if refused is None else refused.code in self._passing
                if not passes or tries == PASSING_TRIES:
                    raise (refused or error) from error
                await pause(tries)

    async def list_lines(
        self, from_period: int, to_period: int, home: str | None = None
    ) -> tuple[HomeLine, ...]:
        """Settled lines by period, of one home or of all that the caller may read."""
        span = {"from_period": from_period, "to_period": to_period, **_given(home=home)}
        return (await self._evaluate(HomeLines, "list_lines", span)).lines

    async def get_bill(self, home: str, day: int) -> Bill:
        """A home's bill of a local day."""
        return await self._evaluate(Bill, "get_bill", {"home": home, "day": day})

    async def get_carbon(self, day: int, home: str | None = None) -> CarbonOfDay:
        """What a local day's carbon came to, with a home's own line."""
        return await self._evaluate(CarbonOfDay, "get_carbon", {"day": day, **_given(home=home)})

    async def _submit(self, kind: type[Kind], name: str, argument: Mapping[str, Any]) -> Kind:
        return read_result(kind, await self.submit(name, argument))

    async def _evaluate(self, kind: type[Kind], name: str, argument: Mapping[str, Any]) -> Kind:
        return read_result(kind, await self.evaluate(name, argument))


def market_of(gateway: Gateway, network: NetworkFile, channel: str) -> ForwardMarket:
    """A channel's market as a gateway's identity calls it; all organisations of the channel endorse.

    ConfigurationError for a channel without the forward market.
    """
    contract = gateway.get_network(channel).get_contract(MARKET, FORWARD)
    return ForwardMarket(contract, organizations_of(network.content, network.path, channel))


def organizations_of(content: Mapping[str, Any], path: Path, channel: str) -> tuple[str, ...]:
    """The MSP ids of a channel's organisations, which keep its private messages."""
    described = content["channels"].get(channel)
    if described is None:
        raise ConfigurationError(f"{path} names no channel {channel}")
    return tuple(content["organizations"][name]["mspid"] for name in described["organizations"])


def _given(**members: Any) -> Json:
    return {name: value for name, value in members.items() if value is not None}
