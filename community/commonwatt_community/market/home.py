# SPDX-License-Identifier: Apache-2.0
"""A home that speaks: its messages are numbered, signed, on its disk, and then carried."""

from dataclasses import dataclass
from typing import Protocol

from ..messages.author import Author
from .carrier import Carried


class Carries(Protocol):
    """A carrier, here or elsewhere."""

    async def carry(self, compact: bytes, /) -> Carried:
        """What became of a message."""
        ...


@dataclass(frozen=True)
class SpeakingHome:
    """A home, its meter or an operator with a carrier. Each method returns when the message is committed or refused.

    The message is in the author's journal before it goes out: said anew, it has the next number.

    ::

        home = SpeakingHome(Author(key, journal, net, "newtown", "h-4f2a"), carrier)
        await home.request(29_400_000, energy_wh=1_200, limit_uaud_per_kwh=310_000)
    """

    author: Author
    carrier: Carries

    async def request(self, period: int, energy_wh: int, limit_uaud_per_kwh: int) -> Carried:
        """Ask for energy; it replaces an earlier bid of the period."""
        return await self.carrier.carry(self.author.request(period, energy_wh, limit_uaud_per_kwh))

    async def offer(self, period: int, energy_wh: int, price_uaud_per_kwh: int) -> Carried:
        """Offer energy; it replaces an earlier bid of the period."""
        return await self.carrier.carry(self.author.offer(period, energy_wh, price_uaud_per_kwh))

    async def withdraw(self, period: int) -> Carried:
        """Bid nothing; it replaces an earlier bid of the period."""
        return await self.carrier.carry(self.author.withdraw(period))

    async def reading(
        self,
        period: int,
        import_wh: int,
        export_wh: int,
        quality: str = "measured",
        *,
        import_total_wh: int | None = None,
        export_total_wh: int | None = None,
    ) -> Carried:
        """Say what the meter counted."""
        message = self.author.reading(
            period,
            import_wh,
            export_wh,
            quality,
            import_total_wh=import_total_wh,
            export_total_wh=export_total_wh,
        )
        return await self.carrier.carry(message)
