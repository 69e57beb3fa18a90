# SPDX-License-Identifier: Apache-2.0
"""Registrations: who takes part in a period, and with which connection."""

from commonwatt_audit.world import Json

from .ledger import Ledger


def connection_at(registration: Json, period: int) -> Json | None:
    """The connection in force for a period; None where the home takes no part in it."""
    if registration["to_period"] is not None and registration["to_period"] <= period:
        return None
    started: list[Json] = [
        one["connection"] for one in registration["versions"] if one["from_period"] <= period
    ]
    return started[-1] if started else None


def connections_at(ledger: Ledger, period: int) -> dict[str, Json]:
    """The connections of all homes that take part in a period, by home."""
    found = {}
    for _, registration in ledger.under("home/"):
        connection = connection_at(registration, period)
        if connection is not None:
            found[str(registration["home"])] = connection
    return found
