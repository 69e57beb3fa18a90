# SPDX-License-Identifier: Apache-2.0
"""The verbs of one organisation on its own host: `commonwatt org init`, `export`, `start`, `join` and so on."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from commonwatt_network.cli.options import (
    OrganizationDirectoryOption,
    TransientOption,
    read_file,
    transient_data,
)
from commonwatt_network.cli.options import plain as out
from commonwatt_network.model.layout import default_directory

ChannelArgument = Annotated[str, typer.Argument(help="The channel's name.")]
UserOption = Annotated[str, typer.Option(help="One of the organisation's users.")]
TransactionArgument = Annotated[str, typer.Argument(help="A transaction of the contract.")]
JsonArgument = Annotated[str, typer.Argument(help="Its argument, a JSON object.")]
PassphraseOption = Annotated[
    Path | None, typer.Option(help="A file that holds the passphrase; default: it is asked for.")
]
org_app = typer.Typer(no_args_is_help=True, help="Run one organisation of a consortium on its own host.")


@org_app.command("init")
def org_init(
    file: Annotated[Path, typer.Argument(help="The organisation's YAML file.")],
    directory: OrganizationDirectoryOption = None,
) -> None:
    """Make the organisation's certificate authorities, keys and certificates on this host."""
    from commonwatt_network.consortium.host import init_host
    from commonwatt_network.consortium.organization import load_description

    host = init_host(load_description(file), directory or default_directory())
    nodes = ", ".join(f"{node.name} at {node.address}" for node in host.fabric_nodes)
    out.print(f"{host.name} ({host.mspid}) is ready: {nodes}; its keys stay in {host.layout.directory}")


@org_app.command("export")
def org_export(
    file: Annotated[
        Path, typer.Argument(help="Where the bundle goes: a .json file, or a folder for NAME.json.")
    ],
    directory: OrganizationDirectoryOption = None,
) -> None:
    """Write the public bundle for the other organisations: certificates and addresses, nothing secret."""
    from commonwatt_network.consortium.bundle import own_bundle, write_bundle
    from commonwatt_network.consortium.host import open_host

    bundle = own_bundle(open_host(directory or default_directory()))
    target = write_bundle(bundle, file)
    out.print(f"{bundle.name}'s bundle is in {target}; fingerprint {bundle.fingerprint}")


@org_app.command("start")
def org_start(directory: OrganizationDirectoryOption = None) -> None:
    """Start the organisation's orderers, peers and chaincode on this host, or whatever of them is not running."""
    from commonwatt_network.consortium.host import open_host, start_host

    host = open_host(directory or default_directory())
    started = asyncio.run(start_host(host))
    out.print(f"started {', '.join(started)}" if started else "everything was running already")


@org_app.command("stop")
def org_stop(directory: OrganizationDirectoryOption = None) -> None:
    """Stop the organisation's processes; ledgers and keys stay."""
    from commonwatt_network.consortium.host import open_host
    from commonwatt_network.down import down

    stopped = down(open_host(directory or default_directory()).layout.directory)
    out.print(f"stopped {', '.join(stopped)}; the ledgers stay" if stopped else "nothing was running")


@org_app.command("join")
def org_join(
    block: Annotated[Path, typer.Argument(help="The channel's block, as `consortium create` wrote it.")],
    newest: Annotated[
        Path | None,
        typer.Option(help="For who came later: the block that took it in, as `consortium submit` wrote it."),
    ] = None,
    directory: OrganizationDirectoryOption = None,
) -> None:
    """Join the channel with the organisation's own orderers and peers."""
    from commonwatt_network.consortium.host import open_host
    from commonwatt_network.consortium.membership import join, silent_orderers

    async def run() -> None:
        host = open_host(directory or default_directory())
        later = read_file(newest) if newest else None
        config = await join(host, read_file(block), out.print, later)
        silent = await silent_orderers(config)
        if silent:
            out.print(f"not there yet: orderers of {', '.join(silent)}")

    asyncio.run(run())


@org_app.command("install")
def org_install(directory: OrganizationDirectoryOption = None) -> None:
    """Install the organisation's chaincode package on its peers."""
    from commonwatt_network.consortium.host import open_host
    from commonwatt_network.consortium.membership import install

    asyncio.run(install(open_host(directory or default_directory()), out.print))


@org_app.command("approve")
def org_approve(
    channel: ChannelArgument,
    wait: Annotated[float, typer.Option(help="Seconds to wait for other organisations.")] = 30.0,
    directory: OrganizationDirectoryOption = None,
) -> None:
    """Approve the chaincode for this organisation; whoever completes the approvals puts it into force."""
    from commonwatt_network.consortium.host import open_host
    from commonwatt_network.consortium.membership import approve

    asyncio.run(approve(open_host(directory or default_directory()), channel, wait, out.print))


