# SPDX-License-Identifier: Apache-2.0
"""One proposal to one peer, and what a Gateway makes of the outcome."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, Protocol

import grpc

from commonwatt_network.embedded.channels.proposals import Proposal, ProposalError, ProposalFiltered
from commonwatt_network.embedded.peer.gateway.errors import error_detail
from commonwatt_network.embedded.peer.views import NeighbourView


class Endorsing(Protocol):
    async def process(self, proposal: Proposal) -> Any:
        """The ProposalResponse. Raises ProposalError or ProposalFiltered."""


class CalledPeer(NeighbourView, Protocol):
    """A peer that a Gateway asks for endorsements."""

    @property
    def endorser(self) -> Endorsing: ...


@dataclass(frozen=True)
class Outcome:
    """A peer's ProposalResponse, or why there is none. `retry`: another peer may do better."""

    peer: CalledPeer
    response: Any = None
    code: grpc.StatusCode = grpc.StatusCode.OK
    message: str = ""
    retry: bool = False

    @property
    def ok(self) -> bool:
        return self.code == grpc.StatusCode.OK

    @property
    def detail(self) -> Any:
        return error_detail(self.peer.address, self.peer.mspid, self.message)


async def call_endorser(peer: CalledPeer, proposal: Proposal, timeout_s: float) -> Outcome:
    """Have the peer endorse. A failure is an outcome too, classified as Fabric's gateway does; nothing is raised."""
    codes = grpc.StatusCode
    if peer.faults.down:
        message = (
            f'connection error: desc = "transport: error while dialing: dial tcp {peer.address}: connect: '
            'connection refused"'
        )
        return Outcome(peer, code=codes.UNAVAILABLE, message=message, retry=True)
    try:
        async with asyncio.timeout(timeout_s):
            response = await peer.endorser.process(proposal)
    except ProposalFiltered as error:
        return Outcome(peer, code=codes.UNAVAILABLE, message=str(error), retry=True)
    except ProposalError as error:
        return Outcome(peer, code=codes.FAILED_PRECONDITION, message=str(error))
    except TimeoutError:
        message = "rpc error: code = DeadlineExceeded desc = context deadline exceeded"
        return Outcome(peer, code=codes.UNAVAILABLE, message=message, retry=True)
    status, message = response.response.status, response.response.message
    if 200 <= status < 400:
        return Outcome(peer, response)
    if not response.payload and status == 500:
        return Outcome(peer, response, codes.ABORTED, message, retry=True)
    return Outcome(peer, response, codes.UNKNOWN, f"chaincode response {status}, {message}")
