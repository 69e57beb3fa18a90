# SPDX-License-Identifier: Apache-2.0
"""What `network-up` settled for a network's folder, kept so that later commands agree with it."""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from commonwatt_network.errors import UsageError
from commonwatt_network.model.layout import PRIVATE_FILE, Layout, keep_private, make_private, write_atomically
from commonwatt_network.model.placement import Placement, read_placement
from commonwatt_network.model.topology import SETTLED, Topology

FORMAT = 1
PATIENCE_S = 3.0  # for a command that is about to end, or what a killed one had started
POLL_S = 0.05


@dataclass(frozen=True)
class Change:
    """A step of a change under way: its words, what the network is once it is done, and what was wanted in all."""

    words: str
    topology: Topology
    placement: Placement
    wanted: Topology


@dataclass(frozen=True)
class State:
    """A network as it was first made: its topology, backend and ports never change by themselves.

    `placement` is set by the first change of the running network; `change` is one that was begun and not finished.
    """

    topology: Topology
    backend: str
    first_port: int
    placement: Placement | None = None
    change: Change | None = None


def read_state(layout: Layout) -> State | None:
    """The state kept in the folder, None when there is no network yet. Raises UsageError for a stale folder."""
    try:
        content = json.loads(layout.state_file.read_bytes())
        if content["format"] != FORMAT:
            raise UsageError(
                f"{layout.directory} was made by another version of this kit (format {content['format']}, "
                f"this is {FORMAT}); use that version, or delete the network with `make network-reset`"
            )
        placement, change = content.get("placement"), content.get("change")
        return State(
            _topology(content["topology"]),
            str(content["backend"]),
            int(content["first_port"]),
            read_placement(placement) if placement else None,
            _read_change(change) if change else None,
        )
    except FileNotFoundError:
        _refuse_stale(layout)
        return None
    except OSError as error:
        raise UsageError(f"{layout.state_file}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, ValidationError) as error:
        raise UsageError(
            f"{layout.state_file} is damaged, so nothing was started and no ledger touched; put it back from a "
            "backup, or delete the network with `make network-reset`"
        ) from error


def write_state(layout: Layout, state: State) -> None:
    """Keep the state."""
    content: dict[str, Any] = {
        "format": FORMAT,
        "backend": state.backend,
        "first_port": state.first_port,
        "topology": state.topology.model_dump(mode="json"),
        "placement": state.placement.to_json() if state.placement else None,
        "change": _describe_change(state.change) if state.change else None,
    }
    write_atomically(layout.state_file, json.dumps(content, indent=2) + "\n")


def _describe_change(change: Change) -> dict[str, Any]:
    return {
        "words": change.words,
        "topology": change.topology.model_dump(mode="json"),
        "placement": change.placement.to_json(),
        "wanted": change.wanted.model_dump(mode="json"),
    }


def _read_change(content: dict[str, Any]) -> Change:
    return Change(
        str(content["words"]),
        _topology(content["topology"]),
        read_placement(content["placement"]),
        _topology(content["wanted"]),
    )


def _topology(content: dict[str, Any]) -> Topology:
    """A kept topology. Every member reads the channels of networks that were made before `readers` was said."""
    for channel in content["channels"].values():
        channel.setdefault("readers", "members")
    return Topology.model_validate(content, context=SETTLED)


def require_first_start(layout: Layout) -> None:
    """Raise UsageError for a network whose first start failed: it has no transaction behind it, perhaps no channel."""
    if not layout.network_file.exists():
        raise UsageError(
            f"the network in {layout.directory} has not been up yet: its first start failed; finish it with "
            "`make network-up`, or delete it with `make network-reset`"
        )


@contextmanager
def exclusive(layout: Layout) -> Iterator[int]:
    """Keep two commands from working on one network at once. Raises UsageError when another one is.

    Yields the lock's file descriptor: it stays locked while any process that was given it runs.
    """
    try:
        make_private(layout.directory)
        keep_private(layout)
        descriptor = os.open(layout.lock_file, os.O_RDWR | os.O_CREAT, PRIVATE_FILE)
    except OSError as error:
        raise UsageError(f"{layout.directory} cannot be written: {error.strerror}") from error
    try:
        _lock(descriptor, layout)
        yield descriptor
    finally:
        os.close(descriptor)


def _lock(descriptor: int, layout: Layout) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise UsageError(
                    f"another command is starting or stopping the network in {layout.directory}; wait until it is done"
                ) from None
            time.sleep(POLL_S)


def _refuse_stale(layout: Layout) -> None:
    """Ledgers or keys without a state belong to something this kit does not know: never build on them."""
    if layout.organization_file.exists():
        raise UsageError(
            f"{layout.directory} holds an organisation of a consortium; its verbs are those of `commonwatt org`; for a "
            "network of its own, use another folder (--directory)"
        )
    leftovers = [path for path in (layout.ledgers, layout.organizations, layout.blocks) if path.exists()]
    if leftovers:
        raise UsageError(
            f"{layout.directory} is stale: it holds {', '.join(path.name for path in leftovers)} but no "
            f"{layout.state_file.name}; put that file back from a backup, or delete the rest with `make network-reset`"
        )
