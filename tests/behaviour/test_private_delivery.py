# SPDX-License-Identifier: Apache-2.0
"""Blocks with private data: what each caller gets of each collection, on every backend as on Fabric.

newtown's peer is asked, which holds every collection here; the caller's organisation decides.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from commonwatt_client import Gateway
from commonwatt_client.admin import CollectionConfig, PeerAdmin, RefusedError
from commonwatt_client.profile import network_file_peers, network_file_user

from .probe_network import MEMBERS, PROBE, Probe

CHAINCODE = "delivered"
NEWTOWN = "OR('NewtownMSP.member')"
IMPLICIT = "_implicit_org_NewtownMSP"
BY_NEWTOWN = {"endorsing_organizations": ["NewtownMSP"]}


def collections(readers_of_widened: str) -> tuple[CollectionConfig, ...]:
    return (
        CollectionConfig("shared", MEMBERS),
        CollectionConfig("guarded", NEWTOWN),
        CollectionConfig("unguarded", NEWTOWN, member_only_read=False),
        CollectionConfig("widened", readers_of_widened),
    )


@pytest.fixture(scope="module")
def served(network: Any) -> Any:
    network.deploy(PROBE, CHAINCODE, endorsement_policy=MEMBERS, collections=collections(NEWTOWN))
    return network


@dataclass(frozen=True)
class Asked:
    """newtown's peer as somebody asks it."""

    admin: PeerAdmin

    async def values(self, first: int, last: int) -> dict[tuple[str, str], bytes]:
        """(collection, key) -> value of the test's chaincode in these blocks."""
        found = {}
        async with asyncio.timeout(20):
            async for block, values in self.admin.blocks_with_private_data("trials", first, last):
                for (position, chaincode, collection, key), value in values.items():
                    assert position < len(block.envelopes)
                    if chaincode == CHAINCODE:
                        found[collection, key] = value
        return found


@pytest.fixture
async def gateway(served: Any) -> AsyncIterator[Gateway]:
    async with served.connect() as gateway:
        await Probe(gateway, gateway.get_network("trials").get_contract(CHAINCODE)).answers()
        yield gateway


def asked(path: Path, organization: str, user: str) -> PeerAdmin:
    identity, signer = network_file_user(path, organization, user)
    return PeerAdmin(network_file_peers(path, "newtown")[0], identity=identity, signer=signer)


async def test_private_data_go_to_those_whom_a_collection_names(served: Any, gateway: Gateway) -> None:
    contract = gateway.get_network("trials").get_contract(CHAINCODE)

    async def put(collection: str, key: str) -> int:
        outcome = await contract.submit(
            "put_private", arguments=[collection, key], transient={"value": collection}, **BY_NEWTOWN
        )
        return outcome.block_number

    key = secrets.token_hex(6)
    first = await put("shared", key)
    for collection in ("guarded", "unguarded", IMPLICIT, "widened"):
        last = await put(collection, key)
    await contract.submit("delete_private", arguments=["shared", key], **BY_NEWTOWN)
    # what a reader may see is what the collection said in the block's time
    served.deploy(
        PROBE, CHAINCODE, version="2.0", endorsement_policy=MEMBERS, collections=collections(MEMBERS)
    )
    later = f"{key}-later"
    newest = await put("widened", later)

    def of(*names: str) -> dict[tuple[str, str], bytes]:
        return {(name, key): name.encode() for name in names}

    async with (
        asked(served.path, "newtown", "operator") as own,
        asked(served.path, "grid", "operator") as other,
    ):
        assert await Asked(own).values(first, last) == of(
            "shared", "guarded", "unguarded", IMPLICIT, "widened"
        )
        assert await Asked(other).values(first, last) == of("shared", "unguarded", IMPLICIT)
        assert await Asked(other).values(newest, newest) == {("widened", later): b"widened"}


async def test_a_purge_takes_former_values_back_and_one_with_a_new_value_is_none(
    served: Any, gateway: Gateway
) -> None:
    """So a record that others still need is written under another key than the one that is purged."""
    contract = gateway.get_network("trials").get_contract(CHAINCODE)
    key = secrets.token_hex(6)

    async def write(function: str, value: bytes) -> int:
        outcome = await contract.submit(
            function, arguments=["shared", key], transient={"value": value}, **BY_NEWTOWN
        )
        return outcome.block_number

    first = await write("put_private", b"former")
    second = await write("purge_and_put_private", b"latter")
    async with asked(served.path, "newtown", "operator") as own:
        assert await Asked(own).values(first, first) == {("shared", key): b"former"}
        assert await Asked(own).values(second, second) == {("shared", key): b"latter"}
        await contract.submit("purge_private", arguments=["shared", key], **BY_NEWTOWN)
        async with asyncio.timeout(10):
            while await Asked(own).values(first, second):  # noqa: ASYNC110
                await asyncio.sleep(0.2)


async def test_every_block_comes_to_whoever_reads_blocks(served: Any, gateway: Gateway) -> None:
    """Approvals of definitions among them, which are private data of organisations."""
    async with (
        asked(served.path, "newtown", "operator") as own,
        asked(served.path, "grid", "operator") as other,
    ):
        height = (await own.get_chain_info("trials")).height
        approvals = {}
        for name, admin in (("own", own), ("other", other)):
            blocks = admin.blocks_with_private_data("trials", 0, height - 1)
            seen = [(block.number, values) async for block, values in blocks]
            assert [number for number, _ in seen] == list(range(height))
            approvals[name] = {
                place[1:]: value
                for _, values in seen
                for place, value in values.items()
                if place[1] == "_lifecycle"
            }
        assert approvals["own"] == approvals["other"]
        assert {collection for _, collection, _ in approvals["own"]} == {IMPLICIT}


async def test_who_reads_no_block_gets_no_private_data(served: Any) -> None:
    async with asked(served.path, "newtown", "home001") as home:
        with pytest.raises(RefusedError, match="FORBIDDEN"):
            await anext(home.blocks_with_private_data("newtown", 0, 0))
