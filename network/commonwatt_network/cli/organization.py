# SPDX-License-Identifier: Apache-2.0
"""The verbs of one organisation on its own host: `commonwatt org init`, `export`, `start`, `join` and so on."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

import typer
from commonwatt_client.command_line import JsonOption

from commonwatt_network.cli.options import (
    OrganizationDirectoryOption,
    TransientOption,
    plain,
    plain_news,
    print_json,
    read_file,
    transient_data,
)
from commonwatt_network.errors import UsageError
from commonwatt_network.model.layout import default_directory

ChannelArgument = Annotated[str, typer.Argument(help="The channel's name.")]
UserOption = Annotated[str, typer.Option(help="One of the organisation's users.")]
TransactionArgument = Annotated[str, typer.Argument(help="A transaction of the contract.")]
JsonArgument = Annotated[str, typer.Argument(help="Its argument, a JSON object.")]
PassphraseOption = Annotated[
    Path | None, typer.Option(help="A file that holds the passphrase; default: the command asks for it.")
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
    plain_news(f"{host.name} ({host.mspid}) is ready: {nodes}; its keys stay in {host.layout.directory}")


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
    plain_news(f"{bundle.name}'s bundle is in {target}; fingerprint {bundle.fingerprint}")


@org_app.command("render")
def org_render(
    backend: Annotated[
        Literal["compose", "kubernetes", "helm"],
        typer.Option(
            help="What to render: compose (this machine), kubernetes (manifests) or helm (a chart)."
        ),
    ],
    out: Annotated[Path, typer.Option(help="The folder to write to.")],
    values: Annotated[
        Path | None,
        typer.Option(help="For kubernetes: storage, resources, tolerations and the rest, as YAML."),
    ] = None,
    namespace: Annotated[
        str | None, typer.Option(help="For kubernetes: the namespace; default: the organisation's name.")
    ] = None,
    directory: OrganizationDirectoryOption = None,
) -> None:
    """Write what the organisation runs in containers: its own nodes with its own keys, and nothing of the others."""
    from commonwatt_network.consortium.host import open_host
    from commonwatt_network.consortium.rendered import note_images
    from commonwatt_network.consortium.rendering import render_host

    folder = directory or default_directory()
    former = open_host(folder)
    files = render_host(folder, backend, out, values, namespace)
    plain_news(f"wrote {len(files)} files to {out}; the organisation's private keys are among them")
    host = open_host(folder)
    if host.description.backend != former.description.backend:
        plain_news(
            f"{host.name}'s nodes are in containers ({host.description.backend}) from now on: start and stop them "
            "there, `org start` and `org stop` refuse"
        )
    changes = note_images(host, values)
    for line in changes.news:
        plain_news(line)
    if changes.warning:
        typer.echo(f"warning: {changes.warning}", err=True)


@org_app.command("start")
def org_start(directory: OrganizationDirectoryOption = None) -> None:
    """Start the organisation's orderers, peers and chaincode on this host, or those that do not run."""
    from commonwatt_network.consortium.host import open_host, start_host

    host = open_host(directory or default_directory())
    started = asyncio.run(start_host(host))
    plain_news(f"started {', '.join(started)}" if started else "everything was running already")


@org_app.command("stop")
def org_stop(directory: OrganizationDirectoryOption = None) -> None:
    """Stop the organisation's processes; ledgers and keys stay."""
    from commonwatt_network.consortium.host import open_host, refuse_containers
    from commonwatt_network.consortium.units import refuse_under_systemd
    from commonwatt_network.down import down

    host = open_host(directory or default_directory())
    refuse_under_systemd(host)
    stopped = down(host.layout.directory)
    if not stopped:
        refuse_containers(host)
    plain_news(f"stopped {', '.join(stopped)}; the ledgers stay" if stopped else "nothing was running")


@org_app.command("join")
def org_join(
    block: Annotated[Path, typer.Argument(help="The channel's block, as `consortium create` wrote it.")],
    newest: Annotated[
        Path | None,
        typer.Option(
            help="For a member that came later: the block that took it in, as `consortium submit` wrote it."
        ),
    ] = None,
    directory: OrganizationDirectoryOption = None,
) -> None:
    """Join the channel with the organisation's own orderers and peers."""
    from commonwatt_network.consortium.host import open_host
    from commonwatt_network.consortium.membership import join, silent_orderers

    async def run() -> None:
        host = open_host(directory or default_directory())
        later = read_file(newest) if newest else None
        config = await join(host, read_file(block), plain_news, later)
        silent = await silent_orderers(config)
        if silent:
            plain_news(f"not there yet: orderers of {', '.join(silent)}")

    asyncio.run(run())


@org_app.command("install")
def org_install(directory: OrganizationDirectoryOption = None) -> None:
    """Install the organisation's chaincode package on its peers."""
    from commonwatt_network.consortium.host import open_host
    from commonwatt_network.consortium.membership import install

    asyncio.run(install(open_host(directory or default_directory()), plain_news))


