"""An in-memory channel for unit tests of contracts.

ledger = MemoryLedger(Assets())
result = await ledger.submit("create", {"id": "a"}, creator=caller(role="operator"))
assert result.status == 200 and result.writes["a"] == b"..."
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..contract import Contract, Handler
from ..results import Timestamp


def caller(common_name: str = "user", mspid: str = "Org1MSP", **attributes: str) -> bytes:
    """A serialized identity with certificate attributes; ``__`` in a name stands for a dot (``home__id``)."""
    raise NotImplementedError


@dataclass(frozen=True)
class Invocation:
    """What a transaction did. ``reads`` gives each key's version (block, transaction) or None; ``writes`` each
    value, None for a deletion; both by key for the public state, by (collection, key) for private data."""

    transaction_id: str
    status: int
    message: str
    payload: bytes
    reads: Mapping[Any, tuple[int, int] | None]
    writes: Mapping[Any, bytes | None]
    event: tuple[str, bytes] | None

    def json(self) -> Any:
        """The payload read as JSON; AssertionError with the message if the transaction was refused."""
        raise NotImplementedError


class MemoryLedger:
    """One channel's world state and the chaincode that changes it. Arguments: str and bytes as they are, else JSON."""

    def __init__(self, chaincode: Contract | Handler, channel_id: str = "channel") -> None:
        self.channel_id = channel_id

    async def submit(
        self,
        name: str,
        *arguments: Any,
        creator: bytes = b"",
        transient: Mapping[str, bytes] | None = None,
        timestamp: Timestamp | int | None = None,
    ) -> Invocation:
        """Run a transaction and, when it succeeds, commit its writes as one block."""
        raise NotImplementedError

    async def evaluate(self, name: str, *arguments: Any, creator: bytes = b"", **options: Any) -> Invocation:
        """Run a transaction and commit nothing."""
        raise NotImplementedError

    def get(self, key: str) -> bytes | None:
        """The committed value of a key."""
        raise NotImplementedError
