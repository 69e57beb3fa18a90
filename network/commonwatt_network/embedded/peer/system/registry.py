# SPDX-License-Identifier: Apache-2.0
"""Which system chaincodes there are, and how one is run: at once, in the peer itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from commonwatt_network.embedded.channels.proposals import Proposal
from commonwatt_network.embedded.peer.channel import PeerChannel
from commonwatt_network.embedded.peer.system.cscc import JoiningPeer, run_cscc
from commonwatt_network.embedded.peer.system.lifecycle import InstallingPeer, run_lifecycle
from commonwatt_network.embedded.peer.system.qscc import run_qscc
from commonwatt_network.embedded.peer.system.responses import failure
from commonwatt_network.embedded.simulation import Simulator

SYSTEM_VERSION = "syscc"


class SystemPeer(JoiningPeer, InstallingPeer, Protocol):
    """A peer as all system chaincodes together use it."""


SystemChaincode = Callable[[SystemPeer, PeerChannel | None, Proposal, list[bytes], Simulator | None], Any]

SYSTEM_CHAINCODES: Mapping[str, SystemChaincode] = {
    "_lifecycle": run_lifecycle,
    "cscc": run_cscc,
    "qscc": run_qscc,
    "lscc": lambda *_: failure("lscc is not enabled: use _lifecycle"),
}


def run_system_chaincode(
    peer: SystemPeer,
    name: str,
    channel: PeerChannel | None,
    proposal: Proposal,
    arguments: list[bytes],
    simulator: Simulator | None,
) -> Any:
    """The chaincode's Response."""
    return SYSTEM_CHAINCODES[name](peer, channel, proposal, arguments, simulator)
