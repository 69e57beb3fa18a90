# SPDX-License-Identifier: Apache-2.0
"""What one running transaction of one chaincode carries: its simulator, its proposal, its open queries."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from commonwatt_network.embedded.channels.proposals import Proposal
from commonwatt_network.embedded.simulation import Simulator

LIMIT_PER_MESSAGE = 100
LIMIT_PER_QUERY = 100_000

Invoke = Callable[["TransactionContext", str, str, Any], Awaitable[Any]]
"""(caller, called chaincode, its channel, ChaincodeInput) -> the called chaincode's message."""


@dataclass
class OpenQuery:
    """A range, rich or history query whose results are taken bit by bit; `results` yields serialized messages."""

    results: Iterator[bytes]
    bookmark: Callable[[], str] = str
    pending: list[bytes] = field(default_factory=list)
    returned: int = 0


@dataclass
class TransactionContext:
    """One transaction in one chaincode. `may_access(collection)` answers (may read, may write)."""

    channel_id: str
    transaction_id: str
    namespace: str
    proposal: Proposal
    simulator: Simulator
    history: Callable[[str, str], Iterator[Any]]
    may_access: Callable[[str], tuple[bool, bool]]
    invoke: Invoke
    is_init: bool = False
    rich_queries: bool = True
    queries: dict[str, OpenQuery] = field(default_factory=dict)
    permissions: dict[str, tuple[bool, bool]] = field(default_factory=dict)