@org_app.command("approve")
def org_approve(
    channel: ChannelArgument,
    wait: Annotated[float, typer.Option(help="Seconds to wait for other organisations.")] = 30.0,
    directory: OrganizationDirectoryOption = None,
) -> None:
    """Approve the chaincode for this organisation; the member that completes the approvals puts it into force."""
    from commonwatt_network.consortium.host import open_host
    from commonwatt_network.consortium.membership import approve

    asyncio.run(approve(open_host(directory or default_directory()), channel, wait, plain_news))


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
    """Ask the organisation's own peer, and print the answer; write nothing."""
    _transact(directory, channel, transaction, argument, user, {}, submit=False)


@org_app.command("status")
def org_status(
    as_json: JsonOption = False,
    directory: OrganizationDirectoryOption = None,
) -> None:
    """Show this organisation's processes and channels, and the members that it waits for."""
    from commonwatt_network.consortium.host import open_host
    from commonwatt_network.consortium.standing import describe_standing, host_standing

    standing = asyncio.run(host_standing(open_host(directory or default_directory())))
    if as_json:
        print_json(standing)
        return
    for line in describe_standing(standing):
        plain.print(line)


@org_app.command("change")
def org_change(
    file: Annotated[Path, typer.Argument(help="The organisation's YAML file as it is to be.")],
    directory: OrganizationDirectoryOption = None,
) -> None:
    """Let nodes come, go or move: further orderers or peers come, the last ones go, an address changes."""
    from commonwatt_network.consortium.moving import change_host
    from commonwatt_network.consortium.organization import load_description

    folder = directory or default_directory()
    host = asyncio.run(change_host(load_description(file), folder, plain_news))
    plain_news(
        f"{host.name} has {len(host.orderers)} orderers and {len(host.peers)} peers; go on with `commonwatt org start` "
        f"and `org export`, let the members do `commonwatt consortium agree {host.name}`, then `org announce`"
    )


@org_app.command("announce")
def org_announce(directory: OrganizationDirectoryOption = None) -> None:
    """Tell the channels where the organisation's nodes are, and end those that it has no longer."""
    from commonwatt_network.consortium.host import open_host
    from commonwatt_network.consortium.moving import announce

    asyncio.run(announce(open_host(directory or default_directory()), plain_news))


@org_app.command("renew")
def org_renew(
    before_days: Annotated[
        int | None,
        typer.Option(
            help="Those that expire within so many days; default: 30, or a third of their validity.", min=0
        ),
    ] = None,
    directory: OrganizationDirectoryOption = None,
) -> None:
    """Renew certificates that expire soon, with the keys they have; restart one node after the other."""
    from commonwatt_network.consortium.host import open_host
    from commonwatt_network.consortium.renewal import renew

    renewed = asyncio.run(renew(open_host(directory or default_directory()), plain_news, before_days))
    if not renewed:
        plain_news("no certificate expires soon")


@org_app.command("upgrade")
def org_upgrade(
    wait: Annotated[
        float, typer.Option(help="Seconds to wait for the other organisations' approval.")
    ] = 30.0,
    directory: OrganizationDirectoryOption = None,
) -> None:
    """Turn to the chaincode version of organization.yaml, once enough organisations approve. Exit code 1: not yet."""
    from commonwatt_network.consortium.host import open_host
    from commonwatt_network.consortium.upgrade import upgrade

    if not asyncio.run(upgrade(open_host(directory or default_directory()), wait, plain_news)):
        raise typer.Exit(1)


@org_app.command("request")
def org_request(
    out: Annotated[Path, typer.Option(help="The folder for the requests.")],
    before_days: Annotated[
        int | None,
        typer.Option(help="Only for certificates that expire within so many days; default: for all.", min=0),
    ] = None,
    directory: OrganizationDirectoryOption = None,
) -> None:
    """Write certificate requests (PKCS #10) for an authority whose key is elsewhere; no key leaves the host."""
    from commonwatt_network.consortium.certification import write_requests
    from commonwatt_network.consortium.host import open_host

    written = write_requests(open_host(directory or default_directory()), out, before_days)
    plain_news(f"wrote {len(written)} requests to {out}")


@org_app.command("enrol")
def org_enrol(
    kind: Annotated[
        Literal["enrolment", "tls"], typer.Argument(help="Which certificates: for identities, or for TLS.")
    ],
    url: Annotated[str, typer.Argument(help="The Fabric CA server that issues them: https://host:port.")],
    out: Annotated[Path, typer.Option(help="The folder for the certificates.")],
    secret_file: Annotated[Path, typer.Option(help="A file that holds the registrar's secret.")],
    registrar: Annotated[str, typer.Option(help="The identity that registers others there.")] = "registrar",
    trust: Annotated[
        Path | None, typer.Option(help="The authority of the server's own TLS certificate: PEM.")
    ] = None,
    before_days: Annotated[
        int | None,
        typer.Option(help="Only those that expire within so many days; default: all.", min=0),
    ] = None,
    directory: OrganizationDirectoryOption = None,
) -> None:
    """Ask a Fabric CA server for certificates for the keys on this host; `org certify` takes them in."""
    from commonwatt_network.consortium.enrolment import Server, enrol
    from commonwatt_network.consortium.host import open_host

    host = open_host(directory or default_directory())
    secret = read_file(secret_file).decode().strip()
    server = Server(url, registrar, secret, read_file(trust) if trust else None)
    written = asyncio.run(enrol(host, kind, server, out, before_days))
    plain_news(f"{url} issued {len(written)} certificates; take them in with `commonwatt org certify {out}`")


