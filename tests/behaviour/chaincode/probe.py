# SPDX-License-Identifier: Apache-2.0
"""A test chaincode with a transaction for each thing the library can ask of a peer.

Run as a chaincode server by Fabric's environment variables: ``python probe.py``.
"""

import asyncio
import base64
import hashlib
import secrets
import sys
from dataclasses import dataclass
from typing import TypedDict

from commonwatt_chaincode.shim import (
    Contract,
    KeyEndorsementPolicy,
    Refusal,
    Stub,
    create_composite_key,
    evaluate,
    run_from_environment,
    transaction,
)


@dataclass(frozen=True)
class Entry:
    """A key and the text to keep there."""

    key: str
    text: str


class Row(TypedDict):
    """One key of a range."""

    key: str
    text: str


class Probe(Contract):
    """Each transaction does one thing and answers what it saw."""

    @transaction
    async def put(self, stub: Stub, key: str, value: str) -> str | None:
        """Write a key; the answer is what a read in the same transaction still sees."""
        await stub.put_state(key, value.encode())
        return _text(await stub.get_state(key))

    @transaction
    async def put_entries(self, stub: Stub, entries: list[Entry]) -> int:
        for entry in entries:
            await stub.put_state(entry.key, entry.text.encode())
        return len(entries)

    @transaction
    async def put_many(self, stub: Stub, prefix: str, count: int) -> int:
        for number in range(count):
            await stub.put_state(f"{prefix}{number:06}", b"%d" % number)
        return count

    @transaction
    async def put_large(self, stub: Stub, key: str, value: bytes) -> str:
        await stub.put_state(key, value)
        return hashlib.sha256(value).hexdigest()

    @transaction
    async def increment(self, stub: Stub, key: str) -> int:
        number = int(await stub.get_state(key) or b"0") + 1
        await stub.put_state(key, b"%d" % number)
        return number

    @transaction
    async def put_empty_key(self, stub: Stub) -> None:
        await stub.put_state("", b"x")

    @transaction
    async def delete(self, stub: Stub, key: str) -> None:
        await stub.delete_state(key)

    @evaluate
    async def get(self, stub: Stub, key: str) -> str | None:
        return _text(await stub.get_state(key))

    @evaluate
    async def get_large(self, stub: Stub, key: str) -> bytes:
        return await stub.get_state(key) or b""

    @evaluate
    async def get_many(self, stub: Stub, keys: list[str]) -> list[str | None]:
        return [_text(value) for value in await stub.get_states(keys)]

    @evaluate
    async def get_together(self, stub: Stub, keys: list[str]) -> list[str | None]:
        """Reads awaited concurrently within one transaction."""
        return [_text(value) for value in await asyncio.gather(*(stub.get_state(key) for key in keys))]

    @evaluate
    async def range(self, stub: Stub, start: str, end: str) -> list[Row]:
        return [
            {"key": row.key, "text": row.value.decode()} async for row in stub.get_state_by_range(start, end)
        ]

    @transaction
    async def count_range(self, stub: Stub, start: str, end: str, into: str) -> int:
        """A range read with a write after it: protected against phantoms."""
        rows = await stub.get_state_by_range(start, end).rows()
        await stub.put_state(into, b"%d" % len(rows))
        return len(rows)

    @evaluate
    async def page(self, stub: Stub, start: str, end: str, size: int, bookmark: str) -> tuple[list[str], str]:
        page = await stub.get_state_by_range_with_pagination(start, end, size, bookmark)
        return [row.key for row in page.rows], page.bookmark

    @transaction
    async def put_composite(self, stub: Stub, object_type: str, attributes: list[str], text: str) -> None:
        await stub.put_state(create_composite_key(object_type, attributes), text.encode())

    @evaluate
    async def partial(self, stub: Stub, object_type: str, attributes: list[str]) -> list[list[str]]:
        rows = stub.get_state_by_partial_composite_key(object_type, attributes)
        return [list(stub.split_composite_key(row.key)[1]) async for row in rows]

    @evaluate
    async def partial_page(
        self, stub: Stub, object_type: str, attributes: list[str], size: int, bookmark: str
    ) -> tuple[list[list[str]], str]:
        page = await stub.get_state_by_partial_composite_key_with_pagination(
            object_type, attributes, size, bookmark
        )
        return [list(stub.split_composite_key(row.key)[1]) for row in page.rows], page.bookmark

    @evaluate
    async def rich(self, stub: Stub, query: str) -> list[str]:
        return [row.key async for row in stub.get_query_result(query)]

    @evaluate
    async def rich_values(self, stub: Stub, query: str) -> list[Row]:
        return [{"key": row.key, "text": row.value.decode()} async for row in stub.get_query_result(query)]

    @evaluate
    async def rich_page(self, stub: Stub, query: str, size: int, bookmark: str = "") -> tuple[list[str], str]:
        page = await stub.get_query_result_with_pagination(query, size, bookmark)
        return [row.key for row in page.rows], page.bookmark

    @evaluate
    async def private_rich(self, stub: Stub, collection: str, query: str) -> list[str]:
        return [row.key async for row in stub.get_private_data_query_result(collection, query)]

    @transaction
    async def rich_then_put(self, stub: Stub, query: str, into: str) -> int:
        """A rich query with a write after it: its rows are read, phantoms are not noticed."""
        rows = await stub.get_query_result(query).rows()
        await stub.put_state(into, b"%d" % len(rows))
        return len(rows)

    @transaction
    async def put_then_rich(self, stub: Stub, query: str, into: str) -> int:
        await stub.put_state(into, b"x")
        await stub.flush_writes()
        return len(await stub.get_query_result(query).rows())

    @transaction
    async def rich_page_then_put(self, stub: Stub, query: str, into: str) -> None:
        await stub.get_query_result_with_pagination(query, 2)
        await stub.put_state(into, b"x")

    @transaction
    async def private_rich_then_put(self, stub: Stub, collection: str, query: str, into: str) -> None:
        await stub.get_private_data_query_result(collection, query).rows()
        await stub.put_state(into, b"x")

    @evaluate
    async def history(self, stub: Stub, key: str) -> list[tuple[str, str, int, bool]]:
        return [
            (change.transaction_id, change.value.decode(), change.timestamp.seconds, change.is_delete)
            async for change in stub.get_history_for_key(key)
        ]

    @transaction
    async def put_private(self, stub: Stub, collection: str, key: str) -> None:
        """The value comes in the transient field, as private values should."""
        await stub.put_private_data(collection, key, stub.transient["value"])

    @transaction
    async def put_private_many(self, stub: Stub, collection: str, keys: list[str]) -> None:
        for key in keys:
            await stub.put_private_data(collection, key, key.encode())

    @evaluate
    async def get_private(self, stub: Stub, collection: str, key: str) -> str | None:
        return _text(await stub.get_private_data(collection, key))

    @evaluate
    async def get_private_many(self, stub: Stub, collection: str, keys: list[str]) -> list[str | None]:
        return [_text(value) for value in await stub.get_private_data_states(collection, keys)]

    @evaluate
    async def get_private_hash(self, stub: Stub, collection: str, key: str) -> str | None:
        digest = await stub.get_private_data_hash(collection, key)
        return digest.hex() if digest else None

    @evaluate
    async def private_range(self, stub: Stub, collection: str, start: str, end: str) -> list[str]:
        return [row.key async for row in stub.get_private_data_by_range(collection, start, end)]

    @transaction
    async def delete_private(self, stub: Stub, collection: str, key: str) -> None:
        await stub.delete_private_data(collection, key)

    @transaction
    async def purge_private(self, stub: Stub, collection: str, key: str) -> None:
        await stub.purge_private_data(collection, key)

    @transaction
    async def purge_and_put_private(self, stub: Stub, collection: str, key: str) -> None:
        await stub.purge_private_data(collection, key)
        await stub.put_private_data(collection, key, stub.transient["value"])

    @transaction
    async def require_organizations(self, stub: Stub, key: str, mspids: list[str]) -> None:
        policy = KeyEndorsementPolicy(await stub.get_state_validation_parameter(key))
        policy.delete_organizations(policy.organizations())
        policy.add_organizations(mspids, "PEER")
        await stub.set_state_validation_parameter(key, policy.policy())

    @transaction
    async def require_private_organizations(
        self, stub: Stub, collection: str, key: str, mspids: list[str]
    ) -> None:
        policy = KeyEndorsementPolicy(await stub.get_private_data_validation_parameter(collection, key))
        policy.add_organizations(mspids, "PEER")
        await stub.set_private_data_validation_parameter(collection, key, policy.policy())

    @evaluate
    async def required_organizations(self, stub: Stub, key: str) -> list[str]:
        return KeyEndorsementPolicy(await stub.get_state_validation_parameter(key)).organizations()

    @transaction
    async def call(self, stub: Stub, chaincode: str, channel: str, arguments: list[str]) -> str:
        """Write a key of its own, then call another chaincode."""
        await stub.put_state("caller", b"called " + chaincode.encode())
        return (await stub.invoke_chaincode(chaincode, arguments, channel)).decode()

    @transaction
    async def announce(self, stub: Stub, name: str, text: str) -> None:
        await stub.put_state("announced", text.encode())
        stub.set_event(name, text.encode())

    @transaction
    async def refuse(self, stub: Stub, key: str) -> None:
        """Write, announce, then refuse: nothing of it may be kept."""
        await stub.put_state(key, b"never")
        stub.set_event("never", b"")
        raise Refusal("not_today", "this transaction always refuses")

    @transaction
    async def refuse_at_length(self, stub: Stub, text: str, times: int) -> None:
        raise Refusal("at_length", text * times)

    @transaction
    async def draw(self, stub: Stub, key: str, letters: int) -> str:
        """What no two runs agree on, as long as asked for."""
        drawn = secrets.token_hex(letters)[:letters]
        await stub.put_state(key, drawn.encode())
        return drawn

    @transaction
    async def fail(self, stub: Stub, secret: str) -> None:
        raise RuntimeError(f"a defect that knows {secret}")

    @evaluate
    async def who(self, stub: Stub) -> dict[str, object]:
        creator = stub.creator
        return {
            "mspid": creator.mspid,
            "attributes": dict(creator.attributes),
            "id": base64.b64decode(creator.id).decode(),
            "seconds": stub.timestamp.seconds,
            "transaction_id": stub.transaction_id,
            "channel_id": stub.channel_id,
            "function": stub.function,
            "transient": sorted(stub.transient),
            "binding": stub.binding.hex(),
            "proposal_sha256": hashlib.sha256(stub.signed_proposal.proposal).hexdigest(),
            "signature_bytes": len(stub.signed_proposal.signature),
        }

    @evaluate(requires={"role": ("operator", "grid")})
    async def operators_only(self, stub: Stub) -> str:
        return "welcome"

    @evaluate
    async def compute(self, stub: Stub, rounds: int) -> str:
        """Keep a core busy: a chain of hashes."""
        digest = b""
        for _ in range(rounds):
            digest = hashlib.sha256(digest).digest()
        return digest.hex()

    @evaluate
    async def wait(self, stub: Stub, seconds: float) -> str:
        await asyncio.sleep(seconds)
        return "waited"


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode()


if __name__ == "__main__":
    sys.exit(run_from_environment(Probe()))
