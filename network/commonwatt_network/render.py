"""The files of NETWORK=compose or kubernetes, for those who apply them themselves."""

from __future__ import annotations

from pathlib import Path

from commonwatt_network.backends import compose, containers, kubernetes
from commonwatt_network.channels.genesis import ensure_genesis_blocks
from commonwatt_network.errors import UsageError
from commonwatt_network.model.layout import Layout
from commonwatt_network.model.state import exclusive, write_state
from commonwatt_network.model.topology import Topology
from commonwatt_network.trust.identity import ensure_identities
from commonwatt_network.up import settle_state


def render(directory: Path, topology: Topology | None, backend: str, output: Path) -> list[Path]:
    """Write the files of the network in `directory` to `output`; their paths.

    What the network has not got yet, keys and genesis blocks, is made and kept in `directory`, so that rendering again,
    or `network-up` there, goes on with the same. Raises UsageError, also for an `output` that holds anything else.
    """
    if backend not in containers.BACKENDS:
        raise UsageError(f"--backend {backend}: only {' and '.join(containers.BACKENDS)} are rendered")
    layout = Layout(directory)
    with exclusive(layout):
        state = settle_state(layout, topology, backend)
        if state.topology.ca == "fabric-ca":
            raise UsageError(
                "ca: fabric-ca needs servers that run, and rendering starts none; use `ca: built-in` here"
            )
        nodes = state.nodes(layout)
        write_state(layout, state)
        ensure_identities(nodes)
        ensure_genesis_blocks(containers.inside(nodes))
        files = compose.render(nodes) if backend == "compose" else kubernetes.render(nodes)
        _refuse_foreign(output, files)
        (compose.write if backend == "compose" else kubernetes.write)(output, files)
    return [output / name for name in files]


def _refuse_foreign(output: Path, files: containers.Files) -> None:
    """Rendering over somebody else's files would mix two networks."""
    if not output.exists():
        return
    if not output.is_dir():
        raise UsageError(f"{output} is a file; name a folder")
    ours = {name.split("/")[0] for name in files}
    foreign = sorted(path.name for path in output.iterdir() if path.name not in ours)
    if foreign:
        raise UsageError(f"{output} holds {foreign[0]}, which is not this network's; name an empty folder")