@org_app.command("submit")
def org_submit(
    channel: ChannelArgument,
    transaction: TransactionArgument,
    argument: JsonArgument = "{}",
    user: UserOption = "operator",
    transient: TransientOption = None,
    directory: OrganizationDirectoryOption = None,
) -> None:
    """Submit a transaction as one of the organisation's users, and print its result once it is committed."""
    private = transient_data(transient or ())
    _transact(directory, channel, transaction, argument, user, private, submit=True)


@org_app.command("evaluate")
def org_evaluate(
    channel: ChannelArgument,
    transaction: TransactionArgument,
    argument: JsonArgument = "{}",
    user: UserOption = "operator",
    directory: OrganizationDirectoryOption = None,
) -> None:
    """Ask the organisation's own peer, and print the answer; nothing is written."""
    _transact(directory, channel, transaction, argument, user, {}, submit=False)


@org_app.command("status")
def org_status(
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, for programs.")] = False,
    directory: OrganizationDirectoryOption = None,
) -> None:
    """Show this organisation's processes and channels, and who is waited for."""
    from commonwatt_network.consortium.host import open_host
    from commonwatt_network.consortium.standing import describe_standing, host_standing

    standing = asyncio.run(host_standing(open_host(directory or default_directory())))
    if as_json:
        typer.echo(json.dumps(standing, indent=2))
        return
    for line in describe_standing(standing):
        out.print(line)


@org_app.command("backup")
def org_backup(
    file: Annotated[Path, typer.Argument(help="Where the backup goes.")],
    passphrase_file: PassphraseOption = None,
    directory: OrganizationDirectoryOption = None,
) -> None:
    """Write the organisation's keys and ledgers to one file, encrypted with a passphrase. Stop it first."""
    from commonwatt_network.consortium.backup import back_up
    from commonwatt_network.consortium.host import open_host

    host = open_host(directory or default_directory())
    backup = back_up(host, file, _passphrase(passphrase_file, confirm=True))
    out.print(f"{host.name} is in {backup.path} ({backup.size_bytes / 1e6:.1f} MB), encrypted")


@org_app.command("restore")
def org_restore(
    file: Annotated[Path, typer.Argument(help="The backup.")],
    passphrase_file: PassphraseOption = None,
    keep_logs: Annotated[
        bool,
        typer.Option(
            "--keep-logs", help="One or two orderers order in all: no others could readmit this one."
        ),
    ] = False,
    directory: OrganizationDirectoryOption = None,
) -> None:
    """Bring an organisation back from its backup, onto a host that has nothing of it.

    Its orderers wait until the other members have readmitted them.
    """
    from commonwatt_network.consortium.backup import restore

    host = restore(file, directory or default_directory(), _passphrase(passphrase_file), keep_logs=keep_logs)
    out.print(
        f"{host.name} ({host.mspid}) is back in {host.layout.directory}; go on with `commonwatt org start`"
    )
    if host.waiting_orderers:
        names = ", ".join(orderer.name for orderer in host.waiting_orderers)
        out.print(
            f"{names} waits to be readmitted, with a new certificate: pass on the bundle with `commonwatt org export`, "
            f"and let the other members do `commonwatt consortium readmit {host.name}`"
        )


def _passphrase(file: Path | None, *, confirm: bool = False) -> str:
    if file is not None:
        return read_file(file).decode(errors="replace").strip()
    return str(typer.prompt("passphrase", hide_input=True, confirmation_prompt=confirm))


def _transact(
    directory: Path | None,
    channel: str,
    transaction: str,
    argument: str,
    user: str,
    transient: Mapping[str, bytes],
    *,
    submit: bool,
) -> None:
    from commonwatt_client import connect_network_file

    from commonwatt_network.consortium.host import open_host
    from commonwatt_network.consortium.membership import own_config
    from commonwatt_network.model.forward_market import FORWARD

    host = open_host(directory or default_directory())
    by: list[str] = []
    if transient and host.description.chaincode.market == FORWARD:
        members = own_config(host, channel).application_organizations.values()
        by = [member.mspid for member in members]

    async def run() -> bytes:
        async with connect_network_file(host.layout.network_file, host.name, user) as gateway:
            contract = gateway.get_network(channel).get_contract(host.description.chaincode.name)
            if submit:
                outcome = await contract.submit(
                    transaction,
                    arguments=[argument],
                    transient=transient,
                    endorsing_organizations=by,
                    retry=True,
                )
                return outcome.result
            return await contract.evaluate(transaction, arguments=[argument], retry=True)

    typer.echo(asyncio.run(run()).decode())
