# SPDX-License-Identifier: Apache-2.0
"""A home's period: what it contracted against what its meter counted, import and export never netted."""

from typing import NamedTuple

from .outside import NOTHING, Outside


class Metered(NamedTuple):
    """A home's contract and registers in a period. ``export_cap_wh`` None: no envelope; ``key_ppm``: its sharing key.

    ``estimated``: nobody metered it. Then nothing is taken as delivered or shared, and the export is charged alone.
    ``outside``: what it trades with other communities, beside what it bought and sold within its own.
    """

    home: str
    bought_wh: int
    sold_wh: int
    import_wh: int
    export_wh: int
    export_cap_wh: int | None = None
    key_ppm: int = 0
    estimated: bool = False
    outside: Outside = NOTHING

    @property
    def due_in_wh(self) -> int:
        """What all contracts bring it."""
        return self.bought_wh + self.outside.imported_wh

    @property
    def due_out_wh(self) -> int:
        """What all contracts oblige it to deliver."""
        return self.sold_wh + self.outside.exported_wh

    @property
    def allowed_export_wh(self) -> int:
        """The export up to its cap."""
        return self.export_wh if self.export_cap_wh is None else min(self.export_wh, self.export_cap_wh)

    @property
    def breach_wh(self) -> int:
        """The export beyond its cap."""
        return self.export_wh - self.allowed_export_wh

    @property
    def delivered_wh(self) -> int:
        """The export that fulfils contracts: only metered energy is paid."""
        return 0 if self.estimated else self.allowed_export_wh


class Balance(NamedTuple):
    """What the contracts leave: ``short`` of and ``over`` the need, ``long`` beyond and ``missing`` from what was sold.

    ``want`` and ``give`` are what sharing may take of short and long: a home shares nothing with itself.
    """

    home: str
    key_ppm: int
    short_wh: int
    over_wh: int
    long_wh: int
    missing_wh: int
    want_wh: int
    give_wh: int


def balance(metered: Metered) -> Balance:
    """Compare a home's contract with its meter. ValueError for negative energy."""
    home, bought_wh, sold_wh, import_wh, export_wh, cap_wh, key_ppm, estimated, outside = metered
    traded_wh = (bought_wh, sold_wh, outside.imported_wh, outside.exported_wh)
    if min(*traded_wh, import_wh, export_wh, cap_wh or 0) < 0:
        raise ValueError(f"{home[:80]}: energy is negative")
    allowed_wh, delivered_wh = metered.allowed_export_wh, metered.delivered_wh
    due_in_wh, due_out_wh = metered.due_in_wh, metered.due_out_wh
    short_wh = max(0, import_wh - due_in_wh)
    long_wh = allowed_wh if estimated else max(0, delivered_wh - due_out_wh)
    both_wh = max(short_wh, long_wh) if estimated else min(short_wh, long_wh)
    return Balance(
        home,
        key_ppm,
        short_wh,
        max(0, due_in_wh - import_wh),
        long_wh,
        max(0, due_out_wh - delivered_wh),
        max(0, short_wh - both_wh),
        max(0, long_wh - both_wh),
    )
