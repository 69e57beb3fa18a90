# SPDX-License-Identifier: Apache-2.0
"""The backends by name, and a network's nodes as its backend has them dialled."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from commonwatt_network.backends.backend import Backend
from commonwatt_network.backends.compose import Compose
from commonwatt_network.backends.embedded import Embedded
from commonwatt_network.backends.kubernetes import Kubernetes
from commonwatt_network.backends.native import Native
from commonwatt_network.errors import UsageError
from commonwatt_network.model.layout import Layout
from commonwatt_network.model.nodes import Nodes, settle
from commonwatt_network.model.state import State

_ALL: tuple[Backend, ...] = (Embedded(), Native(), Compose(), Kubernetes())
BACKENDS: Mapping[str, Backend] = MappingProxyType({backend.name: backend for backend in _ALL})
DEFAULT = _ALL[0].name


def backend_called(name: str) -> Backend:
    """The backend of that name. Raises UsageError."""
    if name not in BACKENDS:
        raise UsageError(f"unknown backend {name!r}; there are: {', '.join(BACKENDS)}")
    return BACKENDS[name]


def nodes_of(layout: Layout, state: State) -> Nodes:
    """The nodes of the network in a folder, as they are dialled from this machine."""
    nodes = settle(state.topology, layout, state.first_port, state.placement)
    return backend_called(state.backend).dialled(nodes)
