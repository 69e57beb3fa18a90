"""Contracts under test without a network: an in-memory ledger with Fabric's rules, and the determinism guard."""

from .ledger import Invocation, MemoryLedger, caller

__all__ = ["Invocation", "MemoryLedger", "caller"]