@org_app.command("certify")
def org_certify(
    folder: Annotated[Path, typer.Argument(help="The certificates: KIND/NAME.pem for KIND/NAME.csr.")],
    authority: Annotated[
        Path | None,
        typer.Option(
            help="Another authority for identities, and those above it, before the first channel: PEM."
        ),
    ] = None,
    tls_authority: Annotated[
        Path | None, typer.Option(help="Another authority for TLS, and those above it: PEM.")
    ] = None,
    directory: OrganizationDirectoryOption = None,
) -> None:
    """Take in certificates that an authority elsewhere has issued; each is looked at before any is replaced."""
    from commonwatt_network.consortium.certification import take_in
    from commonwatt_network.consortium.host import open_host

    host = open_host(directory or default_directory())
    names = take_in(host, folder, authority, tls_authority)
    plain_news(
        f"took in certificates of {', '.join(names)}; restart the nodes among them (`org stop`, `org start`)"
    )


@org_app.command("authorities")
def org_authorities(
    authority: Annotated[
        Path | None,
        typer.Option(
            help="The authority for identities from now on, and those above it up to the root: PEM."
        ),
    ] = None,
    tls_authority: Annotated[
        Path | None, typer.Option(help="The authority for TLS from now on, and those above it: PEM.")
    ] = None,
    drop_former: Annotated[
        bool,
        typer.Option(
            "--drop-former", help="Let certificates of those before the present ones count no longer."
        ),
    ] = False,
    directory: OrganizationDirectoryOption = None,
) -> None:
    """Renew the organisation's certificate authorities, or let others issue; certificates of the former ones go on."""
    from commonwatt_network.consortium import authorities
    from commonwatt_network.consortium.host import open_host

    host = open_host(directory or default_directory())
    if drop_former:
        if authority or tls_authority:
            raise UsageError("name new authorities, or drop the former ones: one after the other")
        asyncio.run(authorities.drop_former(host, plain_news))
        return
    asyncio.run(authorities.renew_authorities(host, authority, tls_authority, plain_news))
    plain_news(
        "go on with `commonwatt org export`; certificates of the former authorities count until `org authorities "
        "--drop-former`"
    )


@org_app.command("revoke")
def org_revoke(
    user: Annotated[str, typer.Argument(help="One of the organisation's users or homes.")],
    directory: OrganizationDirectoryOption = None,
) -> None:
    """Lock a user out for good, on every channel: no certificate that it ever had counts any more."""
    from commonwatt_network.consortium.host import open_host
    from commonwatt_network.consortium.revocation import revoke

    asyncio.run(revoke(open_host(directory or default_directory()), user, plain_news))


@org_app.command("units")
def org_units(
    out: Annotated[Path, typer.Option(help="The folder to write the units to.")],
    user: Annotated[
        str | None, typer.Option(help="Who runs the nodes; default: the owner of the organisation's folder.")
    ] = None,
    directory: OrganizationDirectoryOption = None,
) -> None:
    """Write systemd units: one for each program, started again after a kill or a reboot; a timer that renews."""
    from commonwatt_network.consortium.host import open_host
    from commonwatt_network.consortium.units import write_units

    written = write_units(open_host(directory or default_directory()), out, user)
    plain_news(f"wrote {', '.join(path.name for path in written)} to {out}; see docs/organisations.md")


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
    plain_news(f"{host.name} is in {backup.path} ({backup.size_bytes / 1e6:.1f} MB), encrypted")


@org_app.command("restore")
def org_restore(
    file: Annotated[Path, typer.Argument(help="The backup.")],
    passphrase_file: PassphraseOption = None,
    keep_logs: Annotated[
        bool,
        typer.Option(
            "--keep-logs",
            help="Only where one or two orderers order in all: no others could readmit this one.",
        ),
    ] = False,
    directory: OrganizationDirectoryOption = None,
) -> None:
    """Bring an organisation back from its backup, onto a host that has nothing of it.

    Its orderers wait until the other members have readmitted them.
    """
    from commonwatt_network.consortium.backup import restore

    host = restore(file, directory or default_directory(), _passphrase(passphrase_file), keep_logs=keep_logs)
    plain_news(
        f"{host.name} ({host.mspid}) is back in {host.layout.directory}; go on with `commonwatt org start`"
    )
    if host.waiting_orderers:
        names = ", ".join(orderer.name for orderer in host.waiting_orderers)
        plain_news(
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
