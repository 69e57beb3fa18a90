"""The verbs that a consortium shares: making its channel from public bundles, and reading that block before joining."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from commonwatt_network.errors import UsageError
from commonwatt_network.layout import write_atomically
from commonwatt_network.org_commands import read_file

out = Console(highlight=False, soft_wrap=True, markup=False)

consortium_app = typer.Typer(no_args_is_help=True, help="Make and review a consortium's channel.")


def register(app: typer.Typer) -> None:
    """Add the verbs to `app`."""
    app.add_typer(consortium_app, name="consortium")


@consortium_app.command("create")
def consortium_create(
    channel: Annotated[str, typer.Argument(help="The channel's name.")],
    bundles: Annotated[list[Path], typer.Argument(help="Every organisation's bundle.")],
    output: Annotated[Path, typer.Option(help="Where the channel's block goes.")],
    endorsement: Annotated[
        str, typer.Option(help="Whose peers must endorse a transaction: all, majority, any.")
    ] = "all",
) -> None:
    """Make the channel's first block from the organisations' public bundles."""
    from commonwatt_network.consortium.bundle import read_bundle
    from commonwatt_network.consortium.genesis import consortium_block, same_configuration
    from commonwatt_network.consortium.review import review_block

    read = [read_bundle(path) for path in bundles]
    block = consortium_block(channel, read, endorsement)
    if output.exists():
        kept = read_file(output)
        review_block(kept)
        if not same_configuration(kept, block):
            raise UsageError(
                f"{output} holds another channel's block; nothing was written: name another file"
            )
        block = kept
    else:
        write_atomically(output, block)
    for bundle in read:
        out.print(f"{bundle.name} ({bundle.mspid}): bundle {bundle.fingerprint}")
    out.print(f"channel {channel} is in {output}; fingerprint {review_block(block).fingerprint}")


@consortium_app.command("show")
def consortium_show(
    block: Annotated[Path, typer.Argument(help="The channel's block.")],
) -> None:
    """Say in words who is in the channel, which policies decide, and what is wrong. Exit code 1: something is."""
    from commonwatt_network.consortium.review import review_block

    review = review_block(read_file(block))
    out.print(f"channel {review.config.channel}, fingerprint {review.fingerprint}")
    for line in (*review.members, *review.rules):
        out.print(f"- {line}")
    for mistake in review.mistakes:
        out.print(f"mistake: {mistake}")
    if review.mistakes:
        raise typer.Exit(1)
    out.print("no mistakes found")
