# SPDX-License-Identifier: Apache-2.0
"""One chaincode's present code, brought into force on a running network; the code before it goes on until then."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace

import psutil

from commonwatt_network.backends.registry import backend_called, nodes_of
from commonwatt_network.bring_up import servers_among
from commonwatt_network.change.placing import place
from commonwatt_network.change.plan import find_network
from commonwatt_network.channels.deploy import Deployed, deploy_chaincode
from commonwatt_network.errors import NotThereError, UsageError
from commonwatt_network.model.layout import Layout, write_atomically
from commonwatt_network.model.nodes import Nodes
from commonwatt_network.model.state import exclusive, write_state
from commonwatt_network.programs import processes, readiness
from commonwatt_network.programs.chaincode_code import note_code
from commonwatt_network.programs.chaincode_start import wait_serving
from commonwatt_network.programs.second_servers import SECOND
from commonwatt_network.programs.starting import started_or_ended


@dataclass(frozen=True)
class Redeployed:
    """Channel -> what is in force there; the new servers' process ids; and the old servers, which nobody asks now."""

    deployed: Mapping[str, Deployed]
    pids: Mapping[str, int]
    old: Sequence[psutil.Process]


async def redeploy(layout: Layout, chaincode: str, code: Mapping[str, str]) -> Redeployed:
    """Serve the chaincode's present code by new servers, and bring it into force at the next sequence.

    `code`: its files as they are now, kept as what is deployed. When anything fails, the new servers are ended and the
    old ones go on. Raises NotReadyError for a server that does not serve, with its last lines; NotThereError where the
    network does not run; and what deployment raises.
    """
    with exclusive(layout) as lock:
        state = find_network(layout)
        if state.change is not None:
            raise UsageError(
                f"a change of the network was interrupted ({state.change.words}); finish it with `commonwatt apply`"
            )
        backend, before = backend_called(state.backend), nodes_of(layout, state)
        running = processes.running(layout)
        missing = [
            node.name for node in before.fabric_nodes if node.name not in backend.running(before, running)
        ]
        if missing:
            raise NotThereError(
                f"the network is not whole ({', '.join(missing)} missing); start it with `make network-up`"
            )
        processes.refuse_suspended(running)
        moving = [server.name for server in before.chaincode_servers if server.chaincode == chaincode]
        if not moving:
            raise UsageError(f"no channel has the chaincode {chaincode} any more")
        after = replace(state, placement=place(before, state.topology, layout, moving))
        nodes = nodes_of(layout, after)
        programs = [each for each in backend.programs(nodes) if each.name.removesuffix(SECOND) in moving]
        old = [process for program in programs for process in running.get(program.name, [])]
        with started_or_ended(layout, programs, lock) as pids:
            await wait_serving(layout, servers_among(nodes, programs, pids))
            deployed = await readiness.while_alive(_deploy(nodes, chaincode), layout, pids)
            write_state(layout, after)
        note_code(layout, state.topology, anew={chaincode: code})
        _tell(layout, chaincode, deployed)
        return Redeployed(deployed, pids, old)


async def _deploy(nodes: Nodes, chaincode: str) -> dict[str, Deployed]:
    channels = [name for name, entry in nodes.topology.channels.items() if chaincode in entry.chaincodes]
    results = await asyncio.gather(
        *(deploy_chaincode(nodes, name, chaincode, anew=True) for name in channels)
    )
    return dict(zip(channels, results, strict=True))


def _tell(layout: Layout, chaincode: str, deployed: Mapping[str, Deployed]) -> None:
    """Write the new sequences into network.json; nothing else of the network has changed."""
    content = json.loads(layout.network_file.read_bytes())
    for channel, entry in deployed.items():
        content["channels"][channel]["chaincodes"][chaincode] = asdict(entry)
    write_atomically(layout.network_file, json.dumps(content, indent=2) + "\n")
