# SPDX-License-Identifier: Apache-2.0
"""Who may ask what: every resource that a node guards, every kind of caller, every backend, against Fabric's table.

The channel `newtown` is read by operators, `trials` by every member. The table is Fabric's (core/aclmgmt, the
orderer's Deliver, the discovery and snapshot services) with the two ACLs of `readers: operators`. Left out is `lscc`,
which the embedded network does not have, and `peer/ChaincodeToChaincode`, whose policy is that of `peer/Propose`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from commonwatt_client.ledger import decode_block
from fabric_protos.common import ledger_pb2

from .callers import Caller, Node, callers

OWN = {"home", "operator", "admin", "peer", "client without a role", "operator as a role's attribute alone"}
GRID = {"grid's operator", "grid's admin", "grid's peer"}
ORDERERS = {"orderer", "orderers' admin"}
WRITERS = OWN | GRID
READERS = {"operators": {"operator", "admin", "peer"} | GRID, "members": WRITERS}
ADMINS = {"admin"}
CHANNELS = {"newtown": "operators", "trials": "members"}
TABLE: dict[str, str] = {
    "event/Block": "readers",
    "event/Block with private data": "readers",
    "event/FilteredBlock": "readers",
    "orderer's Deliver": "readers and orderers",
    **{
        f"qscc/{function}": "readers"
        for function in (
            "GetChainInfo", "GetBlockByNumber", "GetBlockByHash", "GetTransactionByID", "GetBlockByTxID",
        )
    },
    "cscc/GetConfigBlock": "readers",
    "cscc/GetChannelConfig": "readers",
    "cscc/GetChannels": "own members",
    "cscc/JoinChain": "admins",
    "cscc/JoinChainBySnapshot": "admins",
    "cscc/JoinBySnapshotStatus": "admins",
    "snapshot/listpending": "admins",
    **{
        f"_lifecycle/{function}": "admins"
        for function in (
            "InstallChaincode", "QueryInstalledChaincode", "GetInstalledChaincodePackage",
            "QueryInstalledChaincodes", "ApproveChaincodeDefinitionForMyOrg", "QueryApprovedChaincodeDefinition",
        )
    },
    **{
        f"_lifecycle/{function}": "writers"
        for function in (
            "CheckCommitReadiness", "CommitChaincodeDefinition", "QueryChaincodeDefinition",
            "QueryChaincodeDefinitions",
        )
    },
    "peer/Propose": "writers",
    "discovery": "writers",
    "gateway/CommitStatus": "writers",
    "gateway/ChaincodeEvents": "writers",
}  # fmt: skip


def allowed(resource: str, channel: str) -> set[str]:
    """Who may use a resource of a channel."""
    readers = READERS[CHANNELS[channel]]
    return {
        "readers": readers,
        "readers and orderers": readers | ORDERERS,
        "writers": WRITERS,
        "own members": OWN,
        "admins": ADMINS,
    }[TABLE[resource]]


@pytest.mark.parametrize("channel", CHANNELS)
async def test_each_caller_is_let_in_where_fabric_lets_it_in(network: Any, channel: str) -> None:
    async with Node(network.nodes, channel) as node:
        everybody = callers(network.nodes)
        asks = await _asks(node, everybody["operator"])
        assert asks.keys() == TABLE.keys()

        async def who(resource: str) -> set[str]:
            names = list(everybody)
            answers = await asyncio.gather(*(asks[resource](everybody[name]) for name in names))
            return {name for name, (let_in, _) in zip(names, answers, strict=True) if let_in}

        found = {resource: await who(resource) for resource in TABLE}
        assert found == {resource: allowed(resource, channel) for resource in TABLE}


Ask = Callable[[Caller], Awaitable[tuple[bool, Any]]]


async def _asks(node: Node, operator: Caller) -> dict[str, Ask]:
    """How to ask for each resource, so that nothing but the caller decides whether it is let in."""
    channel = node.channel.encode()
    _, content = await node.invoke(operator, "qscc", "GetChainInfo", channel)
    info = ledger_pb2.BlockchainInfo.FromString(content)
    _, got = await node.deliver(operator, "Deliver")
    transaction_id = decode_block(got[-1].block.SerializeToString()).transactions[0].transaction_id
    genesis = node.nodes.layout.genesis_block(node.channel).read_bytes()

    def call(chaincode: str, function: str, *arguments: bytes, where: str | None = None) -> Ask:
        return lambda caller: node.invoke(caller, chaincode, function, *arguments, channel=where)

    return {
        "event/Block": lambda caller: node.deliver(caller, "Deliver"),
        "event/Block with private data": lambda caller: node.deliver(caller, "DeliverWithPrivateData"),
        "event/FilteredBlock": lambda caller: node.deliver(caller, "DeliverFiltered"),
        "orderer's Deliver": lambda caller: node.deliver(caller, "orderer"),
        "qscc/GetChainInfo": call("qscc", "GetChainInfo", channel),
        "qscc/GetBlockByNumber": call("qscc", "GetBlockByNumber", channel, b"0"),
        "qscc/GetBlockByHash": call("qscc", "GetBlockByHash", channel, info.currentBlockHash),
        "qscc/GetTransactionByID": call("qscc", "GetTransactionByID", channel, transaction_id.encode()),
        "qscc/GetBlockByTxID": call("qscc", "GetBlockByTxID", channel, transaction_id.encode()),
        "cscc/GetConfigBlock": call("cscc", "GetConfigBlock", channel),
        "cscc/GetChannelConfig": call("cscc", "GetChannelConfig", channel),
        "cscc/GetChannels": call("cscc", "GetChannels", where=""),
        "cscc/JoinChain": call("cscc", "JoinChain", genesis, where=""),
        "cscc/JoinChainBySnapshot": call("cscc", "JoinChainBySnapshot", b"/nowhere", where=""),
        "cscc/JoinBySnapshotStatus": call("cscc", "JoinBySnapshotStatus", where=""),
        "snapshot/listpending": node.snapshots,
        **{
            resource: call("_lifecycle", resource.partition("/")[2], b"")
            for resource in TABLE
            if resource.startswith("_lifecycle/")
        },
        "peer/Propose": call("market", "get_parameters", b"{}"),
        "discovery": node.discover,
        "gateway/CommitStatus": lambda caller: node.commit_status(caller, transaction_id),
        "gateway/ChaincodeEvents": lambda caller: node.chaincode_events(caller, "market"),
    }
