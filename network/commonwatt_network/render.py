# SPDX-License-Identifier: Apache-2.0
"""The files of the backends compose and kubernetes, for those who apply them themselves."""

from __future__ import annotations

from pathlib import Path

from commonwatt_network.backends.containers import refuse_foreign
from commonwatt_network.backends.registry import BACKENDS, nodes_of
from commonwatt_network.channels.genesis import ensure_genesis_blocks
from commonwatt_network.errors import UsageError
from commonwatt_network.model.layout import Layout
from commonwatt_network.model.state import exclusive, write_state
from commonwatt_network.model.topology import Topology
from commonwatt_network.trust.identity import ensure_identities
from commonwatt_network.up import settle_state


def render(directory: Path, topology: Topology | None, backend: str, output: Path) -> list[Path]:
    """Write the files of the network in `directory` to `output`; their paths.

    Keys and genesis blocks that the network has not got yet are made and kept in `directory`, so that rendering again,
    or `network up` there, goes on with the same. Raises UsageError, also for an `output` that holds anything else.
    """
    rendered = {name: each for name, each in BACKENDS.items() if each.in_containers}
    if backend not in rendered:
        raise UsageError(f"--backend {backend}: only {' and '.join(rendered)} are rendered")
    chosen = rendered[backend]
    layout = Layout(directory)
    with exclusive(layout):
        state = settle_state(layout, topology, backend)
        if state.topology.ca == "fabric-ca":
            raise UsageError(
                "ca: fabric-ca needs servers that run, and rendering starts none; use `ca: built-in` here"
            )
        nodes = nodes_of(layout, state)
        write_state(layout, state)
        ensure_identities(nodes)
        ensure_genesis_blocks(chosen.among_themselves(nodes))
        files = chosen.render(nodes)
        refuse_foreign(output, files)
        chosen.write(output, files)
    return [output / name for name in files]
