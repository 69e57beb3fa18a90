# SPDX-License-Identifier: Apache-2.0
"""The contract ``exchange``: its transactions by name, each told in a module of its own."""

from typing import Any

from ..shim import Contract, Stub, evaluate, transaction
from . import anchoring, attesting, founding, links, queries, rounds
from .arguments import (
    AdvanceClock,
    Attest,
    CommunityPeriod,
    CommunitySpan,
    Found,
    NewAnchor,
    NewCommunity,
    NewLink,
    Nothing,
    OneCommunity,
    OnePeriod,
)

Json = dict[str, Any]


class Exchange(Contract):
    """What communities tell each other: one JSON object in, one out; ``docs/exchange.md`` describes each."""

    name = "exchange"
    title = "Commonwatt exchange between communities"

    @transaction
    async def found(self, stub: Stub, arguments: Found) -> Json:
        """Grid: found the exchange for good."""
        return await founding.found(stub, arguments)

    @transaction
    async def advance_clock(self, stub: Stub, arguments: AdvanceClock) -> Json:
        """Grid of a simulated exchange: move its clock forwards."""
        return await founding.advance_clock(stub, arguments)

    @transaction
    async def register_community(self, stub: Stub, arguments: NewCommunity) -> Json:
        """Grid: register a community, whose own keys it endorses together with the grid from then on."""
        return await founding.register_community(stub, arguments)

    @transaction
    async def set_link(self, stub: Stub, arguments: NewLink) -> Json:
        """Grid: set what may flow from one community to another, and its fee."""
        return await links.set_link(stub, arguments)

    @transaction
    async def anchor(self, stub: Stub, arguments: NewAnchor) -> Json:
        """The community's operator, grid: anchor what the community settled."""
        return await anchoring.anchor(stub, arguments)

    @transaction
    async def attest(self, stub: Stub, arguments: Attest) -> Json:
        """Grid: state what it computed anew."""
        return await attesting.attest(stub, arguments)

    @transaction
    async def bring_residual(self, stub: Stub, arguments: CommunityPeriod) -> Json:
        """The community's operator, grid: bring what the community's clearing left over."""
        return await rounds.bring_residual(stub, arguments)

    @transaction
    async def clear_round(self, stub: Stub, arguments: OnePeriod) -> Json:
        """Operators, grid: clear a round, or close it as void once its time is over."""
        return await rounds.clear_round(stub, arguments)

    # Queries

    @evaluate
    async def get_rules(self, stub: Stub, _: Nothing = Nothing()) -> Json:  # noqa: B008
        """Every role: the rules, and the exchange's time."""
        return await queries.get_rules(stub)

    @evaluate
    async def list_communities(self, stub: Stub, _: Nothing = Nothing()) -> Json:  # noqa: B008
        """Every role: all communities."""
        return await queries.list_communities(stub)

    @evaluate
    async def list_links(self, stub: Stub, _: Nothing = Nothing()) -> Json:  # noqa: B008
        """Every role: all links."""
        return await queries.list_links(stub)

    @evaluate
    async def get_anchor(self, stub: Stub, arguments: OneCommunity) -> Json:
        """Every role: a community's last anchor."""
        return await queries.get_anchor(stub, arguments)

    @evaluate
    async def list_attested(self, stub: Stub, arguments: CommunitySpan) -> Json:
        """Every role: the attestations of a community's periods."""
        return await attesting.list_attested(stub, arguments)

    @evaluate
    async def get_round(self, stub: Stub, arguments: CommunityPeriod) -> Json:
        """Every role: a closed round as one community settles it."""
        return await rounds.get_round(stub, arguments)
