# SPDX-License-Identifier: Apache-2.0
"""The contract ``forward``: its transactions by name, each told in a module of its own."""

from typing import Any

from ..shim import Contract, Stub, evaluate
from . import queries
from .arguments import Nothing

Json = dict[str, Any]


class ForwardMarket(Contract):
    """A market of periods ahead: one JSON object in, one out; ``docs/forward-contract.md`` describes each."""

    name = "forward"
    title = "Commonwatt forward market"

    # Queries

    @evaluate
    async def get_configuration(self, stub: Stub, _: Nothing = Nothing()) -> Json:  # noqa: B008
        """Every role: the configuration, all versions of it that count, and the market time."""
        return await queries.get_configuration(stub)
