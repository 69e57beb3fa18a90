# SPDX-License-Identifier: Apache-2.0
"""The verbs `commonwatt network ...`: a network started, stopped, shown, and written out for other programs."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path
from typing import Annotated, Literal

import typer
from commonwatt_client.command_line import JsonOption
from commonwatt_client.verbosity import quiet
from rich.markup import escape
from rich.table import Table

from commonwatt_network.cli.options import (
    BackendOption,
    CommunitiesOption,
    DirectoryOption,
    HomesOption,
    NetworkOption,
    TopologyOption,
    network_file_of,
    news,
    out,
    own_directory,
    phase,
    plain,
    print_json,
    read_file,
    wanted_topology,
)
from commonwatt_network.errors import UsageError
from commonwatt_network.model.layout import default_directory

network_app = typer.Typer(no_args_is_help=True, help="Start, stop, show or delete a network.")


@network_app.command("up")
def network_up(
    topology: TopologyOption = None,
    communities: CommunitiesOption = None,
    homes: HomesOption = None,
    backend: BackendOption = None,
    directory: DirectoryOption = None,
    network: NetworkOption = None,
) -> None:
    """Start the network, or its parts that do not run, and return when a transaction works."""
    from commonwatt_network.up import up

    wanted = wanted_topology(topology or None, communities, homes)
    began = time.monotonic()
    result = asyncio.run(up(own_directory(directory, network, "network up"), wanted, backend or None, phase))
    nodes = result.nodes
    table = Table(box=None, pad_edge=False)
    for heading in ("channel", "organisations", "chaincode", "peers"):
        table.add_column(heading)
    for channel, settings in nodes.topology.channels.items():
        table.add_row(
            channel,
            ", ".join(settings.organizations),
            ", ".join(f"{name} {entry.version}" for name, entry in result.deployed[channel].items())
            or "none",
            ", ".join(f"{peer.name} {peer.address}" for peer in nodes.peers_of(channel)),
        )
    if not quiet():
        out.print(table)
    started = f"started {', '.join(result.started)}" if result.started else "everything was running already"
    news(
        f"[bold green]up[/] in {time.monotonic() - began:.1f} s ({result.backend_description}; {started})\n"
        f"clients connect with {nodes.layout.network_file}"
    )


@network_app.command("render")
def network_render(
    backend: Annotated[
        Literal["compose", "kubernetes"],
        typer.Option(envvar="COMMONWATT_BACKEND", help="What is to run the files."),
    ],
    out: Annotated[Path, typer.Option(help="The folder to write to.")],
    topology: TopologyOption = None,
    communities: CommunitiesOption = None,
    homes: HomesOption = None,
    directory: DirectoryOption = None,
) -> None:
    """Write Compose files or Kubernetes manifests, with keys, for you to apply yourself."""
    from commonwatt_network.render import render

    wanted = wanted_topology(topology or None, communities, homes)
    files = render(directory or default_directory(), wanted, backend, out)
    news(f"wrote {len(files)} files to {out}; private keys are among them")


@network_app.command("down")
def network_down(directory: DirectoryOption = None, network: NetworkOption = None) -> None:
    """Stop every process; ledgers and keys stay."""
    from commonwatt_network.down import down

    stopped = down(own_directory(directory, network, "network down"))
    news(f"stopped {', '.join(stopped)}; the ledgers stay" if stopped else "nothing was running")


@network_app.command("reset")
def network_reset(
    yes: Annotated[
        bool, typer.Option("--yes", help="Delete real Fabric's ledgers, and do not ask first.")
    ] = False,
    directory: DirectoryOption = None,
    network: NetworkOption = None,
) -> None:
    """Stop every process and delete the network's ledgers, keys and logs."""
    from commonwatt_network.down import precious, reset

    folder = own_directory(directory, network, "network reset")
    if not yes and (backend := precious(folder)):
        _confirm_deletion(folder, backend)
    stopped = reset(folder)
    news(f"stopped {', '.join(stopped)}" if stopped else "nothing was running")
    news(f"deleted {folder}")


def _confirm_deletion(folder: Path, backend: str) -> None:
    """Ask at the terminal. Raises UsageError where there is nobody to ask, or who says no."""
    what = f"the keys and ledgers of the {backend} network in {folder}"
    if not sys.stdin.isatty():
        raise UsageError(f"this deletes {what}; say so with --yes (make: YES=1)")
    if not typer.confirm(f"Delete {what}? Nothing brings them back"):
        raise UsageError(f"{what} stay; nothing was stopped or deleted")


@network_app.command("revoke")
def network_revoke(
    organization: Annotated[str, typer.Argument(help="The user's organisation.")],
    user: Annotated[str, typer.Argument(help="The user or home whose certificates end now.")],
    directory: DirectoryOption = None,
    network: NetworkOption = None,
) -> None:
    """Lock a user out of every channel, by its authority's revocation list."""
    from commonwatt_network.change.revocation import revoke_user

    channels = asyncio.run(
        revoke_user(own_directory(directory, network, "network revoke"), organization, user)
    )
    news(f"{user} of {organization} is revoked; refused on {', '.join(channels) or 'no channel'}")


@network_app.command("renew")
def network_renew(
    organization: Annotated[str, typer.Argument(help="The user's organisation.")],
    user: Annotated[str, typer.Argument(help="The user, home or administrator.")],
    new_key: Annotated[
        bool, typer.Option("--new-key", help="Make a new private key, and revoke every former certificate.")
    ] = False,
    directory: DirectoryOption = None,
    network: NetworkOption = None,
) -> None:
    """Renew a user's certificate now; `--new-key` replaces a lost key, too."""
    from commonwatt_network.change.renewals import renew_user

    folder = own_directory(directory, network, "network renew")
    channels = asyncio.run(renew_user(folder, organization, user, new_key=new_key))
    refused = f"; its former certificates are refused on {', '.join(channels)}" if channels else ""
    news(f"{user} of {organization} has a new {'key and ' if new_key else ''}certificate{refused}")


