# SPDX-License-Identifier: Apache-2.0
"""A service's calls with the results of ``ForwardMarket``: what runs over a peer runs over a service."""

import asyncio
import base64
import json
import random
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Any, Self, TypeVar

from commonwatt_chaincode.market.forward.bills import Bill
from commonwatt_chaincode.messages.message import read
from commonwatt_chaincode.messages.refusals import MessageRefused
from commonwatt_client.errors import MalformedMessageError

from ..market.carrier import Admitted, Carried
from ..market.results import (
    AwardsOfPeriods,
    CarbonOfDay,
    ClearedPrice,
    ClearedPrices,
    EnvelopesOfPeriod,
    Home,
    HomeLine,
    HomeLines,
    Homes,
    MessageStatus,
    PeriodAwards,
    PeriodState,
    Standing,
    StandingMessage,
    StandingMessages,
    StoredKeys,
    read_result,
)
from ..messages.author import Author
from .event_lines import events_of
from .failures import ServiceAway
from .transport import Transport
from .values import Enrolment, LoggedIn, ServiceEvent, Wishes

PENDING = "pending"
"""The service has promised to deliver the message and has no answer yet."""

_WAIT_S = 25
_LONGEST_PAUSE_S = 10.0

Kind = TypeVar("Kind")
Json = dict[str, Any]


