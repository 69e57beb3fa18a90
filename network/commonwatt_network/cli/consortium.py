# SPDX-License-Identifier: Apache-2.0
"""The verbs that a consortium shares: making its channel, reading it before joining, and taking in one more."""

from __future__ import annotations

import asyncio
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from commonwatt_network.cli.options import OrganizationDirectoryOption, plain, plain_news, read_file
from commonwatt_network.errors import UsageError
from commonwatt_network.model.layout import PUBLIC_FILE, default_directory, write_atomically

if TYPE_CHECKING:
    from commonwatt_network.consortium.bundle import Bundle

consortium_app = typer.Typer(no_args_is_help=True, help="Make and review a consortium's channel.")


@consortium_app.command("create")
def consortium_create(
    channel: Annotated[str, typer.Argument(help="The channel's name.")],
    bundles: Annotated[list[Path], typer.Argument(help="Every organisation's bundle.")],
    out: Annotated[Path, typer.Option(help="Where the channel's block goes.")],
    endorsement: Annotated[
        Literal["all", "majority", "any"], typer.Option(help="Whose peers must endorse a transaction.")
    ] = "all",
    readers: Annotated[
        Literal["operators", "members"],
        typer.Option(
            help="Who reads its blocks: operators (and administrators and nodes), or members, all of them."
        ),
    ] = "operators",
) -> None:
    """Make the channel's first block from the organisations' public bundles."""
    from commonwatt_network.consortium.bundle import read_bundle
    from commonwatt_network.consortium.genesis import consortium_block, same_configuration
    from commonwatt_network.consortium.review import review_block

    read = [read_bundle(path) for path in bundles]
    block = consortium_block(channel, read, endorsement, readers=readers)
    if out.exists():
        kept = read_file(out)
        review_block(kept)
        if not same_configuration(kept, block):
            raise UsageError(f"{out} holds another channel's block; nothing was written: name another file")
        block = kept
    else:
        write_atomically(out, block, PUBLIC_FILE)
    for bundle in read:
        plain_news(f"{bundle.name} ({bundle.mspid}): bundle {bundle.fingerprint}")
    plain_news(f"channel {channel} is in {out}; fingerprint {review_block(block).fingerprint}")


@consortium_app.command("show")
def consortium_show(
    file: Annotated[Path, typer.Argument(help="The channel's block, or an update of a running channel.")],
    directory: OrganizationDirectoryOption = None,
) -> None:
    """Say in words who is in the channel, which policies decide, or what an update changes, and what is wrong.

    Exit code 1: the command found a mistake.
    """
    from commonwatt_network.consortium.update import channel_of

    content = read_file(file)
    mistakes = _show_update(file, content, directory) if channel_of(content) else _show_block(content)
    for mistake in mistakes:
        plain.print(f"mistake: {mistake}")
    if mistakes:
        raise typer.Exit(1)
    plain.print("no mistakes found")


@consortium_app.command("propose")
def consortium_propose(
    channel: Annotated[str, typer.Argument(help="The channel's name.")],
    bundle: Annotated[Path, typer.Argument(help="The newcomer's bundle.")],
    out: Annotated[Path, typer.Option(help="Where the update goes.")],
    directory: OrganizationDirectoryOption = None,
) -> None:
    """Write the update by which a running channel takes in one more organisation."""
    from commonwatt_network.consortium.bundle import read_bundle
    from commonwatt_network.consortium.growth import propose
    from commonwatt_network.consortium.host import open_host

    newcomer = read_bundle(bundle)
    asyncio.run(propose(open_host(directory or default_directory()), channel, newcomer, out, plain_news))


@consortium_app.command("sign")
def consortium_sign(
    update: Annotated[Path, typer.Argument(help="The update, as `consortium propose` wrote it.")],
    directory: OrganizationDirectoryOption = None,
) -> None:
    """Sign the update as this organisation's administrator; the signature goes into a file beside it."""
    from commonwatt_network.consortium.growth import sign
    from commonwatt_network.consortium.host import open_host

    asyncio.run(sign(open_host(directory or default_directory()), update, read_file(update), plain_news))


