# SPDX-License-Identifier: Apache-2.0
"""A carrier as an enemy writes it, on the contract in memory: it has all messages ever signed, and a key of its own.

It promises what it likes and does what it likes; peers' endorsements it can only ask for, and its own it can forge.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from commonwatt_chaincode.messages.base64url import encoded
from commonwatt_chaincode.messages.message import read
from commonwatt_chaincode.shim.testing import Invocation
from commonwatt_client import CommitError, ValidationCode
from commonwatt_community.market.carrier import Admitted, Carried, Carrier
from commonwatt_community.market.receipts import Service
from commonwatt_community.market.refused import Refused
from commonwatt_community.market.results import Written
from commonwatt_community.messages.signing_key import SigningKey

from ..audit.forward.recording import Recording
from ..forward.neighbourhood import Signer
from .test_receipts import BOTH, OUR_PEER, OURS, Party, endorsed, question_of

STRANGER, HOME = Party("peer0", issuer=Party("ca.x", "ca")), Party("h9", "client", OURS)
STRANGERS = Signer(77)

ADMITS = (
    "promises",
    "says nothing",
    "gives no receipt",
    "claims that it is written",
    "refuses",
    "signs with another key",
    "signs in another's name",
    "promises another message",
    "promises an old receipt",
    "promises twice, otherwise",
    "promises beyond the gate",
    "dates its promise before",
)
CARRIES = ("writes it", "drops it", "lies", "refuses it", "has it endorsed and holds it")
PROOFS = (
    "passes it on",
    "says nothing",
    "of another message",
    "of one organisation",
    "of one organisation twice",
    "of a stranger's peer",
    "of a home",
    "of an answer that it altered",
    "of another question",
)


@dataclass
class Market:
    """The contract in memory as an identity of the channel reaches it, for real carriers and homes."""

    town: Recording
    who: str

    async def submit_messages(self, kind: str, period: int, messages: Sequence[bytes]) -> Written:
        """As `ForwardMarket` does."""
        done = await self.endorse(kind, period, messages)
        if done.status != 200:
            code, _, sentence = done.message.partition(": ")
            raise Refused(code, sentence, "submit_messages")
        verdict = self.town.ledger.commit(done)
        if verdict != "VALID":
            code = ValidationCode[verdict]
            raise CommitError("invalid", code=code, block_number=1, transaction_id=done.transaction_id)
        return Written(tuple(done.json()["results"]))

    async def endorse(self, kind: str, period: int, messages: Sequence[bytes]) -> Invocation:
        """A batch that both organisations endorse, and nobody orders."""
        argument, transient = {"kind": kind, "period": period}, {"messages": b"\n".join(messages)}
        return await self.town.endorse(self.who, "submit_messages", argument, transient)

    async def endorsed_status(
        self, kind: str, period: int, home: str, seq: int, digest: str, author: str
    ) -> bytes:
        """What the peers say, signed by both."""
        asked = {"kind": kind, "period": period, "home": home, "seq": seq, "digest": digest}
        answer = await self.town.ask(self.who, "message_status", {**asked, "author": author})
        return endorsed({**asked, "author": author}, BOTH, answer, asked_s=self.town.now)


@dataclass
class Enemy:
    """What a home takes for a carrier, with the way to its commit receipts."""

    market: Market
    service: Service
    honest: Carrier
    gate_s: Any
    behaviour: tuple[str, str, str] = ("promises", "writes it", "passes it on")
    held: list[Invocation] = field(default_factory=list)
    given: list[tuple[bytes, str]] = field(default_factory=list)
    """What it was given, with the receipt that it signed."""

    async def admit(self, compact: bytes) -> Admitted:
        message, how, service = read(compact), self.behaviour[0], self.service
        digest, now_s = message.digest, self.market.town.now
        others = [one for one in self.given if one[0] != compact]
        match how:
            case "says nothing":
                raise TimeoutError
            case "gives no receipt":
                return Admitted(digest, "admitted")
            case "claims that it is written":
                return Admitted(digest, "written")
            case "refuses":
                return Admitted(digest, "gate_closed")
            case "signs with another key":
                service = replace(service, key=signing(STRANGERS))
            case "signs in another's name":
                service = replace(service, carrier="GridMSP.service")
            case "promises beyond the gate":
                service = replace(service, deliver_within_s=max(60, self.gate_s(message) - now_s))
            case "dates its promise before":
                service = replace(service, clock=lambda: now_s - 60)
            case "promises an old receipt" if others:
                return Admitted(digest, "admitted", others[-1][1].encode())
            case "promises another message" if others:
                other = others[-1][0]
                return Admitted(digest, "admitted", service.receipt(other, read(other).digest))
            case "promises twice, otherwise":
                service = replace(service, deliver_within_s=1 + len(self.given) % 300)
        receipt = service.receipt(compact, digest)
        self.given.append((compact, receipt.decode()))
        return Admitted(digest, "admitted", receipt)

    async def carry(self, compact: bytes) -> Carried:
        message = read(compact)
        match self.behaviour[1]:
            case "writes it":
                return await self.honest.carry(compact)
            case "lies":
                return Carried(message.digest, "written")
            case "refuses it":
                return Carried(message.digest, "bad_signature")
            case "has it endorsed and holds it":
                done = await self.market.endorse(str(message.kind), message.period, [compact])
                if done.status == 200:
                    self.held.append(done)
        raise TimeoutError

    async def endorsed_status(
        self, kind: str, period: int, home: str, seq: int, digest: str, author: str
    ) -> bytes:
        question = {"kind": kind, "period": period, "home": home, "seq": seq, "digest": digest}
        question["author"] = author
        written = {"digest": digest, "status": "written", "version": None}
        ours, theirs = BOTH
        now_s = self.market.town.now
        match self.behaviour[2]:
            case "says nothing":
                raise TimeoutError
            case "of another message":
                others = [one for one, _ in self.given if read(one).digest != digest]
                question = question_of(others[-1]) if others else question | {"seq": question["seq"] % 32 + 1}
            case "of one organisation":
                return endorsed(question, [ours], written, asked_s=now_s)
            case "of one organisation twice":
                return endorsed(question, [ours, ours], written, asked_s=now_s)
            case "of a stranger's peer":
                return endorsed(question, [ours, ("GridMSP", STRANGER)], written, asked_s=now_s)
            case "of a home":
                return endorsed(question, [("NewtownMSP", HOME), theirs], written, asked_s=now_s)
            case "of an answer that it altered":
                return endorsed(question, [ours, ("GridMSP", OUR_PEER)], written, asked_s=now_s)
            case "of another question":
                return endorsed(question, BOTH, written, asked=b"another", asked_s=now_s)
        return await self.market.endorsed_status(**question)


def altered(message: bytes, other: bytes, how: int) -> list[bytes]:
    """What a carrier can do to the bytes of a message; `other` is another one that it has."""
    head, said, signature = message.split(b".")
    their_head, their_words, their_signature = other.split(b".")
    place = how % len(message)
    changed = bytes([message[place] ^ (1 + how % 255)])
    ways = (
        [message],
        [message, message],
        [message, other],
        [other, message],
        [message[:place], message[place:]],
        [message + other],
        [head + b"." + their_words + b"." + signature],
        [their_head + b"." + said + b"." + signature],
        [head + b"." + said + b"." + their_signature],
        [message[:place] + changed + message[place + 1 :]],
        [message + b"\r"],
        [head + b"." + said + b"." + encoded(STRANGERS.sign(head + b"." + said)).encode()],
    )
    return ways[how % len(ways)]


def signing(signer: Signer) -> SigningKey:
    """A neighbourhood's key as authors and services hold one."""
    return SigningKey(signer.key, signer.sign)
