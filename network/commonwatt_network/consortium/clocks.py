# SPDX-License-Identifier: Apache-2.0
"""Other organisations' clocks against this host's, as far as their chaincode tells.

Nothing in Fabric says what time it is at another organisation: neither blocks nor TLS do, and its operations ports are
its own. But its chaincode server takes a proposal only if it is dated within so many seconds of its own clock. Queries
that are dated otherwise find both edges of what it takes; its clock is in their middle, whatever its limit is.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from commonwatt_client import Contract, Gateway, GatewayError, connect_network_file
from fabric_protos.common import common_pb2
from fabric_protos.gateway import gateway_pb2
from fabric_protos.peer import proposal_pb2

from commonwatt_network.consortium.host import OwnHost

QUERY = "get_parameters"  # of the market: every member may, and it writes nothing
FAR_S = 840  # beyond it Fabric's peers refuse a proposal themselves, by 15 minutes of their own clock
NARROW_S = 30  # an accepted date is looked for in steps of the least common limit
STEP_S = 0.5
NANOSECONDS = 1_000_000_000


class NoLimitError(Exception):
    """The organisation's chaincode takes any date, or so many that no edge of them can be told."""


class NoDateError(Exception):
    """The organisation's chaincode takes no date within `FAR_S` of this host's clock."""


def asking_user(host: OwnHost) -> str | None:
    """Who asks: the first user with a role on the market, as its queries want; None where there is none."""
    return next((name for name, attributes in host.users().items() if "role" in attributes), None)


async def clock_ahead_s(host: OwnHost, user: str, channel: str, mspid: str) -> float:
    """How far the other organisation's clock is ahead of this host's, to a second; behind where negative.

    Raises NoLimitError, NoDateError, ClientError where none of its peers answers.
    """
    async with connect_network_file(host.layout.network_file, host.name, user) as gateway:
        contract = gateway.get_network(channel).get_contract(host.description.chaincode.name)
        return await middle(lambda shift_s: _takes(gateway, contract, mspid, shift_s))


async def middle(takes: Callable[[float], Awaitable[bool]]) -> float:
    """The middle of the dates, in seconds from now, that `takes` is true of. Raises NoLimitError, NoDateError."""
    good = await _any_date(takes)
    edges = [await _edge(takes, good, far) for far in (-FAR_S, FAR_S)]
    return sum(edges) / 2


async def _any_date(takes: Callable[[float], Awaitable[bool]]) -> float:
    for shift_s in (sign * step for step in range(0, FAR_S + 1, NARROW_S) for sign in (1, -1)):
        if await takes(shift_s):
            return shift_s
    raise NoDateError


async def _edge(takes: Callable[[float], Awaitable[bool]], good: float, bad: float) -> float:
    if await takes(bad):
        raise NoLimitError
    while abs(bad - good) > STEP_S:
        between = (good + bad) / 2
        if await takes(between):
            good = between
        else:
            bad = between
    return good


async def _takes(gateway: Gateway, contract: Contract, mspid: str, shift_s: float) -> bool:
    proposal = contract.new_proposal(QUERY, arguments=["{}"], endorsing_organizations=[mspid])
    try:
        await gateway.new_proposal(dated(proposal.to_bytes(), round(shift_s * NANOSECONDS))).evaluate()
    except GatewayError as error:
        if error.details:  # a peer's or its chaincode's own words
            return False
        raise
    return True


def dated(proposal: bytes, shift_ns: int) -> bytes:
    """A proposal (gateway.ProposedTransaction), dated so much later than it was."""
    proposed = gateway_pb2.ProposedTransaction.FromString(proposal)
    content = proposal_pb2.Proposal.FromString(proposed.proposal.proposal_bytes)
    header = common_pb2.Header.FromString(content.header)
    channel = common_pb2.ChannelHeader.FromString(header.channel_header)
    at_ns = channel.timestamp.seconds * NANOSECONDS + channel.timestamp.nanos + shift_ns
    channel.timestamp.seconds, channel.timestamp.nanos = divmod(at_ns, NANOSECONDS)
    header.channel_header = channel.SerializeToString()
    content.header = header.SerializeToString()
    proposed.proposal.proposal_bytes = content.SerializeToString()
    encoded: bytes = proposed.SerializeToString()
    return encoded
