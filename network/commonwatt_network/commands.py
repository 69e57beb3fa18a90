"""The network's verbs: network up, down, status, reset, revoke, renew; topology; doctor; fabric."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from commonwatt_network import consortium_commands, explain_command, org_commands
from commonwatt_network.errors import UsageError
from commonwatt_network.layout import default_directory
from commonwatt_network.watch.command import monitoring, watch

if TYPE_CHECKING:
    from commonwatt_network.topology import Topology

DirectoryOption = Annotated[
    Path | None,
    typer.Option(
        "--directory", envvar="COMMONWATT_DIRECTORY", help="The network's folder; default: .commonwatt here."
    ),
]
out = Console(highlight=False, soft_wrap=True)

network_app = typer.Typer(no_args_is_help=True, help="Start, stop, show or delete a network.")
topology_app = typer.Typer(no_args_is_help=True, help="Show and check topologies.")


def register(app: typer.Typer) -> None:
    """Add the network's verbs to `app`."""
    app.add_typer(network_app, name="network")
    app.add_typer(topology_app, name="topology")
    app.command("doctor")(doctor)
    app.command("fabric")(fabric)
    explain_command.register(app)
    app.command("watch")(watch)
    network_app.command("monitoring")(monitoring)
    org_commands.register(app)
    consortium_commands.register(app)
    from commonwatt_network.change import commands as change_commands  # which uses this module's options

    change_commands.register(app, network_app, topology_app)


@network_app.command("up")
def network_up(
    topology: Annotated[
        str | None, typer.Option(envvar="TOPOLOGY", help="A YAML file, or a sample by its name.")
    ] = None,
    communities: Annotated[
        int | None, typer.Option(envvar="COMMUNITIES", help="Communities of the default topology.")
    ] = None,
    homes: Annotated[
        int | None, typer.Option(envvar="HOMES", help="Homes per community of the default topology.")
    ] = None,
    backend: Annotated[
        str | None, typer.Option(envvar="NETWORK", help="embedded (default), native, compose or kubernetes.")
    ] = None,
    directory: DirectoryOption = None,
) -> None:
    """Start the network, or whatever of it is not running, and return when a transaction works."""
    from commonwatt_network.up import up

    wanted = wanted_topology(topology or None, communities, homes)
    began = time.monotonic()
    result = asyncio.run(up(directory or default_directory(), wanted, backend or None, phase))
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
    out.print(table)
    started = f"started {', '.join(result.started)}" if result.started else "everything was running already"
    out.print(
        f"[bold green]up[/] in {time.monotonic() - began:.1f} s ({result.backend_description}; {started})\n"
        f"clients connect with {nodes.layout.network_file}"
    )


@network_app.command("render")
def network_render(
    backend: Annotated[str, typer.Option(envvar="NETWORK", help="compose or kubernetes.")],
    output: Annotated[Path, typer.Option(help="The folder to write to.")],
    topology: Annotated[
        str | None, typer.Option(envvar="TOPOLOGY", help="A YAML file, or a sample by its name.")
    ] = None,
    communities: Annotated[
        int | None, typer.Option(envvar="COMMUNITIES", help="Communities of the default topology.")
    ] = None,
    homes: Annotated[
        int | None, typer.Option(envvar="HOMES", help="Homes per community of the default topology.")
    ] = None,
    directory: DirectoryOption = None,
) -> None:
    """Write Compose files or Kubernetes manifests, with keys, for those who apply them themselves."""
    from commonwatt_network.render import render

    wanted = wanted_topology(topology or None, communities, homes)
    files = render(directory or default_directory(), wanted, backend, output)
    out.print(f"wrote {len(files)} files to {output}; private keys are among them")


@network_app.command("down")
def network_down(directory: DirectoryOption = None) -> None:
    """Stop every process; ledgers and keys stay."""
    from commonwatt_network.down import down

    stopped = down(directory or default_directory())
    out.print(f"stopped {', '.join(stopped)}; the ledgers stay" if stopped else "nothing was running")


@network_app.command("reset")
def network_reset(directory: DirectoryOption = None) -> None:
    """Stop every process and delete the network's ledgers, keys and logs."""
    from commonwatt_network.down import reset

    folder = directory or default_directory()
    stopped = reset(folder)
    out.print(f"stopped {', '.join(stopped)}" if stopped else "nothing was running")
    out.print(f"deleted {folder}")


@network_app.command("revoke")
def network_revoke(
    organization: Annotated[str, typer.Argument(help="The user's organisation.")],
    user: Annotated[str, typer.Argument(help="The user or home whose certificates end now.")],
    directory: DirectoryOption = None,
) -> None:
    """Lock a user out of every channel, by its authority's revocation list."""
    from commonwatt_network.revocation import revoke_user

    channels = asyncio.run(revoke_user(directory or default_directory(), organization, user))
    out.print(f"{user} of {organization} is revoked; refused on {', '.join(channels) or 'no channel'}")


@network_app.command("renew")
def network_renew(
    organization: Annotated[str, typer.Argument(help="The user's organisation.")],
    user: Annotated[str, typer.Argument(help="The user, home or administrator.")],
    new_key: Annotated[
        bool, typer.Option("--new-key", help="With a new private key; every former certificate is revoked.")
    ] = False,
    directory: DirectoryOption = None,
) -> None:
    """Renew a user's certificate now; where its key was lost, with a new one."""
    from commonwatt_network.change.renewals import renew_user

    folder = directory or default_directory()
    channels = asyncio.run(renew_user(folder, organization, user, new_key=new_key))
    refused = f"; its former certificates are refused on {', '.join(channels)}" if channels else ""
    out.print(f"{user} of {organization} has a new {'key and ' if new_key else ''}certificate{refused}")


