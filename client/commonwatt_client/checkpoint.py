# SPDX-License-Identifier: Apache-2.0
"""Checkpoints: how far a program has processed events, so that its next run goes on from there.

A checkpointer is given to an event stream as its start, and told after each event (or block) is processed::

    checkpointer = FileCheckpointer("events.checkpoint")
    async with network.chaincode_events("market", checkpoint=checkpointer) as events:
        async for event in events:
            process(event)
            checkpointer.checkpoint_chaincode_event(event)

Killed between the last two lines, the next run sees that one event again: processing it must be repeatable, or must
record the event's transaction id together with its effect.
"""

import json
import os
import tempfile
from os import PathLike
from pathlib import Path
from typing import Protocol

from commonwatt_client.errors import ConfigurationError
from commonwatt_client.ledger import ChaincodeEvent


class Checkpoint(Protocol):
    """A position to start events from; both None or empty where nothing has been processed.

    ::

        position: Checkpoint = FileCheckpointer("home001.checkpoint")
        print(position.block_number, position.transaction_id)
    """

    @property
    def block_number(self) -> int | None:
        """The first block that isn't wholly processed."""
        ...

    @property
    def transaction_id(self) -> str:
        """The last processed transaction of that block, empty where none."""
        ...


class InMemoryCheckpointer:
    """A checkpoint that lasts as long as the process: for going on after a stream was closed.

    ::

        checkpointer = InMemoryCheckpointer()
        checkpointer.checkpoint_block(0)
        async with gateway.get_network("newtown").block_events(checkpoint=checkpointer) as blocks:
            async for block in blocks:
                assert block.number == 1
                break
    """

    def __init__(self) -> None:
        self._block_number: int | None = None
        self._transaction_id = ""

    @property
    def block_number(self) -> int | None:
        """The first block that isn't wholly processed, None where nothing has been."""
        return self._block_number

    @property
    def transaction_id(self) -> str:
        """The last processed transaction of that block, empty where none."""
        return self._transaction_id

    def checkpoint_block(self, block_number: int) -> None:
        """Note that a block is processed."""
        self._note(block_number + 1, "")

    def checkpoint_transaction(self, block_number: int, transaction_id: str) -> None:
        """Note that a block is processed up to and with this transaction, which must have set an event."""
        self._note(block_number, transaction_id)

    def checkpoint_chaincode_event(self, event: ChaincodeEvent) -> None:
        """Note that a chaincode event is processed."""
        self._note(event.block_number, event.transaction_id)

    def _note(self, block_number: int, transaction_id: str) -> None:
        self._block_number = block_number
        self._transaction_id = transaction_id


class FileCheckpointer(InMemoryCheckpointer):
    """A checkpoint in a file, replaced as a whole and synced to disk, so that kill -9 and power loss leave it intact.

    Raises ConfigurationError for a file that isn't a checkpoint, and OSError where it cannot be written.

    ::

        checkpointer = FileCheckpointer("events.checkpoint")
        async with gateway.get_network("newtown").block_events(start_block=0, checkpoint=checkpointer) as blocks:
            async for block in blocks:
                print(block.number)  # process it, then
                checkpointer.checkpoint_block(block.number)
                break
    """

    def __init__(self, path: str | PathLike[str]) -> None:
        super().__init__()
        self._path = Path(path)
        self._load()

    def _load(self) -> None:
        try:
            text = self._path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"cannot read the checkpoint {self._path}: {error}") from error
        try:
            state = json.loads(text)
            block_number, transaction_id = state["blockNumber"], state["transactionId"]
            if type(block_number) is not int or not 0 <= block_number < 2**64 - 1:
                raise ValueError("its blockNumber is no block's")
            if not isinstance(transaction_id, str) or not transaction_id.isascii():
                raise ValueError("its transactionId is no text in hex")
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise ConfigurationError(
                f"{self._path} is not a checkpoint file ({error}); restore it, or delete it to start anew"
            ) from error
        super()._note(block_number, transaction_id)

    def _note(self, block_number: int, transaction_id: str) -> None:
        text = json.dumps({"blockNumber": block_number, "transactionId": transaction_id})
        descriptor, temporary = tempfile.mkstemp(dir=self._path.parent, prefix=f".{self._path.name}.")
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, self._path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
        _sync_directory(self._path.parent)
        super()._note(block_number, transaction_id)


def _sync_directory(directory: Path) -> None:
    """Make a rename in a directory durable, where the system lets a directory be opened for that."""
    try:
        descriptor = os.open(directory, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(descriptor)
    except OSError:
        pass
    finally:
        os.close(descriptor)
