# SPDX-License-Identifier: Apache-2.0
"""One who speaks by signed messages: each is numbered, signed and kept in the journal before it can be sent."""

from dataclasses import dataclass
from typing import Any, Protocol

from commonwatt_chaincode.messages.fields import (
    HIGHEST_SEQ,
    KEY,
    LOGIN,
    OFFER,
    READING,
    REQUEST,
    WITHDRAW,
)
from commonwatt_chaincode.messages.keys import PublicKey
from commonwatt_chaincode.messages.message import A_READING, BID
from commonwatt_client.errors import ConfigurationError

from .compose import new_nonce, signed_message
from .signing_key import SigningKey


class Keeps(Protocol):
    """Keeps messages before anybody else sees them: a `Journal`, so that a crash leads to no number twice."""

    def highest_seq(self, net: str, channel: str, home: str, period: int, kind: str) -> int:
        """The highest seq that was used for a period and kind; 0 before the first."""
        ...

    def write(self, compact: bytes) -> None:
        """Keep a message; whatever is raised, it is not handed out."""
        ...


@dataclass(frozen=True)
class Author:
    """A home, its meter or an operator on one channel. Each method gives a message in compact form, ready to be sent.

    MessageRefused for values outside their bounds; ConfigurationError when a period has all of its 32 messages, or the
    journal cannot be written. Then no number is used up.
    """

    key: SigningKey
    journal: Keeps
    net: str
    channel: str
    home: str

    def request(self, period: int, energy_wh: int, limit_uaud_per_kwh: int) -> bytes:
        """Ask for energy in a period, up to a price; it replaces an earlier bid."""
        said = {"energy_wh": energy_wh, "limit_uaud_per_kwh": limit_uaud_per_kwh}
        return self._numbered(REQUEST, BID, period, said)

    def offer(self, period: int, energy_wh: int, price_uaud_per_kwh: int) -> bytes:
        """Offer energy in a period, from a price on; it replaces an earlier bid."""
        said = {"energy_wh": energy_wh, "price_uaud_per_kwh": price_uaud_per_kwh}
        return self._numbered(OFFER, BID, period, said)

    def withdraw(self, period: int) -> bytes:
        """Bid nothing in a period; it replaces an earlier bid."""
        return self._numbered(WITHDRAW, BID, period, {})

    def reading(
        self,
        period: int,
        import_wh: int,
        export_wh: int,
        quality: str = "measured",
        *,
        import_total_wh: int | None = None,
        export_total_wh: int | None = None,
    ) -> bytes:
        """What the meter counted in a period, and its running totals where it has them."""
        said: dict[str, Any] = {"import_wh": import_wh, "export_wh": export_wh, "quality": quality}
        totals = {"import_total_wh": import_total_wh, "export_total_wh": export_total_wh}
        said |= {name: total for name, total in totals.items() if total is not None}
        return self._numbered(READING, A_READING, period, said)

    def brings_key(self, key: PublicKey, version: int, author: str = "home") -> bytes:
        """Name a public key as the next version: signed by itself to show possession, by the old key to agree."""
        return self._kept(KEY, {"author": author, "version": version, "key": dict(key.jwk)})

    def login(self, service: str, challenge: str) -> bytes:
        """Answer the challenge of a community's service, named by its host and port. It is not kept."""
        return signed_message(
            self.key, LOGIN, {**self._everywhere(), "service": service, "challenge": challenge}
        )

    def highest_seq(self, kind: str, period: int) -> int:
        """How many messages of a kind are signed for a period; the last one has this number."""
        return self.journal.highest_seq(self.net, self.channel, self.home, period, kind)

    def _numbered(self, typ: str, kind: str, period: int, said: dict[str, Any]) -> bytes:
        seq = self.highest_seq(kind, period) + 1
        if seq > HIGHEST_SEQ:
            raise ConfigurationError(
                f"home {self.home} has sent all of its {HIGHEST_SEQ} messages of kind {kind} for period {period}: "
                "the last one stands"
            )
        return self._kept(typ, {"period": period, "seq": seq, **said})

    def _kept(self, typ: str, said: dict[str, Any]) -> bytes:
        compact = signed_message(self.key, typ, {**self._everywhere(), **said})
        self.journal.write(compact)
        return compact

    def _everywhere(self) -> dict[str, Any]:
        return {"net": self.net, "channel": self.channel, "home": self.home, "nonce": new_nonce()}