class ServiceClient:
    """One service as one author calls it; without an author, for enrolments and prices of a public service alone.

    It logs in by itself and again when its session ends. Refused for what the service or the contract refuses,
    ServiceAway where no service answers, or the service has no peer.

    ::

        async with ServiceClient("https://energy.newtown.example:8443", authority_pem, author) as service:
            carried = await service.carry(author.request(29_400_000, 1_200, 310_000))
            print(carried.result)
    """

    def __init__(
        self,
        base_url: str,
        authority_pem: bytes | None = None,
        author: Author | None = None,
        timeout_s: float = 20.0,
    ) -> None:
        """`authority_pem` is the certificate to trust, alone; None trusts the system's authorities."""
        self._transport = Transport(base_url, authority_pem, author, timeout_s)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections."""
        await self._transport.close()

    async def login(self) -> LoggedIn:
        """Begin a session now; other calls do so where they need one."""
        return await self._transport.login()

    # Messages and receipts

    async def admit(self, compact: bytes) -> Admitted:
        """Hand a message over: ``admitted`` with a receipt, or the code of a refusal."""
        [admitted] = await self.admit_all([compact])
        return admitted

    async def admit_all(self, messages: list[bytes]) -> list[Admitted]:
        """Hand over up to 1,000 messages; each has its own answer, in their order."""
        body = {"messages": [one.decode("ascii") for one in messages]}
        answer = _json(await self._transport.send("POST", "/messages", body))
        try:
            found = [
                Admitted(one["digest"], one["result"], one["receipt"] and one["receipt"].encode("ascii"))
                for one in answer["results"]
            ]
        except (KeyError, TypeError, AttributeError) as error:
            raise MalformedMessageError("the service's answer to messages cannot be read") from error
        if len(found) != len(messages):
            raise MalformedMessageError("the service answers for another number of messages")
        return found

    async def carry(self, compact: bytes) -> Carried:
        """Have a message written; returns when it is committed or refused."""
        try:
            digest = read(compact).digest
        except MessageRefused as refused:
            return Carried("", refused.code.value)
        admitted = await self.admit(compact)
        if admitted.receipt is None:
            return Carried(admitted.digest or digest, admitted.result)
        while True:
            path = f"/receipts/{digest}"
            answer = _json(await self._transport.get(path, {"wait_s": _WAIT_S}, timeout_s=_WAIT_S + 20.0))
            result = str(answer.get("result", ""))
            if result != PENDING:
                return Carried(digest, result)

    async def endorsed_status(
        self, kind: str, period: int, home: str, seq: int, digest: str, author: str = "home"
    ) -> bytes:
        """A commit receipt: `committed` of ``market.commit_receipts`` judges it, whatever the service says."""
        said: Json = {"kind": kind, "period": period, "seq": seq, "digest": digest, "author": author}
        answer = _json(await self._transport.get(f"/homes/{home}/proof", said))
        try:
            return base64.b64decode(answer["commit"], validate=True)
        except (KeyError, TypeError, ValueError) as error:
            raise MalformedMessageError("the service's commit receipt cannot be read") from error

    async def message_status(
        self, kind: str, period: int, home: str, seq: int, digest: str, author: str = "home"
    ) -> MessageStatus:
        """Whether a message stands on the ledger of the service's peer."""
        said = {"kind": kind, "period": period, "seq": seq, "digest": digest, "author": author}
        return await self._read(MessageStatus, f"/homes/{home}/status", said)

    # The market

    async def get_configuration(self) -> Standing:
        """The rules in force, the earlier ones, and the market time."""
        return await self._read(Standing, "/configuration")

    async def get_period(self, period: int) -> PeriodState:
        """A period as it stands."""
        return await self._read(PeriodState, f"/periods/{period}")

    async def list_periods(self, from_period: int, to_period: int) -> list[Json]:
        """Of each period of which something stands: ``gate``, ``meter``, ``cleared``, ``settled``."""
        span = {"from_period": from_period, "to_period": to_period}
        return list(_json(await self._transport.get("/periods", span)).get("periods", []))

    async def get_prices(self, from_period: int, to_period: int) -> tuple[ClearedPrice, ...]:
        """The clearing prices of the periods from one until before another."""
        span = {"from_period": from_period, "to_period": to_period}
        return (await self._read(ClearedPrices, "/prices", span)).prices

    async def get_home(self, home: str) -> Home:
        """A registration."""
        return await self._read(Home, f"/homes/{home}")

    async def list_homes(self) -> tuple[Home, ...]:
        """All registrations, for operators."""
        return (await self._read(Homes, "/homes")).homes

    async def get_keys(self, author: str, home: str) -> StoredKeys:
        """The public keys of an author."""
        return await self._read(StoredKeys, f"/keys/{author}/{home}")

    async def get_envelopes(self, period: int, home: str | None = None) -> EnvelopesOfPeriod:
        """The envelopes that touch a period; with a home the Wh that hold, too."""
        return await self._read(EnvelopesOfPeriod, "/envelopes", {"period": period, "home": home})

    async def list_awards(
        self, from_period: int, to_period: int, home: str | None = None
    ) -> tuple[PeriodAwards, ...]:
        """Awards by period, of one home, or of the caller's own."""
        span = {"from_period": from_period, "to_period": to_period}
        path = f"/homes/{await self._home(home)}/awards"
        return (await self._read(AwardsOfPeriods, path, span)).periods

    async def list_lines(
        self, from_period: int, to_period: int, home: str | None = None
    ) -> tuple[HomeLine, ...]:
        """Settled lines by period, of one home, or of the caller's own."""
        span = {"from_period": from_period, "to_period": to_period}
        return (await self._read(HomeLines, f"/homes/{await self._home(home)}/lines", span)).lines

    async def list_messages(
        self, kind: str, period: int, home: str | None = None
    ) -> tuple[StandingMessage, ...]:
        """The messages of a period, of one home, or of the caller's own."""
        path = f"/homes/{await self._home(home)}/messages"
        return (await self._read(StandingMessages, path, {"kind": kind, "period": period})).messages

    async def get_bill(self, home: str, day: int) -> Bill:
        """A home's bill of a local day."""
        return await self._read(Bill, f"/homes/{home}/bills/{day}")

    async def get_carbon(self, day: int, home: str) -> CarbonOfDay:
        """What a local day's carbon came to, with a home's own line."""
        return await self._read(CarbonOfDay, f"/homes/{home}/carbon/{day}")

    # The service's own

    async def wishes(self, home: str) -> Wishes:
        """The residents' wishes."""
        return await self._read(Wishes, f"/homes/{home}/wishes")

    async def enrol(self, code: str, possession: bytes) -> Enrolment:
        """Ask, with a one-time code, that a home's first key is set."""
        body = {"code": code, "possession": possession.decode("ascii")}
        return read_result(Enrolment, await self._transport.open("POST", "/enrolments", body))

    async def enrolment(self, home: str, code: str) -> Enrolment:
        """The result of it."""
        answer = await self._transport.open("POST", f"/enrolments/{home}/state", {"code": code})
        return read_result(Enrolment, answer)

    async def list_enrolments(self, state: str = "waiting") -> list[Json]:
        """For the operator: ``id``, ``home``, ``code``, ``possession`` and ``author`` of enrolments in a state."""
        return list(_json(await self._transport.get("/enrolments", {"state": state})).get("enrolments", []))

    async def answer_enrolment(
        self, home: str, state: str, reason: str = "", enrolment: str | None = None
    ) -> None:
        """For the operator: ``set``, or ``refused`` for a reason; without an id of the home's oldest that waits."""
        body = {"state": state, "reason": reason, "enrolment": enrolment}
        await self._transport.send("POST", f"/enrolments/{home}/result", body)

    async def report_alarms(self, alarms: list[Json]) -> None:
        """For the operator: replace the alarms that the operators' page shows: ``kind``, ``period``, ``sentence``."""
        await self._transport.send("POST", "/operator/alarms", {"alarms": alarms})

    async def events(self, after: str | None = None) -> AsyncIterator[ServiceEvent]:
        """Events as they are committed, after the one with this id, without end: a lost connection is made again.

        Refused where the service refuses the stream.
        """
        failures = 0
        while True:
            try:
                headers = {"Accept": "text/event-stream", **({"Last-Event-ID": after} if after else {})}
                async with self._transport.stream("/events", headers) as lines:
                    async for event in events_of(lines):
                        failures = 0
                        after = event.id or after
                        yield event
            except ServiceAway:
                pass
            failures += 1
            pause_s = min(_LONGEST_PAUSE_S, 0.2 * 2.0 ** min(failures, 10))
            await asyncio.sleep(pause_s * random.uniform(0.5, 1.5))  # noqa: S311 - jitter

    async def _home(self, home: str | None) -> str:
        if home is not None:
            return home
        return str(_json(await self._transport.get("/me")).get("home", ""))

    async def _read(self, kind: type[Kind], path: str, query: dict[str, Any] | None = None) -> Kind:
        return read_result(kind, await self._transport.get(path, query))


def _json(content: bytes) -> Json:
    try:
        value = json.loads(content)
    except ValueError as error:
        raise MalformedMessageError("the service's answer is no JSON") from error
    if not isinstance(value, dict):
        raise MalformedMessageError("the service's answer is no JSON object")
    return value
