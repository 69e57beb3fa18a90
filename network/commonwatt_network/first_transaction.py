"""A network is up when a transaction has gone through every organisation's own peer and been committed."""
from __future__ import annotations

from commonwatt_network.nodes import Nodes


async def first_transactions(nodes: Nodes) -> None:
    pass
