"""Contracts tested without a network: an in-memory ledger with Fabric's rules, the determinism guard."""

from .ledger import Invocation, MemoryLedger, caller

__all__ = ["Invocation", "MemoryLedger", "caller"]
