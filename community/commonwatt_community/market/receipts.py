# SPDX-License-Identifier: Apache-2.0
"""Admission receipts: by when a carrier promises to have a message on the ledger, signed with its key there."""

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from commonwatt_chaincode.messages.fields import RECEIPT
from commonwatt_chaincode.messages.keys import public_key
from commonwatt_chaincode.messages.message import Message, read, verify
from commonwatt_chaincode.messages.refusals import MessageRefused
from commonwatt_chaincode.messages.versions import CARRIER, KeyRecord, KeyVersion, Owner, receipt_key

from ..messages.compose import new_nonce, signed_message
from ..messages.signing_key import SigningKey
from .results import StoredKeys


class ReceiptRefused(Exception):
    """A receipt proves nothing; the message says why."""


@dataclass(frozen=True)
class Service:
    """A carrier as it signs receipts: its id (``MSPID.name``), its key, and how long it takes at most to deliver.

    `deliver_within_s` covers the carrier's queue and its `patience_s` with a network that fails.
    """

    key: SigningKey
    net: str
    channel: str
    carrier: str
    deliver_within_s: int = 120
    clock: Callable[[], float] = time.time

    def receipt(self, compact: bytes, digest: str) -> bytes:
        """The promise for a message, given now."""
        received_at = int(self.clock())
        said = {
            "net": self.net,
            "channel": self.channel,
            "home": self.carrier,
            "nonce": new_nonce(),
            "digest": digest,
            "message": hashlib.sha256(compact).hexdigest(),
            "received_at": received_at,
            "deliver_by": received_at + self.deliver_within_s,
        }
        return signed_message(self.key, RECEIPT, said)

    def brings_key(self, version: int) -> bytes:
        """The ``cw-key`` message by which the carrier's organisation sets this key on the ledger."""
        said = {"author": CARRIER, "version": version, "key": dict(self.key.public.jwk)}
        everywhere = {"net": self.net, "channel": self.channel, "home": self.carrier, "nonce": new_nonce()}
        return signed_message(self.key, "cw-key", {**everywhere, **said})


class Promise(NamedTuple):
    """What a receipt says: by whom, for which message, and the times in epoch seconds."""

    carrier: str
    digest: str
    received_at: int
    deliver_by: int


@dataclass(frozen=True)
class Bounds:
    """What a home takes for a promise: how far the carrier's clock may be off, and how late it may deliver."""

    clock_error_s: int = 60
    longest_s: int = 300


def keys_of_carrier(stored: StoredKeys, net: str, channel: str) -> KeyRecord:
    """A carrier's keys as `get_keys` answers; MessageRefused (``bad_key``) for what is none."""
    versions = tuple(
        KeyVersion(public_key(one.jwk), one.from_period, one.came_by, one.made_min) for one in stored.versions
    )
    return KeyRecord(Owner(net, channel, stored.home, stored.author), versions)


def promise(
    receipt: bytes, compact: bytes, keys: KeyRecord, now_s: float, bounds: Bounds | None = None
) -> Promise:
    """What a carrier promises for a message. ReceiptRefused where it is no receipt of this carrier for this message."""
    bounds = bounds or Bounds()
    try:
        said = read(receipt)
        if said.typ != RECEIPT or said.home != keys.owner.home:
            raise ReceiptRefused(f"it is no receipt of {keys.owner.home}")
        key = receipt_key(keys, said.kid, int(said.payload["received_at"]))
        verify(said, key, net=keys.owner.net, channel=keys.owner.channel, typs={RECEIPT})
    except MessageRefused as refused:
        raise ReceiptRefused(f"the receipt of {keys.owner.home} is refused: {refused}") from refused
    _check_subject(said, compact)
    found = Promise(
        said.home, str(said.payload["digest"]), said.payload["received_at"], said.payload["deliver_by"]
    )
    if abs(found.received_at - now_s) > bounds.clock_error_s:
        raise ReceiptRefused(f"{said.home} dates its receipt {found.received_at - now_s:+.0f} s from now")
    if not found.received_at <= found.deliver_by <= found.received_at + bounds.longest_s:
        raise ReceiptRefused(
            f"{said.home} promises to deliver later than {bounds.longest_s} s from now, or before"
        )
    return found


def _check_subject(said: Message, compact: bytes) -> None:
    whole = hashlib.sha256(compact).hexdigest()
    if (said.payload["digest"], said.payload["message"]) != (read(compact).digest, whole):
        raise ReceiptRefused(f"the receipt of {said.home} is for another message")
