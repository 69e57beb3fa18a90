# SPDX-License-Identifier: Apache-2.0
"""What the verbs share: options, the console, phases that show their time, and files that the person names."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from commonwatt_client.command_line import NetworkOption as NetworkOption
from commonwatt_client.verbosity import quiet
from rich.console import Console

from commonwatt_network.errors import UsageError
from commonwatt_network.model.layout import default_directory

if TYPE_CHECKING:
    from commonwatt_network.model.topology import Topology

DirectoryOption = Annotated[
    Path | None,
    typer.Option(
        "--directory", envvar="COMMONWATT_DIRECTORY", help="The network's folder; default: .commonwatt here."
    ),
]
TransientOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME=VALUE", help="For the endorsers alone, never on a ledger; NAME=@FILE reads a file."
    ),
]
OrganizationDirectoryOption = Annotated[
    Path | None,
    typer.Option(
        "--directory",
        envvar="COMMONWATT_DIRECTORY",
        help="The organisation's folder; default: .commonwatt here.",
    ),
]
TopologyOption = Annotated[
    str | None, typer.Option(envvar="COMMONWATT_TOPOLOGY", help="A YAML file, or a sample by its name.")
]
CommunitiesOption = Annotated[
    int | None, typer.Option(envvar="COMMONWATT_COMMUNITIES", help="Communities of the default topology.")
]
HomesOption = Annotated[
    int | None, typer.Option(envvar="COMMONWATT_HOMES", help="Homes per community of the default topology.")
]
BackendOption = Annotated[
    Literal["embedded", "native", "compose", "kubernetes"] | None,
    typer.Option(
        "--backend",
        envvar="COMMONWATT_BACKEND",
        help="What runs the network's programs; default: as it was started, else embedded.",
    ),
]
out = Console(highlight=False, soft_wrap=True)
plain = Console(highlight=False, soft_wrap=True, markup=False)  # for lines that may hold anything


def news(text: str, *, markup: bool = True) -> None:
    """Print how it went, which `-q` leaves out."""
    if not quiet():
        out.print(text, markup=markup)


def plain_news(text: str) -> None:
    """Print how it went in words that may hold anything; `-q` leaves it out."""
    news(text, markup=False)


def print_json(content: object) -> None:
    """Print what programs read: the answer of `--json`."""
    typer.echo(json.dumps(content, indent=2, ensure_ascii=False))


def transient_data(given: Sequence[str]) -> dict[str, bytes]:
    """From `name=value` and `name=@file`. Raises UsageError."""
    found: dict[str, bytes] = {}
    for entry in given:
        name, separator, value = entry.partition("=")
        if not separator or not name:
            raise UsageError("--transient takes NAME=VALUE or NAME=@FILE, each with its own --transient")
        if name in found:
            raise UsageError(f"--transient {name} is given twice")
        found[name] = read_file(Path(value[1:])) if value.startswith("@") else value.encode()
    return found


def wanted_topology(source: str | None, communities: int | None, homes: int | None) -> Topology | None:
    """The topology that options ask for; None when they leave it open."""
    from commonwatt_network.model.topology import default_topology, load_topology

    if source is not None and (communities is not None or homes is not None):
        raise UsageError(
            "--communities and --homes shape the default topology; with --topology, write them in its file"
        )
    if source is not None:
        return load_topology(source)
    if communities is None and homes is None:
        return None
    return default_topology(1 if communities is None else communities, 60 if homes is None else homes)


def network_file_of(directory: Path | None, network: str | None) -> Path:
    """The network file that options name, by default that of the folder here. Raises UsageError.

    An option on the command line wins over the environment.
    """
    from commonwatt_client.network_file import find_network

    by_hand = {
        "--directory": directory is not None and str(directory) != os.environ.get("COMMONWATT_DIRECTORY"),
        "--network": bool(network) and network != os.environ.get("COMMONWATT_NETWORK"),
    }
    if all(by_hand.values()):
        raise UsageError("--directory and --network each name a network; give one of them")
    if network and not by_hand["--directory"]:
        return find_network(network).absolute()
    return (directory or default_directory()) / "network.json"


def own_directory(directory: Path | None, network: str | None, what: str) -> Path:
    """The folder of a network that this kit made, for a verb that needs the kit's own state. Raises UsageError."""
    from commonwatt_network.connected.network import is_connected

    file = network_file_of(directory, network)
    if is_connected(file):
        raise UsageError(
            f"{what} is for networks that this kit made; others made the network of {file}, so nothing was changed; "
            "change it with its own tools"
        )
    return file.parent


@contextmanager
def phase(name: str) -> Iterator[None]:
    """Show a phase while it runs, and its time when it is done."""
    if quiet():
        yield
        return
    began = time.monotonic()
    with out.status(f"{name} ..."):
        yield
    out.print(f"[green]✓[/] {name:24s} {time.monotonic() - began:5.1f} s")


def printable(text: str) -> str:
    """A name that others chose, without what would steer a terminal, and no longer than names are."""
    return "".join(character if character.isprintable() else "?" for character in text)[:100]


def read_file(path: Path) -> bytes:
    """The bytes of a file the person named. Raises UsageError."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error
