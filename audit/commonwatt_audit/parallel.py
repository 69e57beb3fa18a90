# SPDX-License-Identifier: Apache-2.0
"""An audit on all processors: signatures are checked ahead in other processes while the replay goes on in order."""

import multiprocessing
from collections import deque
from concurrent.futures import Future, ProcessPoolExecutor
from types import TracebackType
from typing import NamedTuple

from commonwatt_client.ledger import Block
from commonwatt_client.ledger.delivered import PrivateValues

from commonwatt_audit.audit import Audit
from commonwatt_audit.signatures import Signed, brings_configuration, look_at_several

CHUNK = 128
"""Blocks handed over at once; a shorter ledger is audited without starting processes."""
AHEAD = 6


class _Waiting(NamedTuple):
    """A block, the configuration before it, and the private values that the auditor was shown of it."""

    block: Block
    config: bytes
    shown: PrivateValues | None


class ParallelAudit:
    """Takes blocks in order like `Audit`, some of them later; leaving the context audits the rest."""

    def __init__(self, audit: Audit) -> None:
        self._audit = audit
        self._pool: ProcessPoolExecutor | None = None
        self._config = b""
        self._waiting: list[_Waiting] = []
        self._ahead: deque[tuple[list[_Waiting], Future[list[Signed]]]] = deque()

    def __enter__(self) -> "ParallelAudit":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None:
                while self._ahead:
                    self._finish()
                for block, _, shown in self._waiting:
                    self._audit.check(block, shown=shown)
        finally:
            if self._pool is not None:
                self._pool.shutdown(cancel_futures=True)

    def check(self, block: Block, shown: PrivateValues | None = None) -> None:
        """Raises FirstDifference, for this block or an earlier one. `shown` are its private values, if it has some."""
        if not self._config:
            self._audit.check(block, shown=shown)  # the first block says whom to trust
            self._config = block.serialized
            return
        self._waiting.append(_Waiting(block, self._config, shown))
        if brings_configuration(block):
            self._config = block.serialized
        if len(self._waiting) == CHUNK:
            self._hand_over()
        if len(self._ahead) > AHEAD:
            self._finish()

    def _hand_over(self) -> None:
        if self._pool is None:
            # A fresh interpreter each: forking would copy open connections.
            self._pool = ProcessPoolExecutor(mp_context=multiprocessing.get_context("spawn"))
        work = [(block.serialized, config) for block, config, _ in self._waiting]
        self._ahead.append((self._waiting, self._pool.submit(look_at_several, work)))
        self._waiting = []

    def _finish(self) -> None:
        chunk, signed = self._ahead.popleft()
        for (block, _, shown), found in zip(chunk, signed.result(), strict=True):
            self._audit.check(block, found, shown)