@consortium_app.command("submit")
def consortium_submit(
    update: Annotated[Path, typer.Argument(help="The update; the signatures lie beside it.")],
    out: Annotated[Path, typer.Option(help="Where the block goes by which the newcomer joins.")],
    directory: OrganizationDirectoryOption = None,
) -> None:
    """Bring the update into force, when enough organisations have signed it."""
    from commonwatt_network.consortium.growth import submit
    from commonwatt_network.consortium.host import open_host

    host = open_host(directory or default_directory())
    asyncio.run(submit(host, update, read_file(update), out, plain_news))


ExchangeOption = Annotated[
    Path, typer.Option(help="The folder with its new bundle NAME.json; signatures and the block go there.")
]


@consortium_app.command("readmit")
def consortium_readmit(
    organization: Annotated[str, typer.Argument(help="The organisation whose orderer lost its log.")],
    exchange: ExchangeOption = Path("exchange"),
    directory: OrganizationDirectoryOption = None,
) -> None:
    """Sign for taking a restored organisation's orderers out of the channels and in again, with an empty log.

    Each member does so on its own host; the member that completes the signatures also brings it into force.
    """
    from commonwatt_network.consortium.host import open_host
    from commonwatt_network.consortium.readmission import readmit

    bundle = _bundle_in(exchange, organization)
    asyncio.run(readmit(open_host(directory or default_directory()), bundle, exchange, plain_news))


@consortium_app.command("agree")
def consortium_agree(
    organization: Annotated[str, typer.Argument(help="The organisation whose orderers changed.")],
    exchange: ExchangeOption = Path("exchange"),
    directory: OrganizationDirectoryOption = None,
) -> None:
    """Sign for an organisation's orderers that come, go, move or have a renewed certificate, as its bundle says.

    Each member does so on its own host; the one that completes the signatures also brings it into force.
    """
    from commonwatt_network.consortium.agreement import agree
    from commonwatt_network.consortium.host import open_host

    bundle = _bundle_in(exchange, organization)
    asyncio.run(agree(open_host(directory or default_directory()), bundle, exchange, plain_news))


def _bundle_in(exchange: Path, organization: str) -> Bundle:
    from commonwatt_network.consortium.bundle import BundleError, read_bundle

    path = exchange / f"{organization}.json"
    bundle = read_bundle(path)
    if bundle.name != organization:
        raise BundleError(f"{path} is the bundle of {bundle.name}, not of {organization}")
    plain_news(f"{bundle.name} ({bundle.mspid}): bundle {bundle.fingerprint}")
    return bundle


def _show_block(content: bytes) -> tuple[str, ...]:
    from commonwatt_network.consortium.review import review_block

    review = review_block(content, first=False)
    what = "" if review.number == 0 else f"block {review.number}, "
    plain.print(f"channel {review.config.channel}, {what}fingerprint {review.fingerprint}")
    for line in (*review.members, *review.rules):
        plain.print(f"- {line}")
    return review.mistakes


def _show_update(file: Path, content: bytes, directory: Path | None) -> tuple[str, ...]:
    from commonwatt_network.consortium.growth import review
    from commonwatt_network.consortium.host import open_host
    from commonwatt_network.consortium.update import read_signatures

    reviewed = asyncio.run(review(open_host(directory or default_directory()), content))
    if reviewed is None:
        plain.print(f"{file} is in force")
        return ()
    plain.print(f"update of channel {reviewed.current.channel}, fingerprint {sha256(content).hexdigest()}")
    for line in reviewed.words:
        plain.print(f"- {line}")
    plain.print(f"signed by {', '.join(read_signatures(file)) or 'nobody'}")
    return reviewed.mistakes
