# SPDX-License-Identifier: Apache-2.0
"""Contracts tested without a network: an in-memory ledger with Fabric's rules, the determinism guard."""

from .determinism import GuardedLedger, NonDeterministic
from .ledger import Invocation, MemoryLedger
from .peer import WirePeer
from .proposals import caller

__all__ = ["GuardedLedger", "Invocation", "MemoryLedger", "NonDeterministic", "WirePeer", "caller"]