@network_app.command("status")
def network_status(
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, for programs.")] = False,
    directory: DirectoryOption = None,
) -> None:
    """Show every process, and every peer's height on each channel."""
    from commonwatt_network.status import network_status as current

    status = asyncio.run(current(directory or default_directory()))
    if as_json:
        typer.echo(json.dumps(status.to_json(), indent=2))
        return
    table = Table(box=None, pad_edge=False)
    for heading in ("name", "kind", "state", "process", "address", "certificate"):
        table.add_column(heading)
    for node in status.processes:
        colour = "green" if node.state == "running" else "red"
        days = "" if node.certificate_days_left is None else f"{node.certificate_days_left} days left"
        table.add_row(
            node.name, node.kind, f"[{colour}]{node.state}[/]", str(node.pid or ""), node.address, days
        )
    out.print(table)
    for channel, heights in status.channels.items():
        shown = ", ".join(f"{peer} {'?' if height is None else height}" for peer, height in heights.items())
        out.print(f"channel {channel}: blocks {shown}")
    if status.no_quorum:
        out.print(f"[red]no quorum: {status.no_quorum}[/]; nothing is ordered until more of them run")
    for node in status.processes:
        if node.state == "suspended":
            out.print(f"{node.name} is suspended; let it go on with `kill -CONT {node.pid}`")
    out.print(f"{status.backend} network {status.state}, {status.memory_bytes / 1e6:.0f} MB")


@topology_app.command("schema")
def topology_schema() -> None:
    """Print the JSON Schema of topology files."""
    from commonwatt_network.topology import json_schema

    typer.echo(json.dumps(json_schema(), indent=2))


@topology_app.command("check")
def topology_check(
    file: Annotated[str, typer.Argument(help="A YAML file, or a sample by its name.")],
) -> None:
    """Check a topology file."""
    from commonwatt_network.topology import load_topology

    topology = load_topology(file)
    out.print(
        f"{file}: {len(topology.organizations)} organisations, {len(topology.channels)} channels: correct"
    )


@topology_app.command("samples")
def topology_samples(name: Annotated[str | None, typer.Argument(help="Print this one.")] = None) -> None:
    """List the sample topologies, or print one."""
    from commonwatt_network.topology import sample_topologies

    samples = sample_topologies()
    if name is None:
        for sample, text in samples.items():
            out.print(f"{sample}: {text.splitlines()[0].lstrip('# ')}")
    elif name in samples:
        typer.echo(samples[name], nl=False)
    else:
        raise UsageError(f"no sample {name}; there are: {', '.join(samples)}")


def doctor(
    directory: DirectoryOption = None,
    deep: Annotated[
        bool,
        typer.Option(help="Check every byte of the embedded network's ledgers too; it may run meanwhile."),
    ] = False,
) -> None:
    """Say what this machine can run and what is missing, one line each with the fix."""
    from commonwatt_network.doctor import examine, examine_ledgers

    folder = (directory or default_directory()).absolute()
    findings = [*examine(folder), *(examine_ledgers(folder) if deep else ())]
    for finding in findings:
        mark = "[green]✓[/]" if finding.good else "[red]✗[/]" if finding.needed else "[yellow]-[/]"
        out.print(f"{mark} {finding.what:18s} {escape(finding.says)}")
    if any(finding.needed and not finding.good for finding in findings):
        raise typer.Exit(1)


def fabric(
    version: Annotated[str, typer.Option(envvar="FABRIC_VERSION", help="The release to install.")] = "",
    mirror: Annotated[
        str, typer.Option(envvar="FABRIC_MIRROR", help="A mirror of the project's releases: its URL.")
    ] = "",
    archive: Annotated[
        str, typer.Option(envvar="FABRIC_ARCHIVE", help="The archive itself: a file or a URL.")
    ] = "",
    sha256: Annotated[
        str, typer.Option(envvar="FABRIC_SHA256", help="Its SHA-256; default: the one published with it.")
    ] = "",
    directory: DirectoryOption = None,
) -> None:
    """Download Hyperledger Fabric's programs for this machine, check and unpack them."""
    from rich.progress import DownloadColumn, Progress

    from commonwatt_network.fabric_archive import VERSION, Source, install_fabric, release_source

    digest = sha256 or None
    source = (
        Source(archive, digest) if archive else release_source(version or VERSION, mirror or None, digest)
    )
    with Progress(*Progress.get_default_columns(), DownloadColumn(), console=out, transient=True) as bar:
        task = bar.add_task("Fabric", total=None)

        def show(done: int, total: int | None) -> None:
            bar.update(task, completed=done, total=total)

        programs = asyncio.run(install_fabric((directory or default_directory()).absolute(), source, show))
    out.print(
        f"Hyperledger Fabric {programs.version_text} is in {programs.peer.parent}; use it with NETWORK=native"
    )


def wanted_topology(source: str | None, communities: int | None, homes: int | None) -> Topology | None:
    """The topology that options ask for; None when they leave it open."""
    from commonwatt_network.topology import default_topology, load_topology

    if source is not None and (communities is not None or homes is not None):
        raise UsageError(
            "COMMUNITIES and HOMES shape the default topology; with TOPOLOGY, write them in its file"
        )
    if source is not None:
        return load_topology(source)
    if communities is None and homes is None:
        return None
    return default_topology(1 if communities is None else communities, 60 if homes is None else homes)


@contextmanager
def phase(name: str) -> Iterator[None]:
    """Show a phase while it runs, and its time when it is done."""
    began = time.monotonic()
    with out.status(f"{name} ..."):
        yield
    out.print(f"[green]✓[/] {name:24s} {time.monotonic() - began:5.1f} s")