@network_app.command("trust")
def network_trust(
    organization: Annotated[str, typer.Argument(help="The organisation for which they issue.")],
    file: Annotated[
        Path, typer.Argument(help="The authorities' certificates (PEM): new ones, or one renewed.")
    ],
    directory: DirectoryOption = None,
    network: NetworkOption = None,
) -> None:
    """Let further authorities, or a renewed one, issue for an organisation. Do it before their first certificate."""
    from commonwatt_network.change.authorities import trust_authorities

    folder = own_directory(directory, network, "network trust")
    channels = asyncio.run(trust_authorities(folder, organization, read_file(file)))
    news(
        f"channels {', '.join(channels) or 'none'} know the authorities of {organization}; its nodes do from their "
        "next start on, for their own certificates and administrators'"
    )


@network_app.command("status")
def network_status(
    as_json: JsonOption = False,
    directory: DirectoryOption = None,
    network: NetworkOption = None,
) -> None:
    """Show every process, and every peer's height on each channel."""
    from commonwatt_network.connected.network import is_connected, read_connected
    from commonwatt_network.connected.status import connected_status
    from commonwatt_network.status import network_status as current

    file = network_file_of(directory, network)
    status = asyncio.run(
        connected_status(read_connected(file)) if is_connected(file) else current(file.parent)
    )
    if as_json:
        print_json(status.to_json())
        return
    table = Table(box=None, pad_edge=False)
    for heading in ("name", "kind", "state", "process", "address", "certificate"):
        table.add_column(heading, overflow="fold", no_wrap=heading in ("name", "address"))
    for node in status.processes:
        colour = "green" if node.state == "running" else "red"
        days = "" if node.certificate_days_left is None else f"{node.certificate_days_left} days left"
        table.add_row(
            escape(node.name),
            node.kind,
            f"[{colour}]{node.state}[/]",
            str(node.pid or ""),
            escape(node.address),
            days,
        )
    out.print(table)
    for channel, heights in status.channels.items():
        shown = ", ".join(f"{peer} {'?' if height is None else height}" for peer, height in heights.items())
        plain.print(f"channel {channel}: blocks {shown}")
    if status.no_quorum:
        out.print(f"[red]no quorum: {status.no_quorum}[/]; nothing is ordered until more of them run")
    for node in status.processes:
        if node.remedy:
            plain.print(f"{node.name} is {node.state}; {node.remedy}")
    memory = f", {status.memory_bytes / 1e6:.0f} MB" if status.memory_bytes else ""
    out.print(f"{status.backend} network {status.state}{memory}")


@network_app.command("logs")
def network_logs(
    node: Annotated[str | None, typer.Argument(help="A node or chaincode server; all without one.")] = None,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Show further lines as they come, until Ctrl-C.")
    ] = False,
    lines: Annotated[
        int,
        typer.Option("--lines", "-n", help="How many of each log's last lines to show.", min=0, max=100_000),
    ] = 20,
    directory: DirectoryOption = None,
    network: NetworkOption = None,
) -> None:
    """Show what the network's processes said last, also of a network that is stopped."""
    from commonwatt_network.logs import find_logs, merged

    found = find_logs(own_directory(directory, network, "network logs"), node, lines, follow=follow)
    width = max(map(len, found), default=0)

    async def show() -> None:
        async for name, line in merged(found, lines, follow=follow):
            typer.echo(line if len(found) == 1 else f"{name:{width}s} | {line}")

    try:
        asyncio.run(show())
    except KeyboardInterrupt:
        if not follow:
            raise


@network_app.command("samples-tree")
def network_samples_tree(
    folder: Annotated[
        Path, typer.Argument(help="Where `organizations` stands, such as fabric-samples/test-network.")
    ] = Path(),
    directory: DirectoryOption = None,
    network: NetworkOption = None,
) -> None:
    """Write certificates, keys and profiles where fabric-samples and tutorials look for them."""
    from commonwatt_network.backends.registry import nodes_of
    from commonwatt_network.errors import NoNetworkError
    from commonwatt_network.model.layout import Layout
    from commonwatt_network.model.state import read_state, require_first_start
    from commonwatt_network.samples_tree import write_tree

    layout = Layout(own_directory(directory, network, "network samples-tree"))
    state = read_state(layout)
    if state is None:
        raise NoNetworkError(layout.directory)
    require_first_start(layout)
    written = write_tree(nodes_of(layout, state), folder)
    news(f"wrote {written}; private keys are among them")


@network_app.command("monitoring")
def network_monitoring(
    out: Annotated[Path, typer.Option(help="The folder to write to.")],
    directory: DirectoryOption = None,
    network: NetworkOption = None,
) -> None:
    """Write Prometheus' configuration and a Grafana dashboard for the network."""
    from commonwatt_network.watch import monitoring as rendering
    from commonwatt_network.watch.subject import subject_of

    subject = subject_of(network_file_of(directory, network))
    files = rendering.render(subject)
    rendering.write(out, files)
    news(f"wrote {', '.join(files)} to {out}; the market's figures come from `commonwatt watch`")
    unknown = [node.name for node in subject.nodes if not node.metrics_address]
    if unknown:
        news(
            f"no operations address is known of {', '.join(unknown)}; Prometheus asks them once "
            "`commonwatt connect --operations NODE=HOST:PORT` has named it"
        )
